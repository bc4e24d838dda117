"""The gate's kernels are their formulae, and what they learn depends on the order of events alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.routing import gate as kernel

Floats = NDArray[np.float64]
E, K, F, PRIOR, MEMORY = 5, 3, 4, 3.0, 0.99
COST = np.array([0.1, 0.3, 0.3, 2.0, 4.0])
ACTIVE = np.ones(E, np.bool_)


class Events:
    """Events on whose first feature it depends how often the cheap experts are wrong."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(0.0, 1.0, (rows, F))
        self.X[rng.random(self.X.shape) < 0.1] = np.nan
        y = rng.integers(0, K, rows)
        self.answers = rng.exponential(1.0, (rows, E, K))
        hard = np.nan_to_num(self.X[:, 0]) > 0.5
        for e in range(E):
            right = rng.random(rows) < np.where(hard & (e < 3), 0.5, 0.95)
            self.answers[np.arange(rows), e, np.where(right, y, rng.integers(0, K, rows))] += 20.0
        self.answers[:, 1][rng.random(rows) < 0.2] = 0.0
        self.rho = rng.uniform(0.1, 0.9, (rows, E))
        self.labels = kernel.Labels(y, np.where(rng.random(rows) < 0.05, -1, y), rng.random(rows) < 0.5)


def learnt(events: Events, poll: int) -> kernel.GateState:
    state = kernel.new(E, F, np.arange(E)[::-1])  # the dearest first
    for start in range(0, len(events.X), poll):
        rows = slice(start, start + poll)
        labels = kernel.Labels(*(column[rows] for column in events.labels))
        seen = events.X[rows], events.answers[rows], events.rho[rows]
        kernel.learn_rows(state, *seen, labels, kernel.Terms(ACTIVE, COST, PRIOR, MEMORY))
    return state


def test_events_cut_into_calls_of_any_length_leave_the_same_bits() -> None:
    events = Events(1_000)
    whole = learnt(events, 1_000)
    assert whole.counters[kernel.SEEN] > 400
    assert whole.order[0] == 0, "no new order was ever made"
    for poll in (1, 7):
        for one, other in zip(whole, learnt(events, poll), strict=True):
            assert one.tobytes() == other.tobytes()


def test_the_margin_of_a_vote_is_its_formula() -> None:
    events, state = Events(300), learnt(Events(500, seed=1), 500)
    front, out = state.order[:3], np.empty(300)
    kernel.margins(state, events.X, events.answers, front, PRIOR, out)
    told = [
        kernel.reference_margin(answers, front, state.trust, PRIOR)[1] * (1.0 - kernel.reference_difficulty(state, x))
        for x, answers in zip(events.X, events.answers, strict=True)
    ]
    np.testing.assert_allclose(out, told, rtol=1e-9)
    assert out.std() > 0.05


def test_difficult_events_are_told_by_their_features() -> None:
    state = learnt(Events(4_000), 4_000)
    easy, hard = np.array([-1.0, 0.0, 0.0, 0.0]), np.array([2.0, 0.0, 0.0, 0.0])
    assert kernel.reference_difficulty(state, hard) > kernel.reference_difficulty(state, easy) + 0.1


def test_what_is_counted_of_a_front_is_how_often_it_names_another_class() -> None:
    events, state = Events(40), kernel.new(E, F, np.arange(E))  # fewer than make a new order
    state.trust[:] = 0.5
    counted = np.flatnonzero(events.labels.counted & (events.labels.decided >= 0))
    changed = np.zeros(E)
    for b in counted.tolist():
        for i in range(E):
            best, _ = kernel.reference_margin(events.answers[b], np.arange(i + 1), state.trust, PRIOR)
            changed[i] += best != events.labels.decided[b]
        rows = slice(b, b + 1)
        labels = kernel.Labels(*(column[rows] for column in events.labels))
        seen = events.X[rows], events.answers[rows], events.rho[rows]
        kernel.learn_rows(state, *seen, labels, kernel.Terms(ACTIVE, COST, PRIOR, 1.0))
    assert state.counts.sum(axis=1).tolist() == [float(len(counted))] * E
    assert state.changed.sum(axis=1).tolist() == changed.tolist()


@pytest.mark.parametrize("bound", [0.0, 0.01, 0.05, 0.2, 0.6, 1.0])
def test_the_cheapest_front_within_the_bound_is_chosen(bound: float) -> None:
    state = learnt(Events(2_000), 2_000)
    choice = kernel.chosen(state, COST, ACTIVE, bound, 0.1, 50.0)
    expected, told = kernel.reference_chosen(state, COST, ACTIVE, bound, 0.1, 50.0)
    front = COST[state.order[: choice.length]].sum()
    step = round(choice.least * kernel.BINS)
    counts, changed = state.counts[choice.length - 1], state.changed[choice.length - 1]
    if told.least > 1.0:
        assert choice == told
        return
    lost = 1.0 + changed[step:].sum()
    assert lost <= bound * counts.sum()
    alone = 0.9 * counts[step:].sum() / counts.sum()
    whole = COST.sum()
    assert front + (1.0 - alone) * (whole - front) + lost / counts.sum() * whole == pytest.approx(expected)


def test_too_few_events_choose_nobody() -> None:
    state = learnt(Events(150), 150)
    assert kernel.chosen(state, COST, ACTIVE, 0.5, 0.1, 100.0).least > 1.0
    assert kernel.chosen(state, COST, ACTIVE, 0.5, 0.1, 10.0).least <= 1.0


def test_new_columns_change_no_margin() -> None:
    events, state = Events(200), learnt(Events(500, seed=1), 500)
    wide = kernel.widened(state, F + 2)
    before, after = np.empty(200), np.empty(200)
    kernel.margins(state, events.X, events.answers, state.order, PRIOR, before)
    kernel.margins(wide, np.hstack([events.X, np.ones((200, 2))]), events.answers, state.order, PRIOR, after)
    np.testing.assert_array_equal(before, after)
