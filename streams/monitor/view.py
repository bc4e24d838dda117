"""The monitor in a terminal: one table a subject, drawn anew every second; plain lines where it is a pipe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.streams.monitor import experts
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.tallies import DeadLetters
from tocsin.streams.monitor.workers import Seen, Workers

_DRAW_SECONDS = 1.0
_LINE_SECONDS = 5.0
"""Time between two plain lines: they stay, so fewer are better."""
_MOST = 8
"""Rows of a table; the rest is one number."""
_EXPERT_COLUMNS = ("expert", "state", "share", "accuracy", "reliability", "engaged", "age", "lifecycle")
_LATE_SECONDS = 10.0
"""A worker silent for so long is marked."""


class View:
    """Shows the monitor's state; as a context manager it gives the terminal back."""

    def __init__(self, service: str, address: str, console: Console | None = None) -> None:
        self._service = service
        self._address = address
        self._console = console or Console()
        self._drawn: float | None = None
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, workers: Workers, dead_letters: DeadLetters, metrics: Metrics, now: float) -> None:
        """Draw, unless that was done a moment ago; `now` in seconds."""
        pause = _DRAW_SECONDS if self._live is not None else _LINE_SECONDS
        moment = time.monotonic()
        if self._drawn is not None and moment - self._drawn < pause:
            return
        self._drawn = moment
        living = list(workers.living(now))
        if self._live is not None:
            self._live.update(self._screen(living, dead_letters, metrics, now), refresh=True)
        else:
            self._console.print(_line(living, metrics), soft_wrap=True, markup=False, highlight=False)

    def _screen(
        self, living: Sequence[Seen], dead_letters: DeadLetters, metrics: Metrics, now: float
    ) -> RenderableType:
        side_by_side = Table.grid(padding=(0, 3))
        side_by_side.add_row(_reasons(living), _classes(living))
        return Group(
            Text(f"{self._service}   {self._address}", style="bold"),
            _workers(living, now),
            side_by_side,
            _experts(living),
            _dead_letters(living, dead_letters),
            Text(
                f"decisions read {metrics.get('tocsin_decision_records'):,.0f}, "
                f"of events decided before {metrics.get('tocsin_repeated_decisions'):,.0f}"
            ),
        )


def _workers(living: Sequence[Seen], now: float) -> Table:
    table = Table("worker", title="workers", title_justify="left")
    for column in (
        "events/s", "events", "coverage", "p50 ms", "p99 ms", "threshold", "pending", "waiting",
        "learnt", "alerts", "heard",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for seen in living[:_MOST]:
        last, age = seen.last, max(0.0, now - seen.last.time / 1000)
        table.add_row(
            _plain(seen.last.worker),
            f"{seen.rate:,.0f}",
            f"{last.counts.get('events', 0):,}",
            _percent(last.counts.get("decided", 0), last.counts.get("events", 0)),
            _figure(last.latency_ms.get("p50"), 1),
            _figure(last.latency_ms.get("p99"), 1),
            _figure(last.threshold, 3),
            f"{last.pending:,}",
            f"{last.waiting:,}",
            f"{last.counts.get('feedback', 0):,}",
            f"{last.counts.get('alerts', 0):,}",
            Text(f"{age:.0f} s ago", style="red" if age > _LATE_SECONDS else ""),
        )
    if len(living) > _MOST:
        table.caption = f"and {len(living) - _MOST} more"
    if not living:
        table.caption = "no worker was heard of lately"
    return table


def _reasons(living: Sequence[Seen]) -> Table:
    totals: Counter[str] = Counter()
    for seen in living:
        totals.update(seen.last.reasons)
    return _shares("abstentions", totals)


def _classes(living: Sequence[Seen]) -> Table:
    totals: Counter[str] = Counter()
    for seen in living:
        totals.update(seen.last.classes)
    return _shares("decisions", totals)


def _shares(title: str, totals: Counter[str]) -> Table:
    table = Table(title, box=None)
    table.add_column("total", justify="right")
    table.add_column("share", justify="right")
    everything = sum(totals.values())
    for name, total in totals.most_common(_MOST):
        table.add_row(_plain(name), f"{total:,}", _percent(total, everything))
    return table


def _experts(living: Sequence[Seen]) -> Table:
    """How the experts fare, see `experts.rows`: the columns for which a terminal has room."""
    shown = [experts.COLUMNS.index(column) for column in _EXPERT_COLUMNS]
    engaged = experts.mean_engaged(living)
    table = Table(title=f"experts: {engaged} engaged for an event", title_justify="left", box=None)
    for column in _EXPERT_COLUMNS:
        table.add_column(column, justify="left" if column in ("expert", "state", "lifecycle") else "right")
    found = experts.rows(living)
    for row in found[:_MOST]:
        table.add_row(*(_plain(row[i]) for i in shown))
    if len(found) > _MOST:
        table.caption = f"and {len(found) - _MOST} more"
    return table


def _dead_letters(living: Sequence[Seen], dead_letters: DeadLetters) -> Table:
    totals: Counter[str] = Counter()
    for seen in living:
        totals.update(seen.last.dead_letters)
    kinds = ", ".join(f"{kind} {total:,}" for kind, total in totals.most_common(_MOST)) or "none"
    table = Table("record", "kind", "why", title=_plain(f"dead letters: {kinds}"), title_justify="left", box=None)
    for letter in dead_letters.latest:
        table.add_row(_plain(letter.origin), _plain(letter.kind), _plain(letter.message))
    return table


def _line(living: Sequence[Seen], metrics: Metrics) -> str:
    """Everything in one line, for a pipe or a file."""
    counts: Counter[str] = Counter()
    dead = 0
    for seen in living:
        counts.update(seen.last.counts)
        dead += sum(seen.last.dead_letters.values())
    return (
        f"workers {len(living)}, events {counts['events']} ({sum(s.rate for s in living):.0f}/s), "
        f"coverage {_percent(counts['decided'], counts['events'])}, abstained {counts['abstained']}, "
        f"learnt {counts['feedback']}, alerts {counts['alerts']}, dead letters {dead}, "
        f"decided again {metrics.get('tocsin_repeated_decisions'):.0f}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole > 0 else "-"


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _plain(value: str) -> Text:
    """A string that others wrote, without what a terminal would obey or rich take for markup."""
    return Text("".join(c if c.isprintable() else "·" for c in value[:80]))
