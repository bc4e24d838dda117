"""Models of many tenants, of every size, and events of theirs; what each model says alone."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tocsin.kernels import hoeffding
from tocsin.kernels.device.many.model import PooledModel
from tocsin.kernels.fusion.interface import RULES
from tocsin.kernels.hoeffding import HoeffdingSettings, Pool
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES
from tocsin.kernels.routing import reliability as routing
from tocsin.kernels.score import Leaves, Network, Scored, score

RATES = routing.Rates(0.01, 1.0, 0.999, 0.995, 1e4, 0.0, 100.0, 4.0, 0.995, 0.0)
MOST_FEATURES = 20


class Tenant(NamedTuple):
    """A model, and which of its features are categories."""

    model: PooledModel
    nominal: Any


class Alone(NamedTuple):
    """What a model says by itself."""

    leaf: Any
    scored: Scored


def features(rng: np.random.Generator, events: int, nominal: Any) -> Any:
    """Rows [events, F]: numbers, categories, and some that are not known."""
    X = rng.normal(0.5, 2.0, (events, len(nominal)))
    X[:, nominal] = rng.integers(0, 6, (events, int(nominal.sum())))
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


@cache
def tenant(seed: int, events: int | None = None) -> Tenant:
    """A tenant whose sizes follow from the seed; every ninth has learnt nothing, and every 97th much."""
    rng = np.random.default_rng(seed)
    E, K, F, H = (int(rng.integers(low, high)) for low, high in ((1, 13), (2, 11), (1, 21), (1, 25)))
    drawn = int(rng.integers(1, 90))
    n = events if events is not None else 0 if seed % 9 == 0 else 3_000 if seed % 97 == 1 else drawn
    nominal = rng.random(F) < 0.3
    fade = 0.99 if seed % 5 == 0 else 1.0
    settings = [
        HoeffdingSettings(
            grace_period=int(rng.integers(5, 40)), tau=0.5, delta=0.1, binary_split=bool(rng.random() < 0.5),
            leaf_fading_factor=fade,
        )
        for _ in range(E)
    ]  # fmt: skip
    pool = hoeffding.new_pool(settings, F, K, nominal)
    router = routing.new(routing.Sizes(F, E, H), seed, -1.0, 4.0)
    if n:
        X = features(rng, n, nominal)
        y = np.nan_to_num(X).sum(axis=1).astype(np.int64) % K
        pool = hoeffding.learn(pool, X, y)
        X, y = X[:60], y[:60]
        records = routing.Records(X, hoeffding.evidence(pool, X), y, np.ones(len(X)), np.zeros_like(y))
        routing.learn_rows(router, records, H, RATES, routing.RouterOutput(np.empty((len(X), E)), np.empty(len(X))))
    return Tenant(
        PooledModel(
            pool,
            router,
            H,
            cap=float(rng.choice([np.inf, 20.0])),
            rule=RULES[seed % len(RULES)],
            prior=None if seed % 3 else float(rng.uniform(0.5, 3.0)),
            least=float(rng.choice([0.0, 0.4, 0.6])),
            inverse_temperature=float(rng.choice([1.0, 0.5, 2.0])),
        ),
        nominal,
    )


def smallest(F: int, K: int, E: int = 1) -> Tenant:
    """Trees of one node and one hidden unit; all events were of class 0."""
    pool = hoeffding.new_pool([HoeffdingSettings()] * E, F, K)
    pool = hoeffding.learn(pool, np.zeros((500, F)), np.zeros(500, np.int64))
    return Tenant(PooledModel(pool, routing.new(routing.Sizes(F, E, 1), 0, 4.0, 4.0), 1), np.zeros(F, bool))


def events_of(tenants: list[Tenant], of_pool: Any, seed: int = 0) -> Any:
    """Rows [B, MOST_FEATURES], some of them infinite; noise where a model has no feature."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(of_pool), MOST_FEATURES))
    for p in np.unique(of_pool):
        its = of_pool == p
        rows[its, : len(tenants[p].nominal)] = features(rng, int(its.sum()), tenants[p].nominal)
    rows[rng.random(rows.shape) < 0.01] = np.inf
    rows[rng.random(rows.shape) < 0.01] = -np.inf
    return rows


def class_weights(pool: Pool) -> Any:
    """[E, N, K]"""
    return (pool.faded if pool.faded.shape[1] else pool.counts)[:, :, : int(pool.counters[N_CLASSES])]


def alone(model: PooledModel, rows: Any, backend: str = "numba") -> Alone:
    """The decisions on rows by one model, as `score` makes them."""
    X = np.ascontiguousarray(rows[:, : model.router.mean.size])
    leaf = hoeffding.leaf_ids(model.pool, X)
    # The reference multiplies by the cap where it is not reached, too, and 0 times infinity is no number.
    cap = min(model.cap, 1e15)
    scored = score(
        Leaves(leaf, class_weights(model.pool), cap),
        Network(model.router, X, model.hidden),
        model.rule,
        model.prior,
        model.least,
        backend,
        inverse_temperature=model.inverse_temperature,
    )
    return Alone(leaf, scored)
