"""Forms of trees for batches of any size, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.pool import DEFAULT_EXPERTS
from tocsin.config.experts.tree import TreeSettings
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import Place
from tocsin.kernels.device.trees import answers, by_torch
from tocsin.kernels.hoeffding.pool.layout import N_SWITCHED
from tocsin.models.data.batch import Batch
from tocsin.models.device.forms.form import Copies, form_of
from tocsin.models.device.forms.trees import TreesForm
from tocsin.models.device.inputs import Inputs

from .case import CASES, TORCH, TRITON, agree, copy_of, followed, form, plant, stream

DEFAULT = [one for one in DEFAULT_EXPERTS if isinstance(one, TreeSettings | ForestSettings)]


def grown(case: str, n: int = 1_500, columns: int = 5) -> tuple[Any, Any]:
    events, expert = stream(7), plant(CASES[case], columns)
    expert.learn(events.batch(slice(0, n), columns), events.y[:n], np.ones(n))
    return expert, events


@pytest.mark.parametrize("place", [TORCH, TRITON], ids=["torch", "triton"])
@pytest.mark.parametrize("case", CASES)
def test_both_ways_to_ask_answer_as_the_cpu_does(case: str, place: Place) -> None:
    expert, events = grown(case)
    agree(form(expert, place), events.odd(np.arange(1_400, 1_440), 5))


@pytest.mark.parametrize("place", [TORCH, TRITON], ids=["torch", "triton"])
@pytest.mark.parametrize("case", ["tree", "tree for each class", "forest"])
def test_one_event_and_none(case: str, place: Place) -> None:
    expert, events = grown(case)
    made = form(expert, place)
    agree(made, events.odd(np.arange(1), 5))
    nothing = Inputs.of(events.batch(slice(0, 0), 5), made.views, place)
    assert made.evidence(nothing).shape == (0, 4)
    assert made.leaves(nothing).shape == (0, len(expert.answering))


@pytest.mark.parametrize("case", ["tree", "tree for each class", "forest"])
def test_trees_that_have_learnt_nothing_say_nothing(case: str) -> None:
    made = form(plant(CASES[case]))
    agree(made, stream(7).odd(np.arange(20), 5))
    bare = form(plant(CASES[case], 5, 0))
    inputs = Inputs.of(stream(7).odd(np.arange(3), 5), bare.views, TORCH)
    assert bare.evidence(inputs).shape == (3, 0)


@pytest.mark.parametrize("case", CASES)
def test_classes_may_come_after_the_form(case: str) -> None:
    expert, events = plant(CASES[case], 5, 0), stream(7)
    made = form(expert)
    for classes in (2, 4):
        expert.resize(5, classes)
        expert.learn(events.batch(slice(0, 300), 5), events.y[:300] % classes, np.ones(300))
        agree(followed(made), events.odd(np.arange(30), 5))


@pytest.mark.parametrize("place", [TORCH, TRITON], ids=["torch", "triton"])
@pytest.mark.parametrize("case", ["tree", "tree with the last labels", "forest"])
def test_events_without_features(case: str, place: Place) -> None:
    expert, events = grown(case, 1_500, 0)
    agree(form(expert, place), events.batch(np.arange(40), 0))


@pytest.mark.parametrize("case", ["tree with the last labels", "forest"])
def test_a_large_batch_is_many_small_ones(case: str) -> None:
    expert, events = grown(case)
    places = np.arange(65_536) % len(events.y)
    made = form(expert)
    inputs = Inputs.of(events.odd(places, 5), made.views, TORCH)
    expected = expert.evidence(events.odd(places, 5))
    assert np.abs(made.evidence(inputs).numpy() - expected).max() <= 1e-9


@pytest.mark.parametrize("case", CASES)
def test_chunks_of_any_size_give_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expert, events = grown(case)
    made, batch = form(expert), events.odd(np.arange(50), 5)
    monkeypatch.setattr(by_torch, "AT_ONCE", 3_000)
    monkeypatch.setattr(answers, "AT_ONCE", 1_000)
    agree(made, batch)


@pytest.mark.parametrize("settings", [TreeSettings(grace_period=30), ForestSettings(trees=3)], ids=["tree", "forest"])
def test_thousands_of_features(settings: Any) -> None:
    rng, expert = np.random.default_rng(8), plant(settings, 0, 0)
    expert.resize(4_096, 2)
    X = rng.normal(size=(200, 4_096))
    X[rng.random(X.shape) < 0.02] = np.nan
    y = (X[:, 0] > 0).astype(np.int64)
    expert.learn(Batch.of(X[:160]), y[:160], np.ones(160))
    made = form(expert)
    agree(made, Batch.of(X[160:]))
    expert.learn(Batch.of(X[160:]), y[160:], np.ones(40))
    agree(followed(made), Batch.of(X[:40]))


@pytest.mark.parametrize("case", CASES)
def test_the_memory_that_a_copy_takes_is_known_before(case: str) -> None:
    expert, _ = grown(case)
    made = form(expert)
    taken = sum(made.copies[name].nbytes for name in ("links", "values", "answers", "moments", "cells", "columns"))
    assert made.bytes_needed() / 5 < taken <= made.bytes_needed()


def test_the_launches_stay_the_same_while_trees_grow_a_little() -> None:
    expert, events = grown("forest", 300)
    made, structures = form(expert), set()
    for begin in range(300, 3_000, 10):
        expert.learn(events.batch(slice(begin, begin + 10), 5), events.y[begin : begin + 10], np.ones(10))
        followed(made)
        structures.add((made.structure, made.copies.mirror.generation))
    assert len(structures) < 20


@pytest.mark.parametrize("columns", [3, 5])
def test_a_label_travels_in_a_few_kilobytes(columns: int) -> None:
    """The default pool's 17 trees: of each the terms of one class in one leaf, and what the path to it is now."""
    events, K, n = stream(9), 4, 2_000
    experts = [plant(settings, columns, K) for settings in DEFAULT]
    trees = sum(1 if isinstance(settings, TreeSettings) else settings.trees for settings in DEFAULT)
    assert trees == 17
    made, sizes = [form(expert) for expert in experts], []
    for begin in range(n):
        sizes.append(0)
        for expert, one in zip(experts, made, strict=True):
            before, C = shape_of(expert, one), max(0, columns - 3) + expert.history
            expert.learn(events.batch(slice(begin, begin + 1), columns), events.y[begin : begin + 1], np.ones(1))
            one.follow()
            size = one.copies.mirror.send()
            bound = 24 * (columns + expert.history) + 8 + 8 * (K + 2) + 52 * (copy_of(one).depth + 1) + 32 * C
            if shape_of(expert, one) == before:
                assert size <= (bound + 16) * len(expert.answering)
            sizes[-1] += size
    print(f"{np.median(sizes):,.0f} bytes a label, {np.mean(sizes):,.0f} with splits, of {columns} features")
    assert np.median(sizes) < 8_192


