"""The router: who can be trusted with what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tocsin.config.routing import MultiHotSettings as RouterSettings
from tocsin.models.data.batch import Floats
from tocsin.models.routing.multi_hot import MAX_RELIABILITY, MultiHotRouter, correctness


def says(*votes: int | None, classes: int = 2) -> Floats:
    """Evidence of experts that vote for a class each, or are silent."""
    evidence = np.zeros((len(votes), classes))
    for e, vote in enumerate(votes):
        if vote is not None:
            evidence[e] = 1.0
            evidence[e, vote] = 4.0
    return evidence


def learn(router: MultiHotRouter, x: Floats, evidence: Floats, y: int, weight: float) -> None:
    router.learn(x[None], evidence[None], np.array([y]), np.array([weight]), np.zeros(1, np.int64))


def reliabilities(router: MultiHotRouter, X: Floats) -> Floats:
    return router.reliability(X, np.zeros((len(X), len(router.skill), 2)))


def regions(router: MultiHotRouter, rows: int = 1500, seed: int = 0) -> MultiHotRouter:
    """The first expert is right where x > 0, the second elsewhere, the third by chance."""
    rng = np.random.default_rng(seed)
    for _ in range(rows):
        x, y = rng.normal(size=2), int(rng.integers(0, 2))
        first, second = (y, 1 - y) if x[0] > 0 else (1 - y, y)
        # Each is right more often than chance over all, or no skill is left to route by.
        first = y if rng.random() < 0.4 else first
        second = y if rng.random() < 0.4 else second
        learn(router, x, says(first, second, int(rng.integers(0, 2))), y, 1.0)
    return router


PROBES = np.array([[1.5, 0.0], [-1.5, 0.0]])
QUICK = RouterSettings(every=8, step=0.01)


# Who was right


@settings(max_examples=200)
@given(arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=st.floats(0, 9)), st.data())
def test_the_mask_marks_those_who_were_right_and_never_the_silent(evidence: Floats, data: st.DataObject) -> None:
    y = data.draw(st.integers(0, evidence.shape[1] - 1))
    mask = correctness(evidence, y)
    right = [e for e, row in enumerate(evidence) if row.any() and row.argmax() == y]
    if right:
        assert np.flatnonzero(mask).tolist() == right
        return
    shares = [row[y] / row.sum() if row.any() else 0.0 for row in evidence]
    if max(shares) > 0:
        assert mask.sum() == 1
        assert shares[int(mask.argmax())] == pytest.approx(max(shares))
    else:
        assert not mask.any()
    assert not mask[~evidence.any(axis=1)].any()


def test_nobody_is_credited_where_nobody_gave_the_class_anything() -> None:
    assert correctness(np.array([[3.0, 0.0], [0.0, 0.0]]), 1).tolist() == [0.0, 0.0]
    assert correctness(np.zeros((2, 2)), 1).tolist() == [0.0, 0.0]
    assert correctness(np.array([[1e-300, 0.0], [3e-300, 1e-300]]), 1).tolist() == [0.0, 1.0]


# Reliabilities


def test_each_expert_is_trusted_where_it_is_right() -> None:
    reliability = reliabilities(regions(MultiHotRouter(QUICK, 3, 2, seed=1)), PROBES)
    assert reliability[0, 0] > 2 * reliability[1, 0]
    assert reliability[1, 1] > 2 * reliability[0, 1]
    assert reliability[:, 2].max() < reliability[:, :2].max(axis=1).min()


def test_reliability_lies_between_none_and_nearly_all() -> None:
    router = MultiHotRouter(QUICK, 2, 1, seed=0)
    for _ in range(3000):
        learn(router, np.zeros(1), says(1, 0), 1, 1.0)
    wild = np.array([[0.0], [1e300], [np.nan], [-np.inf]])
    reliability = reliabilities(router, wild)
    assert ((reliability >= 0) & (reliability <= MAX_RELIABILITY)).all()
    assert reliability[0, 0] > 0.9
    assert reliability[0, 1] == 0.0


def test_an_expert_that_seldom_speaks_is_not_distrusted_for_its_silence() -> None:
    rng = np.random.default_rng(0)
    router = MultiHotRouter(QUICK, 2, 1, seed=0)
    for i in range(2000):
        y = int(rng.integers(0, 2))
        learn(router, rng.normal(size=1), says(y if i % 20 == 0 else None, int(rng.integers(0, 2))), y, 1.0)
    reliability = reliabilities(router, np.zeros((1, 1)))
    assert router.skill[0] > 0.95
    assert router.answers.tolist() == [100.0, 2000.0]
    assert reliability[0, 0] > 0.8


def test_an_expert_that_was_never_heard_is_taken_at_its_word_halved() -> None:
    router = MultiHotRouter(RouterSettings(), 2, 1, seed=0)
    for _ in range(20):
        learn(router, np.zeros(1), says(None, 1), 1, 1.0)
    assert reliabilities(router, np.zeros((1, 1)))[0, 0] == pytest.approx(0.25)


def test_an_expert_that_went_wrong_is_trusted_again_when_it_is_right_again() -> None:
    router = MultiHotRouter(RouterSettings(every=8, step=0.01, fading_factor=0.98), 1, 1, seed=0)
    for vote, low, high in ((1, 0.8, 1.0), (0, 0.0, 0.1), (1, 0.8, 1.0)):
        for _ in range(1500):
            learn(router, np.zeros(1), says(vote), 1, 1.0)
        assert low <= reliabilities(router, np.zeros((1, 1)))[0, 0] <= high


def test_a_record_is_a_mean_while_young_and_fades_when_old() -> None:
    router = MultiHotRouter(RouterSettings(fading_factor=0.9), 1, 0, seed=0)
    for vote in (1, 1, 0):
        learn(router, np.zeros(0), says(vote), 1, 1.0)
    assert router.skill[0] == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    for _ in range(100):
        learn(router, np.zeros(0), says(0), 1, 1.0)
    assert router.skill[0] < 0.001


# Engagement


def test_the_most_reliable_are_engaged_until_their_share_is_reached() -> None:
    router = MultiHotRouter(RouterSettings(top_p=0.7), 4, 0, seed=0)
    reliability = np.array([[0.1, 0.6, 0.2, 0.1], [0.9, 0.0, 0.05, 0.05], [0.25, 0.25, 0.25, 0.25], [0, 0, 0, 0]])
    engaged = router.engaged(reliability, np.zeros((*reliability.shape, 2)), 2.0)
    assert engaged[0].tolist() == [False, True, True, False]
    assert engaged[1].tolist() == [True, False, False, False]
    assert engaged[2].tolist() == [True, True, True, False]
    assert engaged[3, 0]
    assert (
        MultiHotRouter(RouterSettings(), 4, 0, seed=0)
        .engaged(reliability, np.zeros((*reliability.shape, 2)), 2.0)
        .all()
    )


@settings(max_examples=100)
@given(
    arrays(float, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(0, 0.999)),
    st.floats(0.01, 0.99),
)
def test_engagement_is_the_shortest_run_of_the_most_reliable(reliability: Floats, engage: float) -> None:
    engaged = MultiHotRouter(RouterSettings(top_p=engage), 4, 0, seed=0).engaged(
        reliability, np.zeros((*reliability.shape, 2)), 2.0
    )
    for row, chosen in zip(reliability, engaged, strict=True):
        assert chosen.any()
        if row.sum() > 1e-9:
            assert row[chosen].sum() >= engage * row.sum() - 1e-9
            assert row[chosen].sum() - row[chosen].min() < engage * row.sum() + 1e-9
        if (~chosen).any():
            assert row[~chosen].max() <= row[chosen].min()


# State


def test_new_columns_change_no_answer() -> None:
    router = regions(MultiHotRouter(QUICK, 3, 2, seed=1), 300)
    before = reliabilities(router, PROBES)
    router.resize(4)
    wider = np.column_stack([PROBES, np.array([[3.0, np.nan], [-9.0, 1e9]])])
    np.testing.assert_array_equal(reliabilities(router, wider), before)
    router.resize(3)
    rng = np.random.default_rng(5)
    for _ in range(100):  # and it can go on
        learn(router, rng.normal(size=4), says(1, 0, 1), 1, 1.0)
    assert np.isfinite(reliabilities(router, wider)).all()


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_same_seed_makes_the_same_router_whatever_torch_drew_before() -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append({n: a.copy() for n, a in regions(MultiHotRouter(QUICK, 3, 2, seed=7), 200).state_dict().items()})
    assert same(*states)
    other = regions(MultiHotRouter(QUICK, 3, 2, seed=8), 200).state_dict()
    assert not np.array_equal(other["net.0.weight"], states[0]["net.0.weight"])


def test_making_a_router_draws_nothing_from_torchs_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    regions(MultiHotRouter(QUICK, 3, 2, seed=7), 50)
    assert torch.equal(torch.rand(1), expected)


def test_a_restored_router_goes_on_alike() -> None:
    made = regions(MultiHotRouter(QUICK, 3, 2, seed=1), 203)
    saved = {name: array.copy() for name, array in made.state_dict().items()}
    other = MultiHotRouter(QUICK, 3, 0, seed=99)
    other.load_state_dict(saved)
    assert same(made.state_dict(), other.state_dict())
    one, two = (regions(router, 100, seed=4).state_dict() for router in (made, other))
    assert same(one, two)


def test_training_steps_stand_at_fixed_counts() -> None:
    router = MultiHotRouter(RouterSettings(every=10), 2, 1, seed=0)
    weights = []
    for _ in range(30):
        learn(router, np.ones(1), says(1, 0), 1, 1.0)
        weights.append(router.state_dict()["net.2.bias"].copy())
    moved = [i + 1 for i in range(1, 30) if not np.array_equal(weights[i], weights[i - 1])]
    assert moved == [10, 20, 30]


def test_a_weight_of_a_record_scales_its_part_of_the_step() -> None:
    biases = []
    for weight in (1.0, 3.0):
        router = MultiHotRouter(RouterSettings(every=2, step=0.1), 1, 0, seed=0)
        learn(router, np.zeros(0), says(1), 1, 1.0)
        learn(router, np.zeros(0), says(0), 1, weight)
        biases.append(float(router.state_dict()["adam.3.exp_avg"][0]))
    assert abs(biases[1]) > 1.5 * abs(biases[0]) > 0
