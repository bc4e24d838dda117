"""Ideas about the pool's members: the one without whom all falls, pruning, and adding.

Super Experts (arXiv 2507.23279) names the experts whose removal ruins a model; ModuleFormer (arXiv 2306.04640) prunes
and adds modules. An expert that is left out says nothing, and the router learns without it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from parts.generators import Floats, Ints
from parts.ideas.heard import Heard, without
from parts.recording import replay


class Cost(NamedTuple):
    """Points of accuracy."""

    name: str
    """Of the expert, or what was done."""
    points: float
    """How much lower the accuracy is; below 0 where it is higher."""


def accuracy(p: Floats, y: Ints, start: int = 0) -> float:
    """Percent of the events from `start` on that are predicted rightly."""
    return 100.0 * float((p[start:].argmax(axis=1) == y[start:]).mean())


def leave_one_out(heard: Heard) -> list[Cost]:
    """What the pool loses without each of its experts, the greatest loss first."""
    whole = accuracy(heard.fused(), heard.y)
    costs = [
        Cost(name, whole - accuracy(heard.fused(without(heard.evidence, np.arange(len(heard.experts)) == e)), heard.y))
        for e, name in enumerate(heard.experts)
    ]
    return sorted(costs, key=lambda cost: -cost.points)


def pruned(heard: Heard, fewest: tuple[int, ...] = (2, 4, 6, 8)) -> list[Cost]:
    """What the second half loses where the k experts of the least part in the first half are silent in it."""
    half = len(heard.y) // 2
    order = np.argsort(parts(heard)[:half].mean(axis=0), kind="stable")
    whole, costs = accuracy(heard.fused(), heard.y, half), []
    for k in fewest:
        if k >= len(order):
            break
        silent = np.isin(np.arange(len(order)), order[:k])
        costs.append(Cost(str(k), whole - accuracy(heard.fused(without(heard.evidence, silent, half)), heard.y, half)))
    return costs


def added(heard: Heard) -> Cost:
    """What it costs, in the second half, that the most useful expert says nothing in the first.

    It is one that has learnt the first half and that the router does not know.
    """
    half = len(heard.y) // 2
    best = int(parts(heard)[half:].mean(axis=0).argmax())
    late = heard.evidence.copy()
    late[:half, best] = 0.0
    whole = accuracy(heard.fused(), heard.y, half)
    return Cost(heard.experts[best], whole - accuracy(heard.fused(late), heard.y, half))


def parts(heard: Heard) -> Floats:
    """[T, E], each expert's part in the pool's decisions: how much it can add to log P, as a share of what all can."""
    recording = heard.recording()
    rho = replay(recording, heard.source.model.fusion.rule).reliability
    total = recording.evidence.sum(axis=2) + recording.prior
    gain = np.log1p(rho * recording.evidence.max(axis=2) / (total - rho * (total - recording.prior)))
    result: Floats = gain / np.maximum(gain.sum(axis=1, keepdims=True), 1e-12)
    return result
