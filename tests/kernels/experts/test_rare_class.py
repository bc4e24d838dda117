"""The kernels of rare classes against plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.experts.rare_class import gaussian, learning, state, vote

Floats = state.Floats
RATES = state.Rates(share=0.05, memory=1e6, eta=0.5, most=100.0)


def stream(n: int = 1_500, seed: int = 0) -> tuple[Floats, state.Ints]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.03).astype(np.int64)
    X = rng.normal(size=(n, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 2.0]])
    X[y == 1] += [1.5, 0.0, -2.0]
    return X, y


def taught(X: Floats, y: state.Ints) -> state.Model:
    model = state.new(X.shape[1], 2, 0)
    said = np.zeros((len(X), 0, 2))
    learning.learn(model, labelled(X, y, np.ones(len(X))), said, RATES, np.empty((0, 0)))
    return model


def reference(X: Floats, y: state.Ints, x: Floats) -> list[float]:
    """The ratios of the last class for x by each discriminant, as the formulae are written; no value is far out.

    The covariance is that of the end of the last block for linear discriminants and for the common factor, and that of
    the last example for the quadratic ones.
    """
    seen, ratios = [X, np.copysign(np.log1p(np.abs(X)), X)], []
    rare = np.zeros((len(y) + 1, 2), np.bool_)
    state.count_labels(state.new(0, 2, 0).shares, y, RATES.share, rare)
    example = np.flatnonzero((y == 1) & rare[:-1, 1])
    block = len(X) // state.BLOCK * state.BLOCK
    for view, point in zip(seen, (x, np.copysign(np.log1p(np.abs(x)), x)), strict=True):
        o = point - view.mean(axis=0)
        C = np.cov(view[:block].T, bias=True) * (1.0 + gaussian.RIDGE * np.eye(X.shape[1]))
        offsets = np.array([view[i] - view[:i].mean(axis=0) for i in example])
        fades = gaussian.OLD ** np.arange(len(offsets))[::-1]
        for n in state.LINEAR:
            w = np.ones(n) if n else fades
            d = np.average(offsets[-len(w) :], axis=0, weights=w)
            d = d * np.maximum(0.0, 1.0 - np.diag(C) / (w.sum() * d**2))
            ratios.append(o @ np.linalg.solve(C, d) - 0.5 * d @ np.linalg.solve(C, d))
        for n in state.QUADRATIC:
            w = np.ones(n) if n else fades
            d = np.average(offsets[-len(w) :], axis=0, weights=w)
            centred = offsets[-len(w) :] - d
            at = view[: example[-1] + 1]
            S = gaussian.PRIOR_ROWS * np.cov(at.T, bias=True) + (centred * w[:, None]).T @ centred
            M = S / (gaussian.PRIOR_ROWS + w.sum()) * (1.0 + gaussian.RIDGE * np.eye(X.shape[1]))
            own = (o - d) @ np.linalg.solve(M, o - d) + np.linalg.slogdet(M)[1]
            ratios.append(0.5 * (o @ np.linalg.solve(C, o) + np.linalg.slogdet(C)[1] - own))
    return np.clip(ratios, -gaussian.FARTHEST, gaussian.FARTHEST).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_discriminants_are_what_the_formulae_say(seed: int) -> None:
    X, y = stream(1_500, seed)
    model = taught(X, y)
    for x in ([0.1, 0.2, 0.3], [1.5, 0.0, -2.0], [3.0, -1.0, -3.0]):
        o, found = np.zeros((state.VIEWS, 3)), np.zeros(state.HEADS)
        gaussian.offsets(model.common, np.array(x), o)
        gaussian.ratios(model.common, model.heads, 1, o, found)
        np.testing.assert_allclose(found, reference(X, y, np.array(x)), rtol=1e-6, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1_000))
def test_the_factor_multiplied_by_itself_is_the_matrix(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size + 2))
    A, L, b = root @ root.T, np.zeros((size, size)), rng.normal(size=size)
    determinant = gaussian.factorise(np.tril(A), L)
    ridged = A * (1.0 + gaussian.RIDGE * np.eye(size))
    np.testing.assert_allclose(L @ L.T, ridged, rtol=1e-8, atol=1e-10)
    assert determinant == pytest.approx(np.linalg.slogdet(ridged)[1], rel=1e-8, abs=1e-8)
    half = np.zeros(size)
    assert gaussian.solve(L, b, half) == pytest.approx(b @ np.linalg.solve(ridged, b), rel=1e-5)
    gaussian.solve_transposed(L, half)
    np.testing.assert_allclose(ridged @ half, b, rtol=1e-5, atol=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-500.0, 0.0), min_size=state.HEADS, max_size=state.HEADS))
def test_sharing_out_leaves_each_discriminant_a_part(logs: list[float]) -> None:
    log_weight = np.array(logs)
    gaussian.share_out(log_weight)
    weights = np.exp(log_weight)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() >= gaussian.EXCHANGED * min(state.FAMILIES) / len(state.LINEAR) * 0.99


def test_silence_is_no_evidence_for_or_against_a_class() -> None:
    prior, counts = math.log(1.0 / 499.0), np.array([499.0, 1.0])
    assert vote.ratio_of(np.zeros(2), 1, prior, counts) == pytest.approx(0.0, abs=1e-12)
    assert vote.ratio_of(np.array([49.0, 1.0]), 1, prior, counts) > 2.0  # one in 50, where one in 500 is expected
    assert vote.ratio_of(np.array([50.0, 0.0]), 1, prior, counts) < -3.0
    assert vote.ratio_of(np.array([0.0, 1e300]), 1, prior, counts) == gaussian.FARTHEST


def test_a_class_without_a_label_takes_nothing_from_a_rare_one() -> None:
    """A config that added a class moved the belief in a rare one, for experts gave the new one a part of theirs."""
    prior, counts = math.log(1.0 / 99.0), np.array([99.0, 1.0, 0.0])
    two = vote.ratio_of(np.array([5.0, 5.0]), 1, prior, counts[:2])
    assert vote.ratio_of(np.array([5.0, 5.0, 7.0]), 1, prior, counts) == two
    assert vote.ratio_of(np.array([5.0, 5.0, 7.0]), 1, prior, counts + 1.0) < two


def test_a_blend_follows_who_foretold_the_labels() -> None:
    ratio, both = np.array([3.0, -1.0]), np.array([True, True])
    assert vote.blend(np.array([5.0, 5.0]), ratio, both, 0.5) == pytest.approx(1.0)
    assert vote.blend(np.array([5.0, 500.0]), ratio, both, 0.5) == pytest.approx(3.0)
    assert vote.blend(np.array([5.0, 500.0]), ratio, both, 0.0) == pytest.approx(1.0)


def test_who_says_nothing_has_no_part_in_a_blend() -> None:
    """Where overload or sleep had silenced the best expert, its silence outvoted all others."""
    ratio = np.array([0.0, 4.0])
    assert vote.blend(np.array([1.0, 500.0]), ratio, np.array([False, True]), 1.0) == pytest.approx(4.0)
    assert vote.blend(np.array([1.0, 500.0]), ratio, np.array([False, False]), 1.0) == 0.0


def votes(ratios: Floats, y: state.Ints) -> tuple[Floats, Floats]:
    """The votes [B] of voters with these ratios [B, E + 1], each before its label y [B]; and the blends' losses."""
    model, prior = state.new(0, 2, ratios.shape[1] - 1), math.log(y.mean() / (1.0 - y.mean()))
    spoke, blends, said = np.ones(ratios.shape[1], np.bool_), np.zeros(len(state.BLENDS)), np.zeros(len(y))
    for i in range(len(y)):
        said[i] = vote.voted(model.vote, 1, ratios[i], spoke, 1.0, blends)
        vote.learn_losses(model.vote, 1, prior, ratios[i], blends, bool(y[i]))
    return said, model.vote.blend_loss[1]


