"""Between which values the figures of a replay may lie, where some labels are wrong."""

from __future__ import annotations

import math

from tocsin.models.figures.noise import Interval, NamedLabels, of_class, of_share
from tocsin.streams.replay.judging.counts import JudgedCounts

CLASSES = 64
"""With more classes than this none has intervals of its own."""


def intervals(whole: JudgedCounts, alert: str | None, noise: float) -> dict[str, Interval]:
    """By the name of the figure; empty where labels are right.

    See `tocsin.models.figures.noise` for the assumption. What is of all classes together lies between the ends of each:
    macro F1 their means, the geometric mean of recalls the geometric means. Among the decided events there may be as
    many wrong labels as among all, and alerts are judged as if they alone named their class.
    """
    if not noise or not whole.events:
        return {}
    found: dict[str, Interval] = {"accuracy": of_share(whole.right / whole.events, noise)}
    if whole.decided:
        accuracy = whole.decided_right / whole.decided
        found["selective_accuracy"] = of_share(accuracy, noise * whole.events / whole.decided)
    labels, named = whole.labels(), whole.named()
    if len(labels | named) > CLASSES:
        return found
    of = {
        name: of_class(
            NamedLabels(labels[name], whole.events - labels[name], whole.pairs[name, name], named[name]), noise
        )
        for name in sorted(labels | named)
    }
    f1 = [one.f1 for one in of.values() if one.f1 is not None]
    recalls = [one.recall for name, one in of.items() if labels[name] and one.recall is not None]
    if f1:
        found["f1_macro"] = sum(low for low, _ in f1) / len(f1), sum(high for _, high in f1) / len(f1)
    if recalls:
        low, high = (math.prod(ends) ** (1 / len(recalls)) for ends in zip(*recalls, strict=True))
        found["gmean"] = low, high
    for name, one in of.items():
        for figure, interval in one._asdict().items():
            if interval is not None:
                found[f"{figure} of {name}"] = interval
    if alert is not None and whole.alerts:
        told = NamedLabels(labels[alert], whole.events - labels[alert], whole.hits, whole.alerts)
        precision, recall = of_class(told, noise)[1::-1]
        found |= {} if recall is None else {"alert_recall": recall}
        found |= {} if precision is None else {"alert_precision": precision}
    return found
