"""What does gradient boosting on a window add to a pool, and what does it cost?

    python benchmarks/boosted.py [--events 20000]

Prequential accuracy and events a CPU-second, its thread included, of a small pool, of that pool with a boosted expert,
and of the boosted expert alone, each label learnt right after its event: on the electricity market, and on Agrawal's
loans, whose rule changes four times.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import time
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from river.datasets import synth

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.boosted import BoostedSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch

Stream = tuple[NDArray[np.float64], NDArray[np.int64], tuple[FeatureSettings, ...]]
POOL: tuple[ExpertSettings, ...] = (
    TreeSettings(name="tree", delta=1e-7),
    TreeSettings(name="tree-history", history=1),
    LinearSettings(),
    PersistenceSettings(),
)
BOOSTED = BoostedSettings(history=1)
CASES = {"the pool": POOL, "with boosting": (*POOL, BOOSTED), "boosting alone": (BOOSTED,)}
START = 1_000
"""Events that are learnt before answers count."""


def market(events: int) -> Stream:
    with gzip.open(str(files("tocsin.config.presets") / "data" / "electricity.csv.gz"), "rt") as file:
        rows = list(itertools.islice(csv.DictReader(file), events))
    names = [name for name in rows[0] if name != "class"]
    X = np.array([[float(row[name]) for name in names] for row in rows])
    y = np.unique([row["class"] for row in rows], return_inverse=True)[1]
    return X, y.astype(np.int64), tuple(FeatureSettings(name=name) for name in names)


def loans(events: int) -> Stream:
    parts = [synth.Agrawal(classification_function=f, seed=f, perturbation=0.05) for f in (0, 3, 6, 8, 2)]
    drawn = list(itertools.chain.from_iterable(part.take(events // len(parts)) for part in parts))
    categories = {"elevel", "car", "zipcode"}
    names = list(drawn[0][0])
    features = tuple(FeatureSettings(name=n, kind="category" if n in categories else "number") for n in names)
    return np.array([[float(x[n]) for n in names] for x, _ in drawn]), np.array([int(y) for _, y in drawn]), features


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    print("| stream | " + " | ".join(CASES) + " |")
    print("|---|---|---|---|")
    for name, stream in (("market", market), ("loans", loans)):
        X, y, features = stream(arguments.events)
        batch, cells = Batch.of(X), []
        for experts in CASES.values():
            model = Classifier(ModelSettings(features=features, classes=("0", "1"), experts=experts))
            began, right = time.process_time(), []
            for start in range(0, len(y), 1_000):
                rows = batch.rows(start, min(start + 1_000, len(y)))
                told = model.learn_at_once(rows, y[start : start + 1_000], np.ones(len(rows)))
                right.append(told.argmax(axis=1) == y[start : start + 1_000])
            rate = len(y) / (time.process_time() - began)
            cells.append(f"{100 * np.concatenate(right)[START:].mean():.2f} ({rate:,.0f} a CPU-second)")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