def shape_of(expert: Any, made: TreesForm) -> tuple[Any, ...]:
    """Other where a tree has split or was replaced, a leaf has other observers, or a tensor or table was made anew."""
    pools = [source.pool for source in expert.answering]
    switched = [int(pool.counters[N_SWITCHED]) for pool in pools]
    table = id(copy_of(made)._held.cells)
    return expert.n_nodes, getattr(expert, "drifts", 0), switched, made.copies.mirror.generation, table


@pytest.mark.parametrize("case", ["tree", "forest"])
def test_a_pool_without_a_form_writes_nothing_down(case: str) -> None:
    expert, _ = grown(case)
    assert all(len(source.pool.taught) == 0 for source in expert.answering)
    form(expert)
    assert all(len(source.pool.taught) > 0 for source in expert.answering)


def test_a_batch_of_other_columns_is_refused() -> None:
    expert, events = grown("tree")
    made = form(expert)
    with pytest.raises(ValueError, match=r"X \(9, 4\) is not \[B, 5\]"):
        made.evidence(Inputs.of(events.batch(slice(0, 9), 4), made.views, TORCH))


def test_every_kind_of_tree_has_its_form() -> None:
    for settings in DEFAULT:
        made = form_of(settings.kind, plant(settings), Copies(Mirror(TORCH), "expert/"))
        assert isinstance(made, TreesForm)
        assert made.views == {"filled", "history"}
        assert made.bytes_needed() > 0


def test_events_that_know_no_label_have_a_history_of_unknown_ones() -> None:
    expert, events = grown("tree with the last labels")
    made = form(expert)
    agree(made, Batch.of(events.X[:30]))
    short = Batch.of(events.X[:30], history=events.history[:30, :1])
    agree(made, short)
    assert torch.isnan(made._inputs(Inputs.of(short, made.views, TORCH))[:, 1]).all()
