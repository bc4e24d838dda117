"""The figures of what-if: how good the decisions of the past were, and those of another config on the same events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.figures.bootstrap import interval, resampled
from tocsin.models.figures.noise import Interval
from tocsin.models.figures.ranking import FINE, average_precision, bins_of
from tocsin.streams.wire.records import Decision

RANKED = 32
"""Classes of which the ranking is judged: with more of them there is no `auprc`."""


@dataclass(frozen=True, slots=True)
class BothFigures:
    """One figure of both, over the events whose label is known."""

    before: float | None
    after: float | None
    difference: float | None
    """`after` less `before`."""
    interval: Interval | None
    """Between which values the difference may well lie: see `tocsin.models.figures.bootstrap`."""


class Arm(NamedTuple):
    """What one of the two configs said of n labelled events."""

    named: Ints
    """[n], the class that was decided, or of an abstention the most probable one; -1 for none."""
    decided: Bools
    cost: Floats
    bins: Ints | None
    """[n, K], by how probable it was held; None with too many classes."""


@dataclass(slots=True)
class Said:
    """What is kept of one decision for the figures."""

    label: str | None
    named: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, decision: Decision) -> Said:
        """What a decision said."""
        K = max(len(decision.belief), 1)
        betp = {name: mass + decision.uncertainty / K for name, mass in decision.belief.items()}
        label = decision.label if decision.status == "decided" else None
        believes = any(decision.belief.values())
        named = label if label is not None or not believes else max(betp, key=lambda name: betp[name])
        return cls(label, named, betp)


def heard(before: Sequence[Said], after: Sequence[Said]) -> int:
    """For how many of n events both had a belief in some class: `accuracy` and its like are over these alone."""
    return sum(one.named is not None and other.named is not None for one, other in zip(before, after, strict=True))


def compared(
    truths: Sequence[str], before: Sequence[Said], after: Sequence[Said], costs: AbstentionSettings
) -> dict[str, BothFigures]:
    """Every figure of both on n labelled events, in the order in which they were decided.

    Events for which one of both had no belief in any class yet count for `coverage`, `abstained` and `cost` alone.
    """
    names = sorted({*truths, *(one.named for one in (*before, *after) if one.named is not None)})
    place = {name: k for k, name in enumerate(names)}
    y = np.array([place[truth] for truth in truths], np.int64)
    arms = [_arm(said, truths, names, place, costs) for said in (before, after)]
    both = (arms[0].named >= 0) & (arms[1].named >= 0)

    def figures(counts: Ints) -> list[dict[str, float | None]]:
        return [_of_all(arm, counts) | _of_heard(arm, y, len(names), counts * both) for arm in arms]

    found = figures(np.ones(len(y), np.int64))
    drawn = [figures(counts) for counts in resampled(len(y))]
    return {
        name: BothFigures(a, b, _less(b, a), interval([_less(other[name], one[name]) for one, other in drawn]))
        for name, (a, b) in {name: (found[0][name], found[1][name]) for name in found[0]}.items()
    }


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _arm(
    said: Sequence[Said],
    truths: Sequence[str],
    names: Sequence[str],
    place: Mapping[str, int],
    costs: AbstentionSettings,
) -> Arm:
    named = np.array([-1 if one.named is None else place[one.named] for one in said], np.int64)
    decided = np.array([one.label is not None for one in said], np.bool_)
    cost = np.array([_cost(one, truth, costs) for one, truth in zip(said, truths, strict=True)], np.float64)
    bins: Ints | None = None
    if len(names) <= RANKED:
        p = np.array([[one.probabilities.get(name, 0.0) for name in names] for one in said], np.float64)
        bins = bins_of(p.reshape(len(said), len(names)), FINE)
    return Arm(named, decided, cost, bins)


def _cost(said: Said, truth: str, costs: AbstentionSettings) -> float:
    if said.label is None:
        return costs.abstain_cost
    return costs.costs.get(truth, {}).get(said.label, float(said.label != truth))


def _of_all(arm: Arm, counts: Ints) -> dict[str, float | None]:
    """The figures of n events, each of which counts so often."""
    total, decided = int(counts.sum()), int((arm.decided * counts).sum())
    return {
        "coverage": _share(decided, total),
        "abstained": _share(total - decided, total),
        "cost": _share(float((arm.cost * counts).sum()), total),
    }


def _of_heard(arm: Arm, y: Ints, classes: int, counts: Ints) -> dict[str, float | None]:
    """The figures of n events of which something is believed, each of which counts so often."""
    total, wrong = int(counts.sum()), (arm.named != y) * counts
    decided = int((arm.decided * counts).sum())
    labels = np.bincount(y, counts, classes)
    said = np.bincount(arm.named + 1, counts, classes + 1)[1:]
    hits = np.bincount(y, counts * (arm.named == y), classes)
    there, either = labels > 0, labels + said > 0
    recall = hits[there] / labels[there]
    f1 = 2 * hits[either] / (labels + said)[either]
    return {
        "accuracy": _share(total - float(wrong.sum()), total),
        "f1_macro": float(f1.mean()) if len(f1) else None,
        "gmean": float(np.prod(recall) ** (1 / len(recall))) if len(recall) else None,
        "auprc": _auprc(arm.bins, y, there, counts),
        "error_among_decided": _share(float((wrong * arm.decided).sum()), decided),
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _auprc(bins: Ints | None, y: Ints, there: Bools, counts: Ints) -> float | None:
    """The mean over the classes of the area under the precision-recall curve."""
    if bins is None:
        return None
    areas = []
    for k in np.flatnonzero(there).tolist():
        every = np.bincount(bins[:, k], counts, FINE)
        found = np.bincount(bins[:, k], counts * (y == k), FINE)
        areas.append(average_precision(found.astype(np.int64), every.astype(np.int64)))
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None
