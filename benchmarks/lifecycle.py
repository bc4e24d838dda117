"""Does the lifecycle of experts leave a healthy pool alone?

    python benchmarks/lifecycle.py [--events 20000] [--seeds 7 8]

Prequential accuracy of `DriftMoE()` with its lifecycle acting and only watching, on the same events: SEA, LED and
five-class RandomRBF with another seed for every concept, and the electricity market. What was regrown, merged or
retired is counted.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.datasets import synth

from tocsin.models import DriftMoE

Rows = tuple[NDArray[np.float64], NDArray[Any]]


def concepts(parts: list[Any], events: int) -> Rows:
    """So many events in all, an equal share of each concept in turn."""
    share = events // len(parts)
    drawn = list(itertools.chain.from_iterable(part.take(share) for part in parts))
    return np.array([[float(v) for v in x.values()] for x, _ in drawn]), np.array([y for _, y in drawn])


def sea(events: int, seed: int) -> Rows:
    return concepts([synth.SEA(v, seed=100 * seed + i, noise=0.1) for i, v in enumerate((0, 1, 3, 0))], events)


def led(events: int, seed: int) -> Rows:
    drifts = enumerate((1, 3, 5, 7))
    parts = [synth.LEDDrift(seed=100 * seed + i, noise_percentage=0.1, n_drift_features=n) for i, n in drifts]
    return concepts(parts, events)


def rbf(events: int, seed: int, speed: float) -> Rows:
    stream = synth.RandomRBFDrift(
        seed_model=seed, seed_sample=seed + 50, n_classes=5, n_features=10, n_centroids=50, change_speed=speed,
        n_drift_centroids=50,
    )  # fmt: skip
    return concepts([stream], events)


def electricity(events: int, seed: int) -> Rows:
    """The same events whatever the seed, which is the model's."""
    with gzip.open(str(files("tocsin.config.presets") / "data" / "electricity.csv.gz"), "rt") as file:
        rows = list(itertools.islice(csv.DictReader(file), events))
    names = [name for name in rows[0] if name != "class"]
    return np.array([[float(row[n]) for n in names] for row in rows]), np.array([row["class"] for row in rows])


STREAMS = {
    "SEA": sea,
    "LED": led,
    "RBF_m": lambda events, seed: rbf(events, seed, 1e-4),
    "RBF_f": lambda events, seed: rbf(events, seed, 1e-3),
    "Electricity": electricity,
}
