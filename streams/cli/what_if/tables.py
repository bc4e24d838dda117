"""What what-if found, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from tocsin.streams.printable import printable
from tocsin.streams.replay.what_if.report import AlertChanges, ChangedEvent, WhatIfReport

WIDEST = 12
"""Outcomes of the greatest matrix that is shown."""
SHOWN = 5
"""Changed events that are shown."""
LOWER_IS_BETTER = frozenset({"error_among_decided", "abstained", "cost"})


def tables(report: WhatIfReport) -> Iterator[Table]:
    """The tables of a report."""
    yield _counts(report)
    if report.judged:
        yield _metrics(report)
    outcomes = sorted({*report.matrix, *(name for row in report.matrix.values() for name in row)})
    if report.changed and len(outcomes) <= WIDEST:
        yield _matrix(report, outcomes)
    if report.alerts.before or report.alerts.after:
        yield _alerts(report.alerts)
    if report.examples:
        yield _examples(report.examples[:SHOWN])


def _counts(report: WhatIfReport) -> Table:
    shown = Table(show_header=False)
    told = {
        "events decided under both configs": report.events,
        "decided otherwise": report.changed,
        "decided alike, by other numbers": report.moved,
        "with a known label": report.judged,
        "of these, with a belief of both configs": report.heard,
        "put aside by the other config alone": report.only_before,
        "put aside by this config alone": report.only_after,
        "events that the topic holds no more": report.expired,
        "decisions without a link": report.without_link,
    }
    always = 5
    for n, (name, value) in enumerate(told.items()):
        if value or n < always:
            shown.add_row(name, f"{value:,}")
    return shown


def _metrics(report: WhatIfReport) -> Table:
    shown = Table("", "this config", "the other", "difference", "95% interval")
    for name, one in report.metrics.items():
        if one.before is None and one.after is None:
            continue
        between = "" if one.interval is None else f"{one.interval[0]:+.4f} to {one.interval[1]:+.4f}"
        word = name.replace("_", " ") + (" (lower is better)" if name in LOWER_IS_BETTER else "")
        shown.add_row(word, _figure(one.before), _figure(one.after), _signed(one.difference), between)
    return shown


def _matrix(report: WhatIfReport, outcomes: list[str]) -> Table:
    shown = Table("decided as", *(printable(name) for name in outcomes), title="and as this by the other config")
    for name in outcomes:
        row = report.matrix.get(name, {})
        if row:
            shown.add_row(printable(name), *(f"{row[other]:,}" if other in row else "" for other in outcomes))
    return shown


def _alerts(alerts: AlertChanges) -> Table:
    shown = Table("alerts", "this config", "the other")
    shown.add_row("raised", f"{alerts.before:,}", f"{alerts.after:,}")
    shown.add_row("by this one alone", f"{alerts.only_before:,}", f"{alerts.only_after:,}")
    if alerts.posts is not None:
        between = "" if alerts.interval is None else f" ({alerts.interval[0]:+.2f} to {alerts.interval[1]:+.2f})"
        shown.add_row("subjects whose alert comes earlier", f"{alerts.later:,}", f"{alerts.earlier:,}")
        shown.add_row("posts later, on average", "", f"{alerts.posts:+.2f}{between}")
    return shown


def _examples(examples: list[ChangedEvent]) -> Table:
    shown = Table("event", "label", "this config", "the other", title="some of what would have been decided otherwise")
    for one in examples:
        truth = "not known" if one.truth is None else printable(one.truth)
        shown.add_row(printable(one.event), truth, _verdict(one.before), _verdict(one.after))
    return shown


def _verdict(decision: dict[str, object]) -> str:
    if decision["status"] == "decided":
        return printable(str(decision["label"]))
    return f"abstained: {printable(str(decision['reason']))}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"
