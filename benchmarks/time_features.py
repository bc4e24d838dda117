"""What are times worth as features (`kind: time`), where the class hangs on hour, weekday and age?

    python benchmarks/time_features.py [--events 20000] [--seeds 1 2 3]

Generated payments with three numbers, of which one tells something. They are fraud more often at night, on weekends,
and by accounts that are younger than two weeks. Prequential accuracy of the default pool on the last 90%, with labels
right after their events and a thousand events late: without times, with them as epoch numbers, and as times; beside it
what nobody can exceed.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.lagged import DueLabels, LaggedClassifier

NUMBERS = tuple(FeatureSettings(name=name) for name in ("amount", "items", "score"))
ZONE, OFFSET = "Etc/GMT-2", 2 * 3_600_000
HOUR, DAY = 3_600_000, 86_400_000
"""Milliseconds."""
LATE = (0, 1_000)
"""How many events later than right after its own a label comes."""
CHUNK = 500


class Payments(NamedTuple):
    """B payments."""

    X: NDArray[np.float64]
    """[B, 5]: three numbers, the time, and when the account was opened; both times are epoch milliseconds."""
    y: NDArray[np.int64]
    best: NDArray[np.bool_]
    """Whether who knows the rule, and not the chance, is right."""


def payments(seed: int, events: int) -> Payments:
    """Payments some minutes apart."""
    rng = np.random.default_rng(seed)
    times = 1_780_000_000_000 + np.cumsum(rng.exponential(200_000, events)).astype(np.int64)
    opened = times - (rng.exponential(90, events) * DAY).astype(np.int64)
    numbers = [rng.lognormal(3, 1, events), rng.integers(1, 6, events).astype(float), rng.normal(size=events)]
    local = times + OFFSET
    hour, weekday, age = local % DAY / HOUR, (local // DAY + 3) % 7, (times - opened) / DAY
    log_odds = -1.5 + 3.0 * ((hour >= 22) | (hour < 4)) + 1.2 * (weekday >= 5) + 1.5 * (age < 14) + 0.8 * numbers[2]
    y = (rng.random(events) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    return Payments(np.stack([*numbers, times, opened], axis=1), y, (log_odds > 0) == (y == 1))


def accuracy(features: tuple[FeatureSettings, ...], found: Payments, late: int) -> float:
    """Of the default pool, on the last 90%, with each label `late` events after its own event."""
    n, names = len(found.y), ("good", "fraud")
    model = LaggedClassifier(Classifier(ModelSettings(features=features, classes=names)))
    right = np.zeros(n, np.bool_)
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        asked = Batch.of(found.X[rows, : len(features)], times=found.X[rows, 3].astype(np.int64))
        first = max(start - late - 1, 0)  # the first label that was not due yet
        due = np.arange(first, max(rows[-1] - late, 0))
        labels = DueLabels(due, [names[k] for k in found.y[due]], np.ones(len(due)))
        ahead = np.maximum(rows - late - first, 0)
        for run in model(asked, ahead, labels, max(rows[-1] - late, 0)):
            told = rows[run.start : run.stop]
            right[told] = run.verdicts.label == found.y[told]
    return float(right[n // 10 :].mean())


def main() -> None:
    """Print one line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    told = parser.parse_args()
    times = ("created_at", "opened")
    ways = {
        "without": NUMBERS,
        "epoch numbers": (*NUMBERS, *(FeatureSettings(name=name) for name in times)),
        "times": (*NUMBERS, *(FeatureSettings(name=name, kind="time", zone=ZONE) for name in times)),
    }
    print("labels late by", "seed", *ways, "limit", sep="  ")
    for late in LATE:
        for seed in told.seeds:
            found = payments(seed, told.events)
            figures = [accuracy(features, found, late) for features in ways.values()]
            best = found.best[told.events // 10 :].mean()
            print(late, seed, *(f"{100 * figure:.2f}" for figure in (*figures, best)), sep="  ", flush=True)


if __name__ == "__main__":
    main()
