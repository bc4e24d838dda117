"""What the page and the metrics have of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tocsin.streams.monitor.judged.recent import Recent
from tocsin.streams.wire.kinds.judged import JudgedDecisions

COLUMNS = ("class", "labels", "precision", "recall", "F1")
Series = Iterator[tuple[str, tuple[str, ...], float]]


def totals(judged: JudgedDecisions | None, named: Callable[[str], str]) -> Series:
    """The totals of a worker: metric, labels after the worker's, value. `named` gives the label value of a class."""
    if judged is None:
        return
    for name, counts in judged.classes.items():
        yield "tocsin_judged_labels", (named(name),), counts.labels
        yield "tocsin_judged_named", (named(name),), counts.named
        yield "tocsin_judged_right", (named(name),), counts.right
    if judged.cost is not None:
        yield "tocsin_judged_cost", (), judged.cost
    yield "tocsin_judged_alerts", (), judged.alerts
    yield "tocsin_judged_alerts_right", (), judged.hits


def gauges(
    recent: Recent | None, named: Callable[[str], str], other: str
) -> Iterator[tuple[str, float | None, tuple[str, ...]]]:
    """The figures of the last hour: metric, value, labels after the worker's."""
    if recent is None:
        return
    for name, one in recent.classes.items():
        if (shown := named(name)) != other:
            yield "tocsin_class_precision", one.precision, (shown,)
            yield "tocsin_class_recall", one.recall, (shown,)
    yield "tocsin_rare_auprc", recent.auprc, ()
    yield "tocsin_alert_precision", recent.alert_precision, ()
    yield "tocsin_alert_recall", recent.alert_recall, ()


def rows(recent: Recent) -> list[Sequence[str]]:
    """The classes as rows of a table."""
    return [
        (name, f"{one.labels:,}", *map(figure, (one.precision, one.recall, one.f1)))
        for name, one in recent.classes.items()
    ]


def confusion(recent: Recent) -> tuple[list[str], list[Sequence[str]]]:
    """The columns and rows of the confusion matrix; empty where nothing came."""
    names = sorted({*recent.confusion, *(name for row in recent.confusion.values() for name in row)})
    rows = [(truth, *(f"{row.get(name, 0):,}" for name in names)) for truth, row in recent.confusion.items()]
    return ["true class", *(f"named {name}" for name in names)], [tuple(row) for row in rows]


def sentence(recent: Recent) -> str:
    """How many events that is of, and how alerts stand."""
    said = f"Decisions whose labels came within the last hour: {recent.events:,}. G-mean {figure(recent.gmean)}."
    if recent.cost is not None:
        said += f" A decision cost {recent.cost:,.3f} on average."
    if recent.rare is None:
        return said
    return (
        f"{said} Area under the precision-recall curve of {recent.rare}: {figure(recent.auprc)}. Of {recent.alerts:,} "
        f"alerts {figure(recent.alert_precision)} were right; {figure(recent.alert_recall)} of that class raised one."
    )


def figure(value: float | None) -> str:
    """A share with three digits."""
    return "-" if value is None else f"{value:.3f}"