def test_the_vote_is_sharp_where_one_knows_and_broad_where_all_know_a_part() -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(20_000) < 0.02).astype(np.int64)
    truth = np.where(y == 1, 3.0, -1.0)
    one = np.column_stack([truth, *rng.normal(0.0, 3.0, (5, len(y)))])
    said, loss = votes(one, y)
    assert np.abs(said[5_000:] - truth[5_000:]).mean() < 0.2
    assert loss.argmin() == 0
    parts = truth[:, None] + rng.normal(0.0, 2.5, (len(y), 6))
    said, loss = votes(parts, y)
    assert np.abs(said[5_000:] - truth[5_000:]).mean() < 0.6 * np.abs(parts[5_000:, 0] - truth[5_000:]).mean()
    assert loss.argmin() == len(state.BLENDS) - 1


def test_one_step_of_calibration_is_that_of_logistic_regression() -> None:
    """Newton's step for one event, from a Gaussian prior: the inverse of the information plus the prior's."""
    votes = state.new(0, 2, 0).vote
    z, prior = np.array([2.5, 1.0]), -4.0
    P, w = votes.spread[1].copy(), votes.scale[1].copy()
    p = vote.calibrated(votes, 1, prior, z[0])
    assert p == pytest.approx(1.0 / (1.0 + np.exp(-(prior + w @ z))))
    vote.calibrate(votes, 1, z[0], p, True)
    posterior = np.linalg.inv(np.linalg.inv(P) + p * (1.0 - p) * np.outer(z, z))
    np.testing.assert_allclose(votes.spread[1], posterior, rtol=1e-9)
    np.testing.assert_allclose(votes.scale[1], w + posterior @ z * (1.0 - p), rtol=1e-9)


def test_a_class_is_rare_from_two_hundred_labels_on_and_below_its_share() -> None:
    shares = state.new(0, 3, 0).shares
    y = np.tile([0, 1] * 24 + [0, 2], 20)  # one in fifty
    before = np.zeros((len(y) + 1, 3), np.bool_)
    state.count_labels(shares, y, 0.05, before)
    assert not before[:200].any()
    assert before[-1].tolist() == [False, False, True]
    state.count_labels(shares, np.full(2_000, 2), 0.05, np.zeros((2_001, 3), np.bool_))
    assert not shares.rare.any()
