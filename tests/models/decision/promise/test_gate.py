"""The gate: what shuts it, what opens it, and what does neither."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.decision.promise.gate import LATEST, MOST_WRONG, PROBES, Gate


def taught(gate: Gate, wrongs: list[bool], scored_from: int, learnt_from: int, quick: bool = False) -> list[bool]:
    """Whether each answer shut or opened the gate."""
    pairs = enumerate(wrongs)
    return [gate.learn(wrong, scored_from + i, learnt_from + i, quick, 0.05) for i, wrong in pairs]


def test_it_shuts_after_fifteen_wrong_answers_and_opens_after_thirty_that_are_right() -> None:
    gate = Gate(0.1)
    assert not any(taught(gate, [False] * 100, 0, 500))
    shut = taught(gate, [True] * 20, 100, 600)
    assert shut.index(True) == MOST_WRONG - 1
    assert gate.shut
    assert gate.since == gate.surely_since == 100  # the first that was wrong
    opened = taught(gate, [False] * LATEST, 120, 620)
    assert opened.index(True) == LATEST - 4  # three of ten in a hundred may be wrong
    assert not gate.shut


def test_a_model_that_is_as_good_as_usual_never_shuts_it() -> None:
    rng, gate = np.random.default_rng(4), Gate(0.1)
    assert not any(taught(gate, (rng.random(20_000) < 0.1).tolist(), 0, 500))


def test_answers_to_events_from_before_the_change_do_not_open_it() -> None:
    gate = Gate(0.1)
    taught(gate, [False] * 10, 1_000, 6_000)
    taught(gate, [True] * 3, 6_500, 6_520, quick=True)
    assert gate.shut
    assert not any(taught(gate, [False] * 400, 1_010, 6_600))  # late labels of long ago
    assert any(taught(gate, [False] * LATEST, 6_600, 11_600))


def test_two_wrong_quick_labels_lift_and_shut_and_ten_right_ones_open() -> None:
    gate = Gate(0.1)
    taught(gate, [False], 90, 110, quick=True)
    taught(gate, [True], 200, 220, quick=True)
    assert gate.lifted
    assert not gate.shut
    taught(gate, [True], 205, 225, quick=True)
    assert gate.shut
    assert not gate.lifted
    assert (gate.since, gate.surely_since) == (91, 200)  # from the last that was right, or surely from the first wrong
    opened = taught(gate, [False] * PROBES, 300, 320, quick=True)
    assert opened.index(True) == PROBES - 1


def test_a_right_quick_label_calms_it() -> None:
    gate = Gate(0.1)
    taught(gate, [True, False], 200, 220, quick=True)
    assert not gate.lifted
    assert not gate.shut


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=120))
def test_a_restored_gate_goes_on_alike(steps: list[tuple[bool, bool]]) -> None:
    made, other = Gate(0.2), Gate(0.2)
    for i, (wrong, quick) in enumerate(steps):
        made.learn(wrong, i, i + 20, quick, 0.03)
    other.load_state_dict(made.state_dict())
    for i, (wrong, quick) in enumerate(steps[::-1]):
        at = len(steps) + i
        assert made.learn(wrong, at, at + 20, quick, 0.03) == other.learn(wrong, at, at + 20, quick, 0.03)
    assert vars(made) == vars(other)
