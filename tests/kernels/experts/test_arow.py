"""AROW and subject text states against the formulae."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.experts import arow

BUCKETS = 64
POST = st.lists(st.integers(0, BUCKETS - 1), max_size=6, unique=True)
BOTH = st.tuples(POST, POST)
"""The listed n-grams of a post, and its summed ones."""
SUBJECT = st.tuples(st.lists(BOTH, min_size=1, max_size=9), st.integers(0, 2), st.floats(0.1, 3.0))
SHARE = st.sampled_from([0.0, 0.3, 1.0])

Both = list[tuple[list[int], list[int]]]
"""The posts of a subject."""


def flat(posts: Both, share: float = 0.3) -> arow.Posts:
    blocks: list[arow.Ints] = []
    for block in ([listed for listed, _ in posts], [summed if share else [] for _, summed in posts]):
        blocks.append(np.array([bucket for post in block for bucket in post], np.int64))
        blocks.append(np.cumsum([0, *map(len, block)], dtype=np.int64))
    return arow.Posts(blocks[0], blocks[1], blocks[2], blocks[3], share)


def listed(posts: list[list[int]]) -> Both:
    return [(post, []) for post in posts]


def learnt(subjects: list[tuple[Both, int, float]], share: float = 0.3) -> tuple[arow.Linear, arow.Floats]:
    model, fit = arow.new(BUCKETS, 3), np.array([0.5, 1.0, 0.0])
    posts = flat([post for posts, _, _ in subjects for post in posts], share)
    starts = np.cumsum([0, *(len(posts) for posts, _, _ in subjects)], dtype=np.int64)
    y, w = np.array([y for _, y, _ in subjects], np.int64), np.array([w for _, _, w in subjects], np.float64)
    arow.learn(model, posts, arow.Labels(starts, y, w), 0.3, 100.0, fit, np.empty((0, 0)))
    return model, fit


def read(model: arow.Linear, fit: arow.Floats, posts: Both) -> arow.Floats:
    """The evidence for one subject after each of its posts."""
    no_rows = arow.empty_texts(0, 3)
    subject = np.zeros(len(posts), np.int64)
    return arow.read(model.weights, fit, flat(posts), subject, arow.empty_texts(1, 3), no_rows, np.empty((0, 3)))


def inputs(posts: Both, share: float) -> arow.Floats:
    summed = [said for _, said in posts] if share else []
    return arow.reference_inputs([post for post, _ in posts], summed, share, BUCKETS)


def has_inputs(posts: Both, share: float) -> bool:
    return any(listed or (summed and share) for listed, summed in posts)


def prefixes(posts: int) -> list[int]:
    return sorted({n for n in (1, 2, 4, 8) if n <= posts} | {posts})


@settings(deadline=None)  # the first example compiles
@given(st.lists(SUBJECT, max_size=6), SHARE)
def test_what_is_learnt_is_what_the_formulae_say(subjects: list[tuple[Both, int, float]], share: float) -> None:
    model, _ = learnt(subjects, share)
    plain = arow.new(BUCKETS, 3)
    for posts, y, w in subjects:
        for n in prefixes(len(posts)):
            if has_inputs(posts[:n], share):
                arow.reference_learn_text(plain.weights, plain.variances, inputs(posts[:n], share), y, 0.3 / w)
    np.testing.assert_allclose(model.weights, plain.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.variances, plain.variances, rtol=1e-9)


@settings(deadline=None)  # the first example compiles
@given(st.lists(SUBJECT, min_size=1, max_size=4), st.lists(BOTH, min_size=1, max_size=12), SHARE)
def test_a_subject_read_post_by_post_is_the_subject_read_at_once(
    subjects: list[tuple[Both, int, float]], posts: Both, share: float
) -> None:
    model, fit = learnt(subjects, share)
    state, after = arow.empty_texts(1, 3), arow.empty_texts(len(posts), 3)
    gain = np.empty((len(posts), 3))
    one = np.zeros(len(posts), np.int64)
    evidence = arow.read(model.weights, fit, flat(posts, share), one, state, after, gain)
    for n in range(1, len(posts) + 1):
        margins = inputs(posts[:n], share) @ model.weights
        p = np.exp(np.exp(fit[arow.LOG_SLOPE]) * (margins - margins.max()))
        knows = has_inputs(posts[:n], share) and fit[arow.SEEN]
        expected = fit[arow.STRENGTH] * p / p.sum() if knows else np.zeros(3)
        np.testing.assert_allclose(evidence[n - 1], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            gain[:n].sum(axis=0), margins - arow.BIAS * model.weights[BUCKETS], rtol=1e-9, atol=1e-9
        )
    assert np.array_equal(after.sketches[-1], state.sketches[0])


def test_a_listed_ngram_counts_once() -> None:
    model, fit = learnt([(listed([[1, 2]]), 0, 1.0), (listed([[3]]), 1, 1.0)])
    evidence = read(model, fit, listed([[1, 2], [2, 1], [1]]))
    assert np.array_equal(evidence[0], evidence[1])
    assert np.array_equal(evidence[0], evidence[2])


def test_a_summed_ngram_counts_more_where_more_posts_have_it() -> None:
    model, fit = learnt([([([], [1])], 0, 1.0), ([([], [3])], 1, 1.0)])
    first, again, _ = read(model, fit, [([], [1]), ([], [1]), ([], [5])])
    assert again[0] / again.sum() > first[0] / first.sum()


def test_a_label_leaves_nothing_of_its_text_for_the_next_one() -> None:
    one, other = ([([1], [2, 3]), ([4], [2])], 0, 1.0), ([([1], [2]), ([5], [6])], 1, 1.0)
    together, _ = learnt([one, other])
    apart, fit = learnt([one])
    labels = arow.Labels(np.array([0, 2]), np.array([1]), np.ones(1))
    arow.learn(apart, flat(other[0]), labels, 0.3, 100.0, fit, np.empty((0, 0)))
    np.testing.assert_array_equal(together.weights, apart.weights)


def test_the_evidence_returned_by_learning_is_that_of_before() -> None:
    subjects = [([([1, 2], [7]), ([3], [8])], 0, 1.0), ([([3, 4], [7]), ([5], [8, 9]), ([6], [])], 1, 1.0)]
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
