"""How much quicker is one call for events of many models than a call a model?

Models of different size (1 to 12 trees, 2 to 10 classes, 1 to 20 features, 1 to 24 hidden units) score the same events:
all models in one call; each model in a call of its own, by the same functions on the same place; and, for comparison,
each model alone by numba on the CPU, as `kernels.score` does it. The three take turns, and the best of a few rounds
counts: on the CPU in CPU seconds of one thread, for the machine may be shared, on a CUDA device by the clock. Sorting
the events by model is part of what is timed, packing the models is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
import torch

from tocsin.kernels import hoeffding
from tocsin.kernels.device.many.model import PooledModel
from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.device.many.scoring import score_many
from tocsin.kernels.device.place import DeviceError, Place, place
from tocsin.kernels.hoeffding import HoeffdingSettings
from tocsin.kernels.routing import reliability as routing
from tocsin.kernels.score import Leaves, Network, score

COUNTS = (10, 100, 1_000)
ROUNDS = 5
MOST_FEATURES = 20
LEARNT = (20, 400)
"""Each model has learnt from so many events, between the two."""


class Timed(NamedTuple):
    """Seconds of the best round of each way."""

    together: float
    one_by_one: float
    by_numba: float


def model(seed: int) -> PooledModel:
    rng = np.random.default_rng(seed)
    E, K, F, H = (int(rng.integers(low, high)) for low, high in ((1, 13), (2, 11), (1, MOST_FEATURES + 1), (1, 25)))
    pool = hoeffding.new_pool([HoeffdingSettings(grace_period=20, tau=0.5, delta=0.1)] * E, F, K)
    X = rng.normal(0.0, 2.0, (int(rng.integers(*LEARNT)), F))
    pool = hoeffding.learn(pool, X, X.sum(axis=1).astype(np.int64) % K)
    return PooledModel(pool, routing.new(routing.Sizes(F, E, H), seed, -1.0, 4.0), H)


def by_model(of_pool: Any, models: int) -> list[Any]:
    """The events of each model."""
    return np.split(np.argsort(of_pool, kind="stable"), np.cumsum(np.bincount(of_pool, minlength=models))[:-1])


def alone(one: PooledModel, X: Any) -> None:
    weights = one.pool.counts
    score(
        Leaves(hoeffding.leaf_ids(one.pool, X), weights, one.cap), Network(one.router, X, one.hidden), backend="numba"
    )


def timed(models: list[PooledModel], rows: Any, of_pool: Any, where: Place) -> Timed:
    many = ManyModels(models, where)
    each = [ManyModels([one], where) for one in models]
    narrow = [one.router.mean.size for one in models]

    def together() -> None:
        score_many(many, rows, of_pool)

    def one_by_one() -> None:
        for one, events in zip(each, by_model(of_pool, len(models)), strict=True):
            if len(events):
                score_many(one, rows[events], np.zeros(len(events), np.int64))

    def by_numba() -> None:
        for one, F, events in zip(models, narrow, by_model(of_pool, len(models)), strict=True):
            if len(events):
                alone(one, np.ascontiguousarray(rows[events, :F]))

    clock = perf_counter if where.is_cuda else thread_time
    ways: tuple[Callable[[], None], ...] = (together, one_by_one, by_numba)
    best = [np.inf] * len(ways)
    for way in ways:  # compiles and tunes
        way()
    for _ in range(ROUNDS):
        for i, way in enumerate(ways):
            start = clock()
            way()
            best[i] = min(best[i], clock() - start)
    return Timed(*best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_096)
    parser.add_argument("--device", default="torch-cpu", help="torch-cpu, cuda or cuda:N")
    options = parser.parse_args()
    print((__doc__ or "").splitlines()[0])
    try:
        where = place(options.device)
    except DeviceError as error:
        print(f"skipped: {error}")
        return
    torch.set_num_threads(1)
    print(f"{options.events} events, {where.title}; milliseconds\n")
    print("models  one call  a call a model  times as quick  a call a model by numba  times as quick  bytes packed")
    every = [model(seed) for seed in range(max(COUNTS))]
    rng = np.random.default_rng(0)
    rows = rng.normal(0.0, 2.0, (options.events, MOST_FEATURES))
    for count in COUNTS:
        models = every[:count]
        found = timed(models, rows, rng.integers(0, count, options.events), where)
        together, one_by_one, by_numba = found
        print(
            f"{count:6} {together * 1e3:9.1f} {one_by_one * 1e3:15.1f} {one_by_one / together:15.1f} "
            f"{by_numba * 1e3:24.1f} {by_numba / together:15.2f} {ManyModels(models, where).bytes_held:13,}"
        )


if __name__ == "__main__":
    main()
