"""AROW and subject text states against the formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.experts import arow

BUCKETS = 64
POST = st.lists(st.integers(0, BUCKETS - 1), max_size=6, unique=True)
SUBJECT = st.tuples(st.lists(POST, min_size=1, max_size=9), st.integers(0, 2), st.floats(0.1, 3.0))


def flat(posts: list[list[int]]) -> arow.Posts:
    buckets = np.array([bucket for post in posts for bucket in post], np.int64)
    return arow.Posts(buckets, np.cumsum([0, *map(len, posts)], dtype=np.int64))


def learnt(subjects: list[tuple[list[list[int]], int, float]], r: float = 0.3) -> tuple[arow.Linear, arow.Floats]:
    model, fit = arow.new(BUCKETS, 3), np.array([0.5, 1.0, 0.0])
    posts = flat([post for posts, _, _ in subjects for post in posts])
    starts = np.cumsum([0, *(len(posts) for posts, _, _ in subjects)], dtype=np.int64)
    y, w = np.array([y for _, y, _ in subjects], np.int64), np.array([w for _, _, w in subjects], np.float64)
    arow.learn(model, posts, arow.Labels(starts, y, w), r, 100.0, fit, np.empty((0, 0)))
    return model, fit


def read(model: arow.Linear, fit: arow.Floats, posts: list[list[int]]) -> arow.Floats:
    """The evidence for one subject after each of its posts."""
    no_rows = arow.empty_texts(0, 3)
    subject = np.zeros(len(posts), np.int64)
    return arow.read(model.weights, fit, flat(posts), subject, arow.empty_texts(1, 3), no_rows, np.empty((0, 3)))


def prefixes(posts: int) -> list[int]:
    return sorted({n for n in (1, 2, 4, 8) if n <= posts} | {posts})


@settings(deadline=None)  # the first example compiles
@given(st.lists(SUBJECT, max_size=6))
def test_what_is_learnt_is_what_the_formulae_say(subjects: list[tuple[list[list[int]], int, float]]) -> None:
    model, _ = learnt(subjects)
    plain = arow.new(BUCKETS, 3)
    for posts, y, w in subjects:
        for n in prefixes(len(posts)):
            if any(posts[:n]):
                x = arow.reference_inputs(posts[:n], BUCKETS)
                arow.reference_learn_text(plain.weights, plain.variances, x, y, 0.3 / w)
    np.testing.assert_allclose(model.weights, plain.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.variances, plain.variances, rtol=1e-9)


@settings(deadline=None)  # the first example compiles
@given(st.lists(SUBJECT, min_size=1, max_size=4), st.lists(POST, min_size=1, max_size=12))
def test_a_subject_read_post_by_post_is_the_subject_read_at_once(
    subjects: list[tuple[list[list[int]], int, float]], posts: list[list[int]]
) -> None:
    model, fit = learnt(subjects)
    state, after = arow.empty_texts(1, 3), arow.empty_texts(len(posts), 3)
    gain = np.empty((len(posts), 3))
    one = np.zeros(len(posts), np.int64)
    evidence = arow.read(model.weights, fit, flat(posts), one, state, after, gain)
    for n in range(1, len(posts) + 1):
        margins = arow.reference_inputs(posts[:n], BUCKETS) @ model.weights
        p = np.exp(np.exp(fit[arow.LOG_SLOPE]) * (margins - margins.max()))
        expected = fit[arow.STRENGTH] * p / p.sum() if after.counts[n - 1] and fit[arow.SEEN] else np.zeros(3)
        np.testing.assert_allclose(evidence[n - 1], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            gain[:n].sum(axis=0), margins - arow.BIAS * model.weights[BUCKETS], rtol=1e-9, atol=1e-9
        )
    assert np.array_equal(after.sketches[-1], state.sketches[0])


def test_an_ngram_counts_once() -> None:
    model, fit = learnt([([[1, 2]], 0, 1.0), ([[3]], 1, 1.0)])
    evidence = read(model, fit, [[1, 2], [2, 1], [1]])
    assert np.array_equal(evidence[0], evidence[1])
    assert np.array_equal(evidence[0], evidence[2])


def test_the_evidence_returned_by_learning_is_that_of_before() -> None:
    subjects = [([[1, 2], [3]], 0, 1.0), ([[3, 4], [5], [6]], 1, 1.0)]
    model, fit = learnt(subjects[:1])
    posts = subjects[1][0]
    before = read(model, fit, posts)
    answers = np.empty((1, 3))
    labels = arow.Labels(np.array([0, 3]), np.array([1]), np.ones(1))
    arow.learn(model, flat(posts), labels, 0.3, 100.0, fit, answers)
    np.testing.assert_array_equal(answers[0], before[-1])


@pytest.mark.parametrize(("posts", "learnt_from"), [(1, [1]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_a_subject_is_learnt_from_its_first_posts(posts: int, learnt_from: list[int]) -> None:
    assert [n for n in range(1, posts + 1) if arow.is_learnt_prefix(n, posts)] == learnt_from
