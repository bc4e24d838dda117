"""Streams, and river 0.26.1's tree, which is the oracle of ours."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import tree as river_tree
from river.datasets import synth
from river.tree.nodes import htc_nodes
from river.tree.nodes.branch import DTBranch, NominalMultiwayBranch, NumericBinaryBranch

from tocsin.models.hoeffding_tree import HoeffdingTree

ELECTRICITY = Path(__file__).parents[3] / "config" / "presets" / "data" / "electricity.csv.gz"
SHORT, LONG = 20_000, 100_000
AGRAWAL_NOMINAL = [3, 4, 5]


def rivers(**params: Any) -> Any:
    """river's tree, which has no types."""
    return river_tree.HoeffdingTreeClassifier(**params)


def electricity() -> Iterator[tuple[dict[str, float], int]]:
    with gzip.open(ELECTRICITY, "rt") as file:
        for row in csv.DictReader(file):
            y = int(row.pop("class"))
            yield {name: float(value) for name, value in row.items()}, y


STREAMS: dict[str, Callable[[], Any]] = {
    "sea": lambda: synth.SEA(seed=1, noise=0.1),
    "led": lambda: synth.LED(seed=2, noise_percentage=0.1),
    "rbf": lambda: synth.RandomRBF(seed_model=3, seed_sample=4, n_classes=5, n_features=10, n_centroids=50),
    "rbf24": lambda: synth.RandomRBF(seed_model=5, seed_sample=6, n_classes=24, n_features=4, n_centroids=60),
    "agrawal": lambda: synth.Agrawal(classification_function=4, seed=7, perturbation=0.05),
    "hyperplane": lambda: synth.Hyperplane(seed=8, n_features=10, mag_change=0.001, n_drift_features=3),
    "electricity": electricity,
}
Arrays = tuple[NDArray[np.float64], list[int]]
_events: dict[tuple[str, int], Arrays] = {}


def events(stream: str, n: int) -> Arrays:
    if (stream, n) not in _events:
        rows = list(itertools.islice(iter(STREAMS[stream]()), n))
        X = np.array([list(x.values()) for x, _ in rows], np.float64)
        _events[stream, n] = X, [int(y) for _, y in rows]
    return _events[stream, n]


def as_dict(row: list[float]) -> dict[int, float]:
    return {i: value for i, value in enumerate(row) if value == value}


@contextmanager
def naive_bayes_once_an_event() -> Iterator[Callable[[], None]]:
    """Spare river half of its naive Bayes; yields what to call before each event.

    river's adaptive leaf asks naive Bayes for an event when it predicts, and again, before anything has changed, when
    it learns. The second time it gets the first answer.
    """
    module: Any = htc_nodes
    compute = module.do_naive_bayes_prediction
    answers: dict[tuple[int, int], dict[Any, float]] = {}

    def answer(x: dict[Any, Any], stats: dict[Any, float], splitters: dict[Any, Any]) -> dict[Any, float]:
        key = id(stats), id(splitters)
        if key not in answers:
            answers[key] = compute(x, stats, splitters)
        return dict(answers[key])

    module.do_naive_bayes_prediction = answer
    try:
        yield answers.clear
    finally:
        module.do_naive_bayes_prediction = compute


def river_run(
    model: Any, X: NDArray[np.float64], y: list[int], w: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], list[Any]]:
    """What river said before each event, columns by label in sorted order."""
    classes = sorted(set(y))
    place = {label: i for i, label in enumerate(classes)}
    out = np.zeros((len(X), len(classes)))
    # Python's floats, not numpy's, which divide by zero otherwise than river's sources expect.
    weights = [1.0] * len(X) if w is None else w.tolist()
    with naive_bayes_once_an_event() as next_event:
        for i, (row, label) in enumerate(zip(X.tolist(), y, strict=True)):
            x = as_dict(row)
            next_event()
            for k, p in model.predict_proba_one(x).items():
                out[i, place[k]] = p
            if weights[i] > 0:
                model.learn_one(x, label, w=weights[i])
    return out, classes


def river_splits(model: Any) -> list[tuple[str, Any, Any, int]]:
    node: Any
    out: list[tuple[str, Any, Any, int]] = []
    pending = [model._root]
    while pending:
        node = pending.pop()
        kind: Any = type(node)
        if not issubclass(kind, DTBranch):
            continue
        pending.extend(reversed(node.children))
        if issubclass(kind, NumericBinaryBranch):
            out.append(("numeric", node.feature, node.threshold, node.depth))
        elif issubclass(kind, NominalMultiwayBranch):
            out.append(("multiway", node.feature, list(node._mapping), node.depth))
        else:
            out.append(("binary", node.feature, node.value, node.depth))
    return out


def colours(n: int) -> Iterator[tuple[dict[Any, Any], str]]:
    """Strings as categories and as labels, keys in changing order, features that come late."""
    rng = np.random.default_rng(10)
    for i in range(n):
        colour = ["red", "green", "blue", "amber"][rng.integers(4)]
        size, late = float(rng.normal(3 if colour == "red" else 0)), float(rng.random())
        y = "yes" if (colour in ("red", "blue")) ^ (size > 1) ^ (rng.random() < 0.1) else "no"
        x: dict[str, Any] = {"colour": colour, "size": size, "flag": bool(rng.random() < 0.5)}
        if i > n // 3:
            x["late"] = late
        yield shuffled(x, rng), y


def shuffled(x: dict[str, Any], rng: np.random.Generator) -> dict[Any, Any]:
    names = list(x)
    return {names[i]: x[names[i]] for i in rng.permutation(len(names))}


def same_arrays(a: HoeffdingTree, b: HoeffdingTree) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(
        left[k].dtype == right[k].dtype and left[k].tobytes() == right[k].tobytes() for k in left
    )
