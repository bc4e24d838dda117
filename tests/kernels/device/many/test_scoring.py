"""Events of many models in one call, against each model alone."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.device.many.results import ManyScored
from tocsin.kernels.device.many.scoring import score_many
from tocsin.kernels.device.place import TORCH_CPU, Place
from tocsin.kernels.fusion.interface import RULES
from tocsin.kernels.fusion.torch_tensors import device
from tocsin.kernels.score import Scored

from .tenants import MOST_FEATURES, Tenant, alone, events_of, smallest, tenant

TENANTS = 1_000
CPU = Place(TORCH_CPU, torch.device("cpu"), triton=False)
TRITON = Place("device or interpreter", device(), triton=True)


def some(count: int) -> list[Tenant]:
    return [tenant(seed) for seed in range(count)]


@cache
def packed(count: int, place: Place) -> ManyModels:
    return ManyModels([one.model for one in some(count)], place)


def agree(found: ManyScored, tenants: list[Tenant], rows: Any, of_pool: Any, backend: str = "numba") -> None:
    """Every event is decided as its model decides it alone."""
    for p in np.unique(of_pool):
        its = np.flatnonzero(of_pool == p)
        leaf, scored = alone(tenants[p].model, rows[its], backend)
        E, K = scored.reliability.shape[1], scored.belief.shape[1]
        assert np.array_equal(found.leaf[its, :E], leaf), f"leaves of pool {p}"
        assert (found.leaf[its, E:] == -1).all()
        assert not found.reliability[its, E:].any()
        assert not found.belief[its, K:].any()
        for name in Scored._fields:
            ours, exact = getattr(found, name)[its], getattr(scored, name)
            assert ours.dtype == exact.dtype, name
            if ours.ndim == 2:
                ours = ours[:, : exact.shape[1]]
            tolerance = 1e-9 if ours.dtype == np.float64 else 0
            np.testing.assert_allclose(ours, exact, rtol=0, atol=tolerance, err_msg=f"{name} of pool {p}")


class ManyBehaviour:
    """The suite of one implementation, whose place each subclass names."""

    place: ClassVar[Place]
    events: ClassVar[int]

    def test_a_thousand_models_each_say_what_they_say_alone(self) -> None:
        tenants = some(TENANTS)
        of_pool = np.random.default_rng(1).integers(0, TENANTS, self.events)
        rows = events_of(tenants, of_pool)
        agree(score_many(packed(TENANTS, self.place), rows, of_pool), tenants, rows, of_pool)

    def test_the_plain_reference_says_the_same(self) -> None:
        tenants, of_pool = some(25), np.random.default_rng(2).integers(0, 25, 60)
        rows = events_of(tenants, of_pool)
        agree(score_many(packed(25, self.place), rows, of_pool), tenants, rows, of_pool, "reference")

    @pytest.mark.parametrize("seed", range(len(RULES)))
    def test_one_model_alone(self, seed: int) -> None:
        tenants, of_pool = [tenant(100 + seed)], np.zeros(9, np.int64)
        rows = events_of(tenants, of_pool, seed)
        found = score_many(ManyModels([tenants[0].model], self.place), rows, of_pool)
        agree(found, tenants, rows, of_pool)

    def test_no_events_are_no_error_with_models_or_without(self) -> None:
        for many in (packed(25, self.place), ManyModels([], self.place)):
            found = score_many(many, np.zeros((0, MOST_FEATURES)), [])
            _, E, K, _ = many.widest
            assert [part.shape for part in found] == [(0,), (0, E), (0, K), (0,), (0,), (0,), (0, E)]

    def test_models_without_events_are_left_out(self) -> None:
        tenants, of_pool = some(25), np.array([24, 3, 24, 3, 3])
        rows = events_of(tenants, of_pool)
        agree(score_many(packed(25, self.place), rows, of_pool), tenants, rows, of_pool)

    def test_a_model_that_was_never_taught_knows_nothing(self) -> None:
        found = score_many(packed(25, self.place), np.zeros((2, MOST_FEATURES)), [9, 18])
        assert (found.leaf == -1).all()
        assert not found.belief.any()
        assert (found.uncertainty == 1.0).all()

    @pytest.mark.parametrize("others", [0, 4])
    def test_a_model_without_features_and_one_of_a_single_class(self, others: int) -> None:
        tenants = [smallest(0, 2), smallest(1, 1, 3), *some(others)]
        of_pool = np.tile(np.arange(len(tenants)), 3)
        rows = events_of(tenants, of_pool) if others else np.zeros((len(of_pool), 1))
        many = ManyModels([one.model for one in tenants], self.place)
        agree(score_many(many, rows, of_pool), tenants, rows, of_pool)
        found = score_many(many, np.zeros((2, 0)), [0, 0])
        agree(found, tenants, np.zeros((2, 0)), np.zeros(2, np.int64))

    def test_rows_of_nothing_but_unknown_or_infinite_numbers(self) -> None:
        tenants, of_pool = some(25), np.repeat(np.arange(25), 3)
        rows = np.tile(np.array([[np.nan], [np.inf], [-np.inf]]), (25, MOST_FEATURES))
        agree(score_many(packed(25, self.place), rows, of_pool), tenants, rows, of_pool)

    def test_what_stands_beyond_a_models_features_is_not_read(self) -> None:
        tenants, of_pool = some(25), np.arange(25)
        rows = events_of(tenants, of_pool)
        other = rows.copy()
        for p, one in enumerate(tenants):
            other[p, len(one.nominal) :] = np.nan
        wide = np.concatenate([other, np.full((25, 3), np.inf)], axis=1)
        found = [score_many(packed(25, self.place), X, of_pool) for X in (rows, other, wide)]
        for again in found[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(found[0], again, strict=True))

    def test_an_event_does_not_depend_on_its_batch_to_the_bit(self) -> None:
        tenants = some(25)
        of_pool = np.random.default_rng(4).integers(0, 25, 70)
        rows = events_of(tenants, of_pool)
        whole = score_many(packed(25, self.place), rows, of_pool)
        for cut in (slice(0, 1), slice(5, 12), slice(40, 70)):
            part = score_many(packed(25, self.place), rows[cut], of_pool[cut])
            assert all(np.array_equal(a[cut], b) for a, b in zip(whole, part, strict=True))

    def test_an_integer_type_and_a_list_are_numbers_of_pools_too(self) -> None:
        rows = events_of(some(25), np.array([3, 4]))
        one, *others = (
            score_many(packed(25, self.place), rows, pools) for pools in ([3, 4], np.array([3, 4], np.uint8))
        )
        assert all(np.array_equal(a, b) for other in others for a, b in zip(one, other, strict=True))


class TestTorch(ManyBehaviour):
    place = CPU
    events = 4_096

    @given(st.permutations(range(40)), st.integers(0, 40))
    @settings(max_examples=25, deadline=None)
    def test_results_stand_in_the_order_of_the_events(self, order: list[int], cut: int) -> None:
        of_pool = np.random.default_rng(6).integers(0, 25, 40)
        rows = events_of(some(25), of_pool)
        whole = score_many(packed(25, CPU), rows, of_pool)
        chosen = np.array(order[:cut], np.int64)
        found = score_many(packed(25, CPU), rows[chosen], of_pool[chosen])
        assert all(np.array_equal(a[chosen], b) for a, b in zip(whole, found, strict=True))

    def test_more_events_than_one_piece_takes(self) -> None:
        of_pool = np.random.default_rng(7).integers(0, 25, 9_000)
        rows = events_of(some(25), of_pool)
        agree(score_many(packed(25, CPU), rows, of_pool), some(25), rows, of_pool)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
class TestTriton(ManyBehaviour):
    """By the interpreter, unless there is a device."""

    place = TRITON
    events = 400


def test_the_tenants_are_of_every_size() -> None:
    models = [one.model for one in some(TENANTS)]
    nodes = np.concatenate([model.pool.trees["n_nodes"] for model in models])
    assert nodes.min() == 0
    assert 1 in nodes
    assert nodes.max() > 200
    assert {len(model.pool.trees) for model in models} == set(range(1, 13))
    assert {model.rule for model in models} == set(RULES)


@pytest.mark.parametrize(
    ("rows", "of_pool", "named"),
    [
        (np.zeros((2, 20)), [0, 25], r"of_pool: event 1 names pool 25, which is none of 25"),
        (np.zeros((2, 20)), [-1, 0], r"of_pool: event 0 names pool -1"),
        (np.zeros((2, 20)), [0.0, 1.0], r"of_pool: must be integers"),
        (np.zeros((2, 20)), [[0, 1]], r"of_pool: must be integers of shape \[B\]"),
        (np.zeros((3, 20)), [0, 1], r"rows: has shape \(3, 20\), expected \[B, W\] with B = 2"),
        (np.zeros(20), [0], r"rows: "),
        (np.zeros((1, 1)), [1], r"rows: has shape \(1, 1\), expected \[B, W\] with B = 1 and W >= "),
        ([["a"]], [0], r"rows: must be numbers"),
    ],
)
def test_an_error_names_the_argument(rows: Any, of_pool: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        score_many(packed(25, CPU), rows, of_pool)


def test_rows_need_not_be_wider_than_the_pools_that_are_named() -> None:
    narrow = min(range(25), key=lambda seed: len(tenant(seed).nominal))
    assert len(tenant(narrow).nominal) < MOST_FEATURES
    rows, of_pool = events_of(some(25), np.array([narrow])), np.array([narrow])
    cut = rows[:, : len(tenant(narrow).nominal)]
    found = [score_many(packed(25, CPU), X, of_pool) for X in (rows, cut)]
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
