"""The figures of a replay for a person: one table of all, and one of each kind that there is something to say of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from tocsin.streams.printable import printable
from tocsin.streams.replay.judging.figures import Figures, PeriodFigures

_OWN_TABLES = {"rare", "classes", "confusion", "over_time", "drifts", "intervals"}
_WIDEST = 12
"""Classes of the greatest confusion matrix that is shown."""


_WHERE_ASKED = ("cost", "early_risk", "promise")
"""Figures that are there only where the config asks for them."""


def tables(result: Any) -> Iterator[Table]:
    """The tables of a report."""
    yield _plain(result)
    if not isinstance(result, Figures):
        return
    if result.rare is not None:
        yield _rare(result)
    yield _classes(result)
    if 1 < len(result.confusion) <= _WIDEST:
        yield _confusion(result)
    if len(result.over_time) > 1:
        title = "over time"
        yield _periods(title, [("", period) for period in result.over_time], result)
    if result.drifts:
        pairs = [(one.event, kind, getattr(one, kind)) for one in result.drifts for kind in ("before", "after")]
        yield _periods("around drifts", [(f"{kind} event {event:,}", period) for event, kind, period in pairs], result)


def _plain(result: Any) -> Table:
    """The figures that are numbers."""
    shown = Table(show_header=False)
    intervals: dict[str, tuple[float, float]] = getattr(result, "intervals", {})
    for field in dataclasses.fields(result):
        name, value = field.name, getattr(result, field.name)
        if name in _OWN_TABLES or (name in _WHERE_ASKED and value is None):
            continue
        if isinstance(value, dict):
            _add_rows(shown, name.replace("_", " "), value)
        else:
            shown.add_row(name.replace("_", " "), _figure(value) + _between(intervals.get(name)))
    return shown


def _add_rows(shown: Table, name: str, value: Any) -> None:
    """A row for a figure, or one for each within."""
    if isinstance(value, dict):
        for inner, figure in value.items():
            _add_rows(shown, f"{name}: {inner}".replace("_", " "), figure)
    else:
        shown.add_row(printable(name), _figure(value))


def _rare(result: Figures) -> Table:
    rare, shown = result.rare, Table(show_header=False)
    assert rare is not None  # the caller asked
    shown.title = f"the class {printable(rare.name)}, {rare.share:.2%} of the labels"
    shown.add_row("area under the precision-recall curve", _figure(rare.auprc))
    if rare.alerts is not None:
        shown.add_row("alerts", _figure(rare.alerts))
        told = result.intervals
        shown.add_row("recall at the budget of alerts", _figure(rare.alert_recall) + _between(told.get("alert_recall")))
        shown.add_row("precision of alerts", _figure(rare.alert_precision) + _between(told.get("alert_precision")))
    shown.add_row("F1", _figure(rare.f1) + _between(result.intervals.get(f"f1 of {rare.name}")))
    for part, recall in rare.recall_of_surest.items():
        shown.add_row(f"recall of the surest {part}", _figure(recall))
    return shown


def _classes(result: Figures) -> Table:
    shown = Table("class", "labels", "precision", "recall", "F1", "area", "in its sets")
    for name, one in result.classes.items():
        told = [result.intervals.get(f"{figure} of {name}") for figure in ("precision", "recall", "f1")]
        figures = [
            _figure(value) + _between(interval)
            for value, interval in zip((one.precision, one.recall, one.f1), told, strict=True)
        ]
        shown.add_row(printable(name), f"{one.labels:,}", *figures, _figure(one.auprc), _figure(one.in_set))
    return shown


def _confusion(result: Figures) -> Table:
    names = sorted({*result.confusion, *(name for row in result.confusion.values() for name in row)})
    shown = Table("true class", *(f"named {printable(name)}" for name in names))
    for true, row in result.confusion.items():
        shown.add_row(printable(true), *(f"{row.get(name, 0):,}" for name in names))
    return shown


def _periods(title: str, rows: list[tuple[str, PeriodFigures]], result: Figures) -> Table:
    """A row a run; narrow, because there are many figures in it."""
    rare, costs = result.rare, result.cost is not None
    shown = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    shown.title = title if rare is None else f"{title}; recall, precision and area of {printable(rare.name)}"
    columns = ["from", "events", "accuracy", "coverage"] + (["cost"] if costs else [])
    columns += [] if rare is None else ["recall", "precision", "area"]
    columns += ["alerts", "their recall"] if rare is not None and rare.alerts is not None else []
    for column in columns:
        shown.add_column(column, justify="right")
    for named, one in rows:
        figures = [one.accuracy, one.coverage] + ([one.cost] if costs else [])
        if rare is not None:
            figures += [one.recall.get(rare.name), one.precision.get(rare.name), one.auprc]
            figures += [one.alerts, one.alert_recall] if rare.alerts is not None else []
        shown.add_row(named or _time(one.first), f"{one.events:,}", *(_figure(value, 3) for value in figures))
    return shown


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.4f} to {interval[1]:.4f})"


def _figure(value: float | str | list[Any] | None, digits: int = 4) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return ", ".join(_figure(one) for one in value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"
