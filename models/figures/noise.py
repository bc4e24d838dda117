"""What wrong labels leave open: between which values a figure may lie where some labels are wrong.

The assumption is that of the labels which say a class at most the share `noise` is wrong, for each class. Nothing is
assumed of which ones those are: they may all lie where they do most harm. With P labels of a class and N other labels,
h hits (named as the class, and labelled so), f false alarms and A = h + f named events, up to i = noise P of the labels
of the class and j = noise N of the others are wrong. Then

- recall lies between (h - i) / (P - i + j) and (h + j) / (P - i + j), and likewise F1 between
  2 (h - i) / (P - i + j + A) and 2 (h + j) / (P - i + j + A);
- precision lies between (h - i) / A and (h + j) / A;
- accuracy lies within `noise` of what was counted.

In the lower ends i is at most h and j at most the others that were not named as the class; in the upper ends i is at
most the misses P - h, and j at most f. Where frauds are rarer than wrong labels, these intervals are wide, and rightly
so: the labels do not tell.
"""

from __future__ import annotations

from typing import NamedTuple

Interval = tuple[float, float]
"""The least and the greatest value that a figure may have."""


class NamedLabels(NamedTuple):
    """What was counted of one class."""

    labels: int
    """Events whose label says the class."""
    others: int
    """Events whose label says another one."""
    hits: int
    """Of the former, those that were named as the class."""
    named: int
    """Events that were named as the class."""


class ClassIntervals(NamedTuple):
    """The intervals of one class; None where there is nothing to judge."""

    recall: Interval | None
    precision: Interval | None
    f1: Interval | None


def of_share(value: float, noise: float) -> Interval:
    """The interval of an accuracy.

    >>> of_share(0.98, 0.03)
    (0.95, 1.0)
    """
    return max(value - noise, 0.0), min(value + noise, 1.0)


def of_class(counted: NamedLabels, noise: float) -> ClassIntervals:
    """The intervals of one class's figures."""
    labels, others, hits, named = counted
    false_alarms = named - hits
    no_hits, unseen = min(noise * labels, hits), min(noise * others, others - false_alarms)
    no_misses, found = min(noise * labels, labels - hits), min(noise * others, false_alarms)
    least, most = (hits - no_hits, labels - no_hits + unseen), (hits + found, labels - no_misses + found)
    return ClassIntervals(
        recall=_interval(least, most),
        precision=_interval((least[0], named), (most[0], named)),
        f1=_interval((2 * least[0], least[1] + named), (2 * most[0], most[1] + named)),
    )


def _interval(least: tuple[float, float], most: tuple[float, float]) -> Interval | None:
    """From two fractions; None where there is nothing to judge."""
    if most[1] <= 0.0:
        return None
    return max(least[0] / least[1], 0.0) if least[1] > 0.0 else 0.0, min(most[0] / most[1], 1.0)
