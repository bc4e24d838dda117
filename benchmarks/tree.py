"""How much faster than river's Hoeffding tree is ours, for the same tree?

Predict, then learn, every event of two streams by majority leaves and by adaptive ones. Both trees get the
same events in one run, and must end with the same number of nodes and the same accuracy. Ours is timed as
arrays (the ratio) and, event by event, as dicts. The best of a few runs counts, in CPU seconds, for the
machine may be shared. Rival: river 0.26.1 (`HoeffdingTreeClassifier`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from time import process_time
from typing import Any

import numpy as np
from river.datasets import synth
from river.tree import HoeffdingTreeClassifier

from tocsin.models.hoeffding_tree import HoeffdingTree

RIVAL = "0.26.1"
STREAMS: dict[str, Callable[[], Any]] = {
    "SEA, 3 features, 2 classes": lambda: synth.SEA(seed=1, noise=0.1),
    "RandomRBF, 10 features, 5 classes": lambda: synth.RandomRBF(
        seed_model=1, seed_sample=2, n_classes=5, n_features=10, n_centroids=50
    ),
}


def one_by_one(model: Any, rows: list[tuple[dict[Any, float], int]]) -> tuple[float, float]:
    """Seconds, and accuracy."""
    right = 0
    start = process_time()
    for x, y in rows:
        right += model.predict_one(x) == y
        model.learn_one(x, y)
    return process_time() - start, right / len(rows)


def as_arrays(params: dict[str, Any], rows: list[tuple[dict[Any, float], int]]) -> tuple[float, float, HoeffdingTree]:
    """Seconds, accuracy and the tree."""
    X = np.array([list(x.values()) for x, _ in rows], np.float64)
    y = np.array([label for _, label in rows])
    best, model = np.inf, HoeffdingTree()
    for _ in range(5):
        model = HoeffdingTree(**params)
        start = process_time()
        p = model.predict_then_learn_many(X, y)
        best = min(best, process_time() - start)
    return best, float(np.mean(np.array(model.classes)[p.argmax(axis=1)] == y)), model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    n = parser.parse_args().events
    print((__doc__ or "").splitlines()[0])
    found = version("river")
    if found != RIVAL:
        raise SystemExit(f"the rival is river {RIVAL}, not {found}")
    print(f"{n} events a stream, river {found}, events per CPU-second\n")
    print(f"{'stream':34} leaves {'river':>9} {'dicts':>9} {'arrays':>11} {'ratio':>6} nodes accuracy")
    for name, stream in STREAMS.items():
        rows = [(x, int(y)) for x, y in stream().take(n)]
        as_arrays({}, rows[:1000])  # compiles
        one_by_one(HoeffdingTree(), rows[:1000])
        for mode in ("mc", "nba"):
            params: dict[str, Any] = {"leaf_prediction": mode}
            runs = []
            for _ in range(2):
                theirs: Any = HoeffdingTreeClassifier(**params)
                runs.append(one_by_one(theirs, rows))
            slow, accuracy = min(runs)
            single, _ = one_by_one(HoeffdingTree(**params), rows)
            fast, ours_accuracy, ours = as_arrays(params, rows)
            if ours.n_nodes != theirs.n_nodes or ours_accuracy != accuracy:
                raise SystemExit(f"{name} {mode}: not the same tree, {ours_accuracy} and {accuracy}")
            print(
                f"{name:34} {mode:6} {n / slow:9,.0f} {n / single:9,.0f} {n / fast:11,.0f} {slow / fast:6.0f}"
                f" {ours.n_nodes:5} {100 * accuracy:.2f}%"
            )


if __name__ == "__main__":
    main()
