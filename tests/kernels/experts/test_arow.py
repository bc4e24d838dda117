"""AROW and threads against the formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.experts import arow

BUCKETS = 64
POST = st.lists(st.integers(0, BUCKETS - 1), max_size=6, unique=True)
THREAD = st.tuples(st.lists(POST, min_size=1, max_size=9), st.integers(0, 2), st.floats(0.1, 3.0))


def flat(posts: list[list[int]]) -> tuple[arow.Ints, arow.Ints]:
    buckets = np.array([bucket for post in posts for bucket in post], np.int64)
    return buckets, np.cumsum([0, *map(len, posts)], dtype=np.int64)


def learnt(threads: list[tuple[list[list[int]], int, float]], r: float = 0.3) -> tuple[arow.Linear, arow.Floats]:
    model, fit = arow.new(BUCKETS, 3), np.array([0.5, 1.0, 0.0])
    buckets, bounds = flat([post for posts, _, _ in threads for post in posts])
    starts = np.cumsum([0, *(len(posts) for posts, _, _ in threads)], dtype=np.int64)
    y, w = np.array([y for _, y, _ in threads], np.int64), np.array([w for _, _, w in threads], np.float64)
    arow.learn(model, buckets, bounds, starts, y, w, r, 100.0, fit, np.empty((0, 0)))
    return model, fit


def beginnings(posts: int) -> list[int]:
    return sorted({n for n in (1, 2, 4, 8) if n <= posts} | {posts})


@settings(deadline=None)  # the first example compiles
@given(st.lists(THREAD, max_size=6))
def test_what_is_learnt_is_what_the_formulae_say(threads: list[tuple[list[list[int]], int, float]]) -> None:
    model, _ = learnt(threads)
    plain = arow.new(BUCKETS, 3)
    for posts, y, w in threads:
        for n in beginnings(len(posts)):
            if any(posts[:n]):
                x = arow.reference_inputs(posts[:n], BUCKETS)
                arow.reference_move(plain.weights, plain.variances, x, y, 0.3 / w)
    np.testing.assert_allclose(model.weights, plain.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.variances, plain.variances, rtol=1e-9)


@settings(deadline=None)  # the first example compiles
@given(st.lists(THREAD, min_size=1, max_size=4), st.lists(POST, min_size=1, max_size=12))
def test_a_thread_read_post_by_post_is_the_thread_read_at_once(
    threads: list[tuple[list[list[int]], int, float]], posts: list[list[int]]
) -> None:
    model, fit = learnt(threads)
    buckets, bounds = flat(posts)
    now, after = arow.threads(1, 3), arow.threads(len(posts), 3)
    gain = np.empty((len(posts), 3))
    one = np.zeros(len(posts), np.int64)
    evidence = arow.read(model.weights, fit, buckets, bounds, one, now, after, gain)
    for n in range(1, len(posts) + 1):
        margins = arow.reference_inputs(posts[:n], BUCKETS) @ model.weights
        p = np.exp(np.exp(fit[arow.LOG_SLOPE]) * (margins - margins.max()))
        expected = fit[arow.STRENGTH] * p / p.sum() if after.counts[n - 1] and fit[arow.SEEN] else np.zeros(3)
        np.testing.assert_allclose(evidence[n - 1], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            gain[:n].sum(axis=0), margins - arow.BIAS * model.weights[BUCKETS], rtol=1e-9, atol=1e-9
        )
    assert np.array_equal(after.sketches[-1], now.sketches[0])


def test_what_was_said_before_adds_nothing() -> None:
    model, fit = learnt([([[1, 2]], 0, 1.0), ([[3]], 1, 1.0)])
    buckets, bounds = flat([[1, 2], [2, 1], [1]])
    said = arow.read(
        model.weights, fit, buckets, bounds, np.zeros(3, np.int64), arow.threads(1, 3), arow.threads(0, 3),
        np.empty((0, 3)),
    )  # fmt: skip
    assert np.array_equal(said[0], said[1])
    assert np.array_equal(said[0], said[2])


def test_the_evidence_told_in_learning_is_that_of_before() -> None:
    threads = [([[1, 2], [3]], 0, 1.0), ([[3, 4], [5], [6]], 1, 1.0)]
    model, fit = learnt(threads[:1])
    posts = threads[1][0]
    buckets, bounds = flat(posts)
    before = arow.read(
        model.weights, fit, buckets, bounds, np.zeros(3, np.int64), arow.threads(1, 3), arow.threads(0, 3),
        np.empty((0, 3)),
    )  # fmt: skip
    said = np.empty((1, 3))
    arow.learn(model, buckets, bounds, np.array([0, 3]), np.array([1]), np.ones(1), 0.3, 100.0, fit, said)
    np.testing.assert_array_equal(said[0], before[-1])


@pytest.mark.parametrize(("posts", "learnt_from"), [(1, [1]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_a_thread_is_learnt_from_its_beginnings(posts: int, learnt_from: list[int]) -> None:
    assert [n for n in range(1, posts + 1) if arow.is_beginning(n, posts)] == learnt_from
