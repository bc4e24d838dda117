"""Whatever trees learn, the copy on a device follows by what has changed, and ends where a new copy would begin."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.hoeffding.copying import watching
from tocsin.models.experts.trees.forest import ForestExpert

from .case import CASES, agree, copy_of, followed, form, plant, same, state, stream


def learn(expert: Any, batch: Any, y: Any, rng: np.random.Generator) -> None:
    """By one of the three ways in which experts learn, with weights that are not whole numbers."""
    weight, way = rng.choice([0.5, 1.0, 1.7], len(y)), rng.integers(3)
    if way == 0:
        expert.learn(batch, y, weight)
    elif way == 1:
        expert.predict_then_learn(batch, y, weight)
    else:
        expert.ask_and_learn(batch, np.arange(len(y)), batch, y, weight)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_after_any_lessons_the_copy_is_what_a_new_one_would_be(case: str, seed: int) -> None:
    rng, events = np.random.default_rng(seed), stream(seed)
    expert, columns, classes = plant(CASES[case], columns=4, classes=2), 4, 2
    made, begin = form(expert), 0
    saved = copy.deepcopy(expert.state_dict())
    while begin < len(events.y):
        if begin > 1_000 and columns == 4:
            columns, classes = 5, 4
            expert.set_columns((), [False, False, False, True, True])
            expert.resize(columns, classes)
            saved = copy.deepcopy(expert.state_dict())
        end = min(len(events.y), begin + int(rng.choice([1, 2, 30, 150])))
        learn(expert, events.batch(slice(begin, end), columns), events.y[begin:end] % classes, rng)
        begin = end
        if columns == 5 and rng.random() < 0.02:
            expert.load_state_dict(saved)
        if rng.random() < 0.2:
            continue  # nobody asks before more is learnt
        followed(made)
        agree(made, events.odd(rng.integers(0, len(events.y), 14), columns))
        if rng.random() < 0.1:
            assert same(state(made), state(form(expert))) == []
    followed(made)
    assert same(state(made), state(form(expert))) == []


def test_the_cases_split_drift_lose_observers_and_get_them_back() -> None:
    events, switched, slots = stream(1), 0, set[int]()
    for case in ("tree with little memory", "forest"):
        expert = plant(CASES[case])
        for begin in range(0, 3_000, 10):
            expert.learn(events.batch(slice(begin, begin + 10), 5), events.y[begin : begin + 10], np.ones(10))
            pool = expert.answering[0].pool
            if case != "forest":
                switched = max(switched, int(pool.trees["n_inactive"].max()))
                slots.add(int(pool.trees["n_active"].max()))
        assert expert.n_nodes > 20
        assert not isinstance(expert, ForestExpert) or expert.drifts > 4
    assert switched > 2
    assert len(slots) > 2


def test_a_leaf_that_lost_its_observers_and_got_the_same_slot_again_is_noticed() -> None:
    """No lesson reaches it, and its node looks as it did."""
    from tocsin.kernels.hoeffding.tree.memory import activate, deactivate

    events, expert = stream(2), plant(CASES["tree"])
    expert.learn(events.batch(slice(0, 600), 5), events.y[:600], np.ones(600))
    made, pool = form(expert), expert.answering[0].pool
    nodes = pool.nodes[0, : pool.trees["n_nodes"][0]]
    leaf = int(np.flatnonzero((nodes["kind"] == 0) & (nodes["slot"] >= 0))[-1])
    slot = int(nodes["slot"][leaf])
    deactivate(pool.header, 0, leaf)
    activate(pool.header, 0, leaf)
    assert pool.nodes["slot"][0, leaf] == slot
    agree(followed(made), events.batch(slice(0, 600), 5))
    assert same(state(made), state(form(expert))) == []


def test_more_lessons_than_are_remembered_are_no_lessons_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVENTS", 16)
    for case in ("tree for each class", "forest"):
        events, expert = stream(3), plant(CASES[case])
        made = form(expert)
        for begin in range(0, 3_000, 300):
            expert.learn(events.batch(slice(begin, begin + 300), 5), events.y[begin : begin + 300], np.ones(300))
            agree(followed(made), events.odd(np.arange(begin, begin + 300), 5))
        assert same(state(made), state(form(expert))) == []


def test_categories_without_end_do_not_fill_the_table() -> None:
    """Nothing is removed from the table of categories, so it must be made anew now and then."""
    rng, expert = np.random.default_rng(4), plant(CASES["forest"])
    made, events = form(expert), stream(4)
    X = events.X.copy()
    X[:, 3] = rng.integers(0, 400, len(X))
    events = events._replace(X=X)
    sizes = set()
    for begin in range(0, 3_000, 50):
        expert.learn(events.batch(slice(begin, begin + 50), 5), events.y[begin : begin + 50], np.ones(50))
        agree(followed(made), events.odd(np.arange(begin, begin + 50), 5))
        sizes.add(copy_of(made).cells)
    assert len(sizes) > 2
    assert same(state(made), state(form(expert))) == []


def test_nothing_travels_where_nothing_was_learnt() -> None:
    events, expert = stream(5), plant(CASES["forest"])
    expert.learn(events.batch(slice(0, 500), 5), events.y[:500], np.ones(500))
    made = form(expert)
    made.follow()
    assert made.copies.mirror.send() == 0


def test_a_tree_that_takes_over_travels_and_the_others_do_not() -> None:
    events, expert = stream(6), plant(CASES["forest"])
    assert isinstance(expert, ForestExpert)
    made, seen = form(expert), list[int]()
    for begin in range(3_000):
        drifts, generation = expert.drifts, made.copies.mirror.generation
        expert.learn(events.batch(slice(begin, begin + 1), 5), events.y[begin : begin + 1], np.ones(1))
        made.follow()
        size = made.copies.mirror.send()
        if expert.drifts == drifts + 1 and made.copies.mirror.generation == generation:
            seen.append(size)
            agree(made, events.odd(np.arange(14), 5))
    everything = form(expert).copies.mirror.sent
    assert len(seen) > 2
    assert max(seen) < everything / 3
