"""Which events are learnt where every class but one is rare: the kernel against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.common import draws
from tocsin.kernels.experts.rare_class import state
from tocsin.kernels.experts.rare_class.undersampling import (
    MEMORY,
    STREAM,
    Undersampled,
    corrected,
    frequent_class,
    undersample,
)

WANTED = np.array([0.05, 0.1])


def new(classes: int) -> Undersampled:
    return Undersampled(state.new(0, classes, 0).shares, np.zeros(len(WANTED)), np.zeros(1))


def drawn(y: state.Ints, classes: int, cuts: tuple[int, ...] = ()) -> tuple[state.Bools, state.Floats, Undersampled]:
    """Who learns which of the labels y, and what shares were learnt before each, drawn in pieces."""
    kept, before = np.zeros((len(WANTED), len(y)), np.bool_), np.zeros((len(y) + 1, len(WANTED), classes))
    made = new(classes)
    for start, stop in zip((0, *cuts), (*cuts, len(y)), strict=True):
        piece, known = np.zeros((len(WANTED), stop - start), np.bool_), before[start : stop + 1]
        undersample(made, y[start:stop], WANTED, 0.05, 3, piece, known)
        kept[:, start:stop] = piece
    return kept, before, made


def plainly(y: state.Ints, classes: int) -> tuple[state.Bools, state.Floats]:
    """The same by the formulae, one label after the other."""
    rare = np.zeros((len(y) + 1, classes), np.bool_)
    state.count_labels(state.new(0, classes, 0).shares, y, 0.05, rare)
    kept, before = np.ones((len(WANTED), len(y)), np.bool_), np.ones((len(y) + 1, len(WANTED), classes))
    learnt, met = np.zeros(len(WANTED)), 0.0
    shares = state.new(0, classes, 0).shares
    for i in range(len(y) + 1):
        frequent = [k for k in range(classes) if not rare[i, k] and shares.counts[k] > 0]
        alone = frequent[0] if len(frequent) == 1 and rare[i].any() else -1
        if alone >= 0 and met:
            before[i, :, alone] = np.maximum(learnt / met, 1e-6)
        if i == len(y):
            break
        if alone == y[i]:
            odds = (shares.counts.sum() - shares.counts[alone] + 0.5) / (shares.counts[alone] + 0.5)
            kept[:, i] = draws.uniform(3, STREAM, i) < odds * (1.0 - WANTED) / WANTED
        if alone in (-1, y[i]):
            met, learnt = MEMORY * met + 1.0, MEMORY * learnt + kept[:, i]
        state.count_label(shares, y[i], 0.05)
    return kept, before


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from([[0.99, 0.01], [0.5, 0.5], [0.97, 0.02, 0.01], [0.5, 0.49, 0.01]]))
def test_the_kernel_draws_what_the_formulae_say(seed: int, shares: list[float]) -> None:
    y = np.random.default_rng(seed).choice(len(shares), 1_200, p=shares)
    kept, before, _ = drawn(y, len(shares))
    expected, weights = plainly(y, len(shares))
    np.testing.assert_array_equal(kept, expected)
    np.testing.assert_allclose(before, weights, rtol=1e-12)


def test_how_labels_are_cut_into_calls_changes_no_draw() -> None:
    y = (np.random.default_rng(1).random(2_000) < 0.01).astype(np.int64)
    once, often = drawn(y, 2), drawn(y, 2, (1, 199, 200, 201, 777))
    np.testing.assert_array_equal(once[0], often[0])
    np.testing.assert_array_equal(once[1], often[1])


@pytest.mark.parametrize("share", [0.002, 0.01, 0.04])
def test_rare_classes_have_the_share_that_is_wanted_among_what_is_learnt(share: float) -> None:
    y = (np.random.default_rng(2).random(40_000) < share).astype(np.int64)
    kept, before, _ = drawn(y, 2)
    assert kept[:, y == 1].all()
    for g, wanted in enumerate(WANTED):
        learnt = y[20_000:][kept[g, 20_000:]]
        assert learnt.mean() == pytest.approx(max(wanted, share), rel=0.2)
        usual = y[20_000:] == 0
        assert before[-1, g, 0] == pytest.approx(kept[g, 20_000:][usual].mean(), rel=0.2)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.5, 0.49, 0.01]])
def test_where_two_classes_are_frequent_all_events_are_learnt(shares: list[float]) -> None:
    """Two frequent classes are told apart by all of their events."""
    y = np.random.default_rng(3).choice(len(shares), 3_000, p=shares)
    kept, before, made = drawn(y, len(shares))
    assert kept.all()
    assert (before == 1.0).all()
    assert frequent_class(made.shares) == -1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=4), st.floats(0.001, 1.0))
def test_corrected_evidence_is_that_of_all_events(evidence: list[float], w: float) -> None:
    """Bayes' rule: odds of a class that was learnt by the share w alone are 1 / w times as large."""
    e, weights = np.array([evidence]), np.ones((1, len(evidence)))
    weights[0, 0] = w
    out = np.empty_like(e)
    corrected(e, weights, out)
    assert out.sum() == pytest.approx(e.sum())
    if e[0, 1] > 1e-6 and e[0, 0] > 1e-6:
        assert out[0, 0] / out[0, 1] == pytest.approx(e[0, 0] / e[0, 1] / w, rel=1e-6)
