"""Discounting by class: the kernel, the formula it says it follows, and the laws of a discount."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tocsin.kernels.routing import class_discount
from tocsin.kernels.routing.class_discount import MOST, Floats

SHAPES = [(1, 1, 2), (5, 3, 2), (7, 12, 10), (4, 2, 1), (0, 3, 3)]


def discounted(precision: Floats, answers: Floats, evidence: Floats, prior: float) -> Floats:
    out = np.empty_like(evidence)
    class_discount.discount_rows(precision, answers, evidence, prior, out)
    return out


def opinions(evidence: Floats, prior: float) -> tuple[Floats, Floats]:
    """Beliefs [..., K] and uncertainties [...] of evidence [..., K]."""
    total = evidence.sum(axis=-1, keepdims=True) + prior
    return evidence / total, prior / total[..., 0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prior", [0.25, 2.0, 10.0])
def test_opinions_are_those_of_the_formula(shape: tuple[int, int, int], prior: float) -> None:
    rng = np.random.default_rng(sum(shape))
    B, E, K = shape
    evidence = rng.gamma(0.5, 40.0, shape) * (rng.random(shape) < 0.7)
    precision, answers = rng.random((E, K)), rng.integers(0, 3, (E, K)).astype(float)
    belief, uncertainty = opinions(discounted(precision, answers, evidence, prior), prior)
    for b in range(B):
        one, other = class_discount.reference(precision, answers, evidence[b], prior)
        np.testing.assert_allclose(belief[b], one, atol=1e-12)
        np.testing.assert_allclose(uncertainty[b], other, atol=1e-12)


@given(arrays(float, (3, 4), elements=st.floats(0, 1e12)), arrays(float, (3, 4), elements=st.floats(0, 1)))
def test_a_discount_adds_to_no_class_and_leaves_a_proper_opinion(evidence: Floats, precision: Floats) -> None:
    belief, uncertainty = opinions(discounted(precision, np.ones((3, 4)), evidence[None], 4.0)[0], 4.0)
    before, _ = opinions(evidence, 4.0)
    assert np.all(belief <= before * MOST + 1e-12)
    np.testing.assert_allclose(belief.sum(axis=1) + uncertainty, 1.0, atol=1e-9)


def test_a_word_no_better_than_a_guess_is_silence() -> None:
    evidence = np.array([[[3.0, 1.0]]])
    precision = np.array([[0.5, 0.9]])
    out = discounted(precision, np.ones((1, 2)), evidence, 2.0)
    assert out[0, 0, 0] == 0.0
    assert out[0, 0, 1] > 0.0


def test_learning_in_one_call_or_one_by_one_gives_the_same_bits_and_each_is_discounted_before_it_is_learnt() -> None:
    rng = np.random.default_rng(0)
    evidence = rng.gamma(1.0, 5.0, (300, 3, 4))
    evidence[rng.random((300, 3)) < 0.2] = 0.0
    y = rng.integers(0, 4, 300)

    def learnt(size: int) -> tuple[Floats, Floats, Floats]:
        precision, answers, out = np.full((3, 4), 0.5), np.zeros((3, 4)), np.empty_like(evidence)
        for i in range(0, 300, size):
            rows = slice(i, i + size)
            before = discounted(precision, answers, evidence[i : i + 1], 4.0)
            class_discount.learn_rows(precision, answers, evidence[rows], y[rows], 4.0, 0.99, out[rows])
            assert np.array_equal(out[i], before[0])
        return precision, answers, out

    whole = learnt(300)
    for size in (1, 7):
        assert all(np.array_equal(a, b) for a, b in zip(learnt(size), whole, strict=True))


def test_precision_is_the_share_of_right_answers_and_silence_counts_for_nothing() -> None:
    says = np.array([[[5.0, 1.0]], [[5.0, 1.0]], [[1.0, 5.0]], [[0.0, 0.0]], [[5.0, 1.0]]])
    precision, answers = np.full((1, 2), 0.5), np.zeros((1, 2))
    class_discount.learn_rows(precision, answers, says, np.array([0, 1, 1, 0, 0]), 2.0, 0.995, np.empty_like(says))
    assert answers.tolist() == [[3.0, 1.0]]
    # A half at the start counts for one answer.
    np.testing.assert_allclose(precision, [[(0.5 + 1 + 0 + 1) / 4, (0.5 + 1) / 2]])
