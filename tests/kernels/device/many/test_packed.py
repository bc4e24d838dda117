"""The packed form: what it takes, and that a model can be replaced and appended without the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.kernels.device.many import layout, packed
from tocsin.kernels.device.many.model import PooledModel, leaves_of
from tocsin.kernels.device.many.packed import ManyModels, bytes_needed
from tocsin.kernels.device.many.scoring import score_many
from tocsin.kernels.device.place import DeviceError, Place

from .tenants import Tenant, events_of, tenant
from .test_scoring import CPU, agree, some


def check(many: ManyModels, tenants: list[Tenant], seed: int = 0) -> None:
    """Each model is scored as it is alone."""
    assert len(many) == len(tenants)
    of_pool = np.repeat(np.arange(len(tenants)), 4)
    rows = events_of(tenants, of_pool, seed)
    agree(score_many(many, rows, of_pool), tenants, rows, of_pool)


def made(count: int) -> tuple[ManyModels, list[Tenant]]:
    return ManyModels([one.model for one in some(count)], CPU), some(count)


@pytest.mark.parametrize("count", [0, 1, 200])
def test_the_bytes_that_are_told_are_those_that_are_taken(count: int) -> None:
    models = [one.model for one in some(count)]
    assert bytes_needed(models) == ManyModels(models, CPU).bytes_held


def test_a_device_without_room_is_told_before_anything_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [one.model for one in some(3)]
    monkeypatch.setattr(Place, "free_bytes", lambda self: bytes_needed(models) - 1)
    with pytest.raises(DeviceError, match=r"^3 models need [\d,]+ bytes, and torch-cpu has [\d,]+ free$"):
        ManyModels(models, CPU)


def test_a_model_that_fits_its_room_is_replaced_where_it_is() -> None:
    many, tenants = made(25)
    before, generation = many.table.copy(), many.generation
    small = tenants[7].model._replace(least=0.9, rule="murphy", prior=2.5, cap=3.0)
    tenants[7] = tenants[7]._replace(model=small)
    many.replace(7, small)
    check(many, tenants)
    assert np.array_equal(many.table[:, : len(layout.KINDS)], before[:, : len(layout.KINDS)])
    assert many.generation == generation
    assert not any(many.lost_shares.values())


def test_a_model_that_outgrew_its_room_goes_to_the_end_and_the_others_stay() -> None:
    many, tenants = made(25)
    before = many.table.copy()
    tenants[9] = tenant(9, events=400)  # had learnt nothing
    many.replace(9, tenants[9].model)
    check(many, tenants)
    others = np.arange(25) != 9
    assert np.array_equal(many.table[others], before[others])
    assert many.table[9, layout.NODES_AT] > before[:, layout.NODES_AT].max()
    assert many.lost_shares[layout.NODES] > 0.0
    # Learning a little more moves nothing again: a part that was moved has room.
    at = many.table[9].copy()
    tenants[9] = tenant(9, events=420)
    many.replace(9, tenants[9].model)
    assert np.array_equal(many.table[9], at)
    check(many, tenants)


def test_another_model_altogether_may_come_in_its_place() -> None:
    many, tenants = made(12)
    for number, seed in ((0, 1), (1, 0), (5, 98), (11, 40), (5, 3)):
        tenants[number] = tenant(seed)
        many.replace(number, tenants[number].model)
        check(many, tenants, seed)


def test_models_are_appended_to_some_and_to_none() -> None:
    many, tenants = ManyModels([], CPU), list[Tenant]()
    for seed in (3, 98, 9, 20, 21):
        assert many.append(tenant(seed).model) == len(tenants)
        tenants.append(tenant(seed))
        check(many, tenants, seed)


def test_room_that_is_lost_is_bounded_however_often_models_grow() -> None:
    many, tenants = made(12)
    rng = np.random.default_rng(0)
    moved = 0
    for seed in range(60):
        number, generation = int(rng.integers(0, 12)), many.generation
        tenants[number] = tenant(200 + seed)
        many.replace(number, tenants[number].model)
        moved += many.generation > generation
        assert max(many.lost_shares.values()) <= 1 / 3
        assert many.bytes_held < 3.5 * bytes_needed([one.model for one in tenants])
        if seed % 10 == 9:
            check(many, tenants, seed)
    assert 0 < moved < 60


def test_the_others_are_not_packed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    many, _ = made(12)
    asked = []
    original = packed.arrays_of
    monkeypatch.setattr(packed, "arrays_of", lambda model: asked.append(model) or original(model))
    many.replace(4, tenant(98).model)
    many.append(tenant(30).model)
    assert asked == [tenant(98).model, tenant(30).model]


def test_a_copy_does_not_know_what_is_learnt_later() -> None:
    one = tenant(7)
    model = one.model._replace(router=one.model.router._replace(skill=one.model.router.skill.copy()))
    many, rows = ManyModels([model], CPU), events_of([one], np.zeros(5, np.int64))
    before = score_many(many, rows, np.zeros(5, np.int64))
    model.router.skill[:] = 0.99
    after = score_many(many, rows, np.zeros(5, np.int64))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


ROUTER = tenant(5).model.router


def broken(**fields: Any) -> PooledModel:
    return tenant(5).model._replace(**fields)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (broken(hidden=99), "router"),
        (broken(router=tenant(6).model.router), "router"),
        (broken(router=ROUTER._replace(skill=np.full_like(ROUTER.skill, np.nan))), "router"),
        (broken(cap=0.0), "cap"),
        (broken(least=1.5), "least"),
        (broken(prior=-1.0), "prior"),
        (broken(rule="oracle"), "rule"),
        (broken(inverse_temperature=0.0), "inverse_temperature"),
    ],
)  # fmt: skip
def test_a_model_that_is_none_is_refused_and_nothing_changes(model: PooledModel, named: str) -> None:
    with pytest.raises(ValueError, match=f"^model 1: {named}: "):
        ManyModels([tenant(4).model, model], CPU)
    many, tenants = made(12)
    with pytest.raises(ValueError, match=f"^model 3: {named}: "):
        many.replace(3, model)
    with pytest.raises(ValueError, match=f"^model 12: {named}: "):
        many.append(model)
    check(many, tenants)


@pytest.mark.parametrize("number", [-1, 12])
def test_a_number_of_no_model_is_refused(number: int) -> None:
    many, tenants = made(12)
    with pytest.raises(IndexError, match=f"^number: {number} is none of 12 models"):
        many.replace(number, tenants[0].model)


def test_class_weights_out_of_range_are_refused() -> None:
    pool = tenant(5).model.pool
    for bad in (-1.0, np.nan, np.inf):
        counts = pool.counts.copy()
        counts[:] = bad
        spoilt = replace(pool, counts=counts, faded=counts[:, : pool.faded.shape[1]].copy())
        with pytest.raises(ValueError, match=r"^model 0: pool: class weights"):
            ManyModels([broken(pool=spoilt)], CPU)


def test_evidence_near_the_limits_of_floating_point_is_scaled() -> None:
    weights = np.array([[1e308, 1e308, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    total, support, doubt, *evidence = leaves_of(weights, np.inf, 3.0).T
    shares = np.array(evidence).T / np.where(total > 0, total, 1.0)[:, None]
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0.0], [0.75, 0.25, 0.0], [0.0, 0.0, 0.0]])
    assert np.isfinite(total).all()
    np.testing.assert_allclose(total / support, [1.0, 4.0 / 7.0, 0.0])
    assert doubt[0] > 0.0
    np.testing.assert_allclose(doubt[1:], [3.0 / 7.0, 1.0])
    capped = leaves_of(weights[1:2], 2.0, 3.0)[0]
    np.testing.assert_allclose(capped, [2.0, 5.0, 0.6, 1.5, 0.5, 0.0])
