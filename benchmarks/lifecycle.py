"""Does the lifecycle of experts leave a healthy pool alone, and cure an ill one?

    python benchmarks/lifecycle.py [--events 20000] [--seeds 7 8] [--ill]

Prequential accuracy of `DriftMoE()` whose lifecycle acts and of one whose lifecycle only watches, on the same events:
SEA, LED and five-class RandomRBF with another seed for every concept, and the electricity market. What was regrown,
merged, retired or revived is counted. With --ill, a tree that never splits (it answers the most frequent class for
ever) and the twin of a linear expert join the pool.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.datasets import synth

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.presets.driftmoe import STRENGTH, tocsin
from tocsin.models import Classifier, DriftMoE
from tocsin.models.driftmoe import Pool
from tocsin.models.routing.lifecycle import EVENTS

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


ILL = (
    TreeSettings(name="stump", grace_period=1_000_000, leaf_prediction="mc", strength=STRENGTH),
    LinearSettings(name="linear-twin", step=0.02, strength=STRENGTH),
)


def prequential(events: Rows, seed: int, acts: bool, ill: bool) -> tuple[float, dict[str, int]]:
    """Accuracy in percent, and what befell the experts."""
    X, y = events
    model = DriftMoE(seed=seed)
    engine = model.engine
    assert isinstance(engine, Pool)
    settings = tocsin(seed=seed)
    lifecycle = settings.lifecycle.model_copy(update={"enabled": acts})
    experts = (*settings.experts, *(ILL if ill else ()))
    engine.classifier = Classifier(settings.model_copy(update={"lifecycle": lifecycle, "experts": experts}))
    p = model.predict_then_learn_many(X, y)
    health = engine.classifier.lifecycle.health()
    befell = {event: sum(one.events[event] for one in health) for event in EVENTS}
    return 100.0 * float((np.array(model.classes)[p.argmax(axis=1)] == y).mean()), befell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8])
    parser.add_argument("--ill", action="store_true")
    given = parser.parse_args()
    for name, stream in STREAMS.items():
        for seed in given.seeds:
            events = stream(given.events, seed)
            watching, _ = prequential(events, seed, acts=False, ill=given.ill)
            acting, befell = prequential(events, seed, acts=True, ill=given.ill)
            told = ", ".join(f"{event} {count}" for event, count in befell.items() if count) or "nothing done"
            print(f"{name:12} seed {seed}: watching {watching:.3f}, acting {acting:.3f} ({told})", flush=True)


if __name__ == "__main__":
    main()
