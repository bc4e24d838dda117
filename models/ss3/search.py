"""A search for SS3's hyperparameters: the same counts, valued by each setting of a grid on texts not learnt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.ss3.model import SS3

Ints = NDArray[np.int64]

S = (0.25, 0.32, 0.4, 0.45, 0.5, 0.6)
L = (0.1, 0.5, 0.75, 1.0, 1.25, 1.5)
P = (0.5, 1.0, 1.5)
"""The grid where none is given, around the values that the authors report."""


class Setting(NamedTuple):
    """Hyperparameters, and how well they do."""

    s: float
    l: float  # noqa: E741 - SS3's own name
    p: float
    macro_f1: float
    """From 0 to 1, over the classes that are among the labels or the answers."""
    accuracy: float
    """From 0 to 1."""


def search(
    model: SS3,
    texts: Sequence[str],
    labels: Sequence[str],
    s: Sequence[float] = S,
    l: Sequence[float] = L,  # noqa: E741
    p: Sequence[float] = P,
) -> list[Setting]:
    """Judge every setting of the grid by labelled texts that the model has not learnt; best macro-F1 first.

    The model holds only counts, so a setting costs no more than reading the texts once. The model keeps the
    hyperparameters that it had; `SS3.set_hyperparameters` takes those of the first setting. Raises ValueError where
    texts and labels differ in number or a label is no class of the model.

    >>> model = SS3()
    >>> model.learn_many(["win a prize", "win now", "at home", "home now"], ["spam", "spam", "ham", "ham"])
    >>> search(model, ["win", "home"], ["spam", "ham"], s=(0.45,), l=(0.5,), p=(1.0,))
    [Setting(s=0.45, l=0.5, p=1.0, macro_f1=1.0, accuracy=1.0)]
    """
    if len(texts) != len(labels):
        raise ValueError("texts and labels have one length")
    unknown = set(labels) - set(model.classes)
    if unknown:
        raise ValueError(f"{min(unknown)!r} is no class of the model")
    y = np.array([model.classes.index(label) for label in labels], np.int64)
    before = model.s, model.l, model.p
    found = []
    try:
        for setting in product(s, l, p):
            model.set_hyperparameters(*setting)
            answers = model.confidence_many(texts).argmax(axis=1)
            found.append(Setting(*setting, _macro_f1(y, answers, len(model.classes)), float((answers == y).mean())))
    finally:
        model.set_hyperparameters(*before)
    return sorted(found, key=lambda setting: -setting.macro_f1)


def _macro_f1(y: Ints, answers: Ints, classes: int) -> float:
    scores = []
    for k in range(classes):
        right = int(((answers == k) & (y == k)).sum())
        total = int((answers == k).sum() + (y == k).sum())
        if total:
            scores.append(2 * right / total)
    return float(np.mean(scores)) if scores else 0.0
