"""Columns of heavy tails by rank: the compiled pass against plain numpy, and when a column goes by rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.tails import BY_LOG, FIRST, Gate, ReferenceColumn, Seen, Tails, apply, learn, new, widened

GATE = Gate(4.0, 3.0)
Floats = NDArray[np.float64]


def room(X: Floats) -> Seen:
    """Where rows like X go as they are seen."""
    return Seen(*(np.empty_like(X) for _ in range(3)))


def learnt(X: Floats, cuts: tuple[int, ...] = ()) -> tuple[Tails, Seen]:
    """What is known after X, and X as it was seen, learnt in pieces."""
    tails, nominal, out = new(X.shape[1]), np.zeros(X.shape[1], np.bool_), room(X)
    known = np.ones(X.shape, np.bool_)
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        piece = Seen(*(one[start:stop] for one in out))
        learn(tails, nominal, known[start:stop], X[start:stop], GATE, piece)
    return tails, out


def plainly(column: Floats) -> list[tuple[float, float, float]]:
    """The column by rank, by size, and as experts on time see it."""
    reference, out = ReferenceColumn(GATE), []
    for x in column.tolist():
        if not math.isfinite(x):
            out.append((x, x, x))
            continue
        out.append((reference.score(x), reference.by_size(x), reference.on_time(x)))
        reference.learn(x)
    return out


COLUMNS = {
    "normal": lambda rng, n: rng.normal(3.0, 2.0, n),
    "heavy": lambda rng, n: np.exp(2.0 * rng.normal(size=n)),
    "heavy below": lambda rng, n: -np.exp(2.0 * rng.normal(size=n)),
    "heavy for a while": lambda rng, n: np.exp(np.where(np.arange(n) % 2_000 < 1_000, 2.0, 0.1) * rng.normal(size=n)),
    "counts": lambda rng, n: rng.poisson(0.05, n).astype(float),
    "constant": lambda rng, n: np.full(n, 7.0),
}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from(sorted(COLUMNS)), st.lists(st.sampled_from([math.nan, 0.0, 9.0])))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, kind: str, odd: list[float]) -> None:
    rng = np.random.default_rng(seed)
    column = COLUMNS[kind](rng, 2_600)
    column[rng.integers(0, 2_600, len(odd))] = odd
    seen = np.hstack(learnt(column[:, None])[1])
    np.testing.assert_allclose(seen, plainly(column), rtol=1e-9, atol=1e-12)


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X = np.random.default_rng(1).standard_t(2, size=(2_500, 3))
    X = np.hstack([X, np.exp(2.0 * X)])
    once, often = learnt(X)[1], learnt(X, (1, 20, 199, 200, 201, 999, 1_000, 2_000))[1]
    for one, other in zip(once, often, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scoring_sees_what_learning_would_and_learns_nothing() -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([np.exp(2.0 * rng.normal(size=700)), rng.normal(size=700)])
    tails, _ = learnt(X)
    before = [array.copy() for array in tails]
    nominal, asked = np.array([False, False]), np.array([[3.0, 3.0], [math.nan, -1.0]])
    scored, seen = room(asked), room(asked[:1])
    apply(tails, nominal, asked, scored)
    for old, array in zip(before, tails, strict=True):
        np.testing.assert_array_equal(old, array)
    learn(tails, nominal, np.ones((1, 2), np.bool_), asked[:1], GATE, seen)
    for learnt_as, scored_as in zip(seen, scored, strict=True):
        np.testing.assert_array_equal(learnt_as, scored_as[:1])
        assert math.isnan(scored_as[1, 0])
    apply(tails, np.array([True, False]), asked, scored)
    assert (scored.by_rank[0, 0], scored.on_time[0, 0]) == (3.0, 3.0)  # a category


@pytest.mark.parametrize(
    ("kind", "by_rank"), [("normal", False), ("heavy", True), ("heavy below", True), ("counts", False)]
)
def test_only_heavy_tails_go_by_rank(kind: str, by_rank: bool) -> None:
    for seed in range(5):
        column = COLUMNS[kind](np.random.default_rng(seed), 3_000)
        assert learnt(column[:, None])[0].heavy.tolist() == [by_rank]


def test_recurring_wrong_values_are_no_heavy_tail() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(5_000, 20))
    X[rng.random(X.shape) < 0.005] *= 1e5
    assert not learnt(X)[0].heavy.any()


def test_a_column_keeps_its_scale_where_ranks_end() -> None:
    """What standardises has learnt the scale of the ranks by then."""
    out = learnt(np.random.default_rng(4).normal(1_000.0, 20.0, size=(1_200, 40)))[1].by_rank
    for part in (out[20:FIRST], out[FIRST:]):
        low, high = np.quantile(part, [0.25, 0.75], axis=0).mean(axis=1)
        assert low == pytest.approx(-0.5, abs=0.05)
        assert high == pytest.approx(0.5, abs=0.05)


def test_a_column_whose_tails_become_light_is_seen_as_it_is_again() -> None:
    column = COLUMNS["heavy for a while"](np.random.default_rng(5), 4_000)
    assert [bool(learnt(column[:n, None])[0].heavy[0]) for n in (1_000, 2_000, 3_000, 4_000)] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("kind", "by_log"), [("normal", False), ("heavy", True), ("heavy below", False), ("counts", False)]
)
def test_experts_on_time_see_logarithms_only_where_those_have_short_tails(kind: str, by_log: bool) -> None:
    for seed in range(5):
        column = COLUMNS[kind](np.random.default_rng(seed), 3_000)
        tails, seen = learnt(column[:, None])
        assert (tails.chosen == BY_LOG).tolist() == [by_log]
        if not by_log:
            np.testing.assert_array_equal(seen.on_time[:, 0], column)


def test_logarithms_keep_the_middle_and_the_range_and_the_order_of_their_column() -> None:
    """What an expert has learnt of the column before stays of use."""
    column = COLUMNS["heavy"](np.random.default_rng(8), 3_000)
    seen = learnt(column[:, None])[1].on_time[FIRST:, 0]
    assert np.quantile(seen, [0.25, 0.75]) == pytest.approx(np.quantile(column[FIRST:], [0.25, 0.75]), abs=0.5)
    tails, _ = learnt(column[:, None])
    asked = np.array([[-5.0], [0.0], [1e-6], [1e-3], [1.0], [1e9]])
    out = room(asked)
    apply(tails, np.zeros(1, np.bool_), asked, out)
    assert np.isfinite(out.on_time).all()
    assert (np.diff(out.on_time[:, 0]) > 0.0).all()


def test_by_size_what_is_far_out_stays_far_out() -> None:
    """By rank the largest of a thousand values is hardly farther out than the tenth largest: a fraud was hidden so."""
    X = np.random.default_rng(9).gamma(0.3, 50.0, size=(3_000, 1))
    tails, _ = learnt(X)
    asked = np.array([[float(np.quantile(X, 0.99))], [20.0 * float(X.max())]])
    out = room(asked)
    apply(tails, np.zeros(1, np.bool_), asked, out)
    assert tails.heavy[0]
    assert out.by_rank[1, 0] < 2.0 * out.by_rank[0, 0]
    assert out.by_size[1, 0] > 2.0 * out.by_size[0, 0]


def test_what_is_not_known_is_not_learnt() -> None:
    X = np.random.default_rng(6).normal(size=(900, 2))
    tails, nominal, known = new(2), np.zeros(2, np.bool_), np.ones(X.shape, np.bool_)
    known[100:, 1] = False
    learn(tails, nominal, known, X, GATE, room(X))
    assert tails.known.tolist() == [900.0, 100.0]


def test_a_column_that_comes_later_begins_at_nothing() -> None:
    tails, _ = learnt(np.random.default_rng(7).normal(size=(300, 1)))
    wider = widened(tails, 2)
    assert wider.known.tolist() == [300.0, 0.0]
    assert wider.range[1] == 1.0
    assert widened(wider, 1) is wider
