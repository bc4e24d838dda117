"""The monitor in a terminal: tables that are drawn every second, or plain lines where the output is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.streams.monitor.expert_table import COLUMNS, expert_rows, mean_engaged
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.record_counts import DeadLetterCounts
from tocsin.streams.monitor.shown_name import beginning
from tocsin.streams.monitor.workers import Workers, WorkerStatus, alarms
from tocsin.streams.transport.base import Partition

_DRAW_SECONDS = 1.0
_LINE_SECONDS = 5.0
"""Time between two plain lines, which are not overwritten."""
_ROWS = 8
"""Rows of a table; how many more there are is one number below it."""
_EXPERT_COLUMNS = ("expert", "state", "share", "accuracy", "reliability", "engaged", "age", "lifecycle")
_LATE_SECONDS = 10.0
"""A worker that has not reported for so long is shown in red."""


class View:
    """Shows the monitor's state; as a context manager it restores the terminal at the end."""

    def __init__(self, service: str, address: str, console: Console | None = None) -> None:
        self._service = service
        self._address = address
        self._console = console or Console()
        self._drawn_at: float | None = None
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

    def show(
        self,
        workers: Workers,
        dead_letters: DeadLetterCounts,
        metrics: Metrics,
        now: float,
        unattended: Collection[Partition] = (),
    ) -> None:
        """Draw, unless that was done a moment ago; `now` in seconds since the epoch.

        `unattended` are partitions that stand still, and of which no worker tells.
        """
        pause = _DRAW_SECONDS if self._live is not None else _LINE_SECONDS
        moment = time.monotonic()
        if self._drawn_at is not None and moment - self._drawn_at < pause:
            return
        self._drawn_at = moment
        active = list(workers.active(now))
        if self._live is not None:
            self._live.update(self._screen(active, dead_letters, metrics, now, unattended), refresh=True)
        else:
            self._console.print(_line(active, metrics, unattended), soft_wrap=True, markup=False, highlight=False)

    def _screen(
        self,
        active: Sequence[WorkerStatus],
        dead_letters: DeadLetterCounts,
        metrics: Metrics,
        now: float,
        unattended: Collection[Partition],
    ) -> RenderableType:
        side_by_side = Table.grid(padding=(0, 3))
        side_by_side.add_row(_reasons(active), _classes(active))
        return Group(
            Text(f"{self._service}   {self._address}", style="bold"),
            *(Text(alarm, style="red") for alarm in alarms(active, unattended)),
            _workers(active, now),
            side_by_side,
            _experts(active),
            _dead_letters(active, dead_letters),
            Text(
                f"decisions read {metrics.get('tocsin_decision_records'):,.0f}, "
                f"of events decided before {metrics.get('tocsin_repeated_decisions'):,.0f}"
            ),
        )


def _workers(active: Sequence[WorkerStatus], now: float) -> Table:
    table = Table("worker", title="workers", title_justify="left")
    for column in (
        "events/s", "events", "coverage", "p50 ms", "p99 ms", "threshold", "pending", "waiting",
        "learnt", "alerts", "heard",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for worker in active[:_ROWS]:
        last, age = worker.last, max(0.0, now - worker.last.time / 1000)
        table.add_row(
            _text(worker.last.worker),
            f"{worker.rate:,.0f}",
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
    if len(active) > _ROWS:
        table.caption = f"and {len(active) - _ROWS} more"
    if not active:
        table.caption = "no worker was heard of lately"
    return table


def _reasons(active: Sequence[WorkerStatus]) -> Table:
    totals: Counter[str] = Counter()
    for worker in active:
        totals.update(worker.last.reasons)
    return _shares("abstentions", totals)


def _classes(active: Sequence[WorkerStatus]) -> Table:
    totals: Counter[str] = Counter()
    for worker in active:
        totals.update(worker.last.classes)
    return _shares("decisions", totals)


def _shares(title: str, totals: Counter[str]) -> Table:
    table = Table(title, box=None)
    table.add_column("total", justify="right")
    table.add_column("share", justify="right")
    whole = sum(totals.values())
    for name, total in totals.most_common(_ROWS):
        table.add_row(_text(name), f"{total:,}", _percent(total, whole))
    return table


def _experts(active: Sequence[WorkerStatus]) -> Table:
    """How the experts fare, see `expert_rows`, in the columns for which a terminal has room."""
    shown = [COLUMNS.index(column) for column in _EXPERT_COLUMNS]
    engaged = mean_engaged(active)
    table = Table(title=f"experts: {engaged} engaged for an event", title_justify="left", box=None)
    for column in _EXPERT_COLUMNS:
        table.add_column(column, justify="left" if column in ("expert", "state", "lifecycle") else "right")
    rows = expert_rows(active)
    for row in rows[:_ROWS]:
        table.add_row(*(_text(row[i]) for i in shown))
    if len(rows) > _ROWS:
        table.caption = f"and {len(rows) - _ROWS} more"
    return table


def _dead_letters(active: Sequence[WorkerStatus], dead_letters: DeadLetterCounts) -> Table:
    totals: Counter[str] = Counter()
    for worker in active:
        totals.update(worker.last.dead_letters)
    kinds = ", ".join(f"{kind} {total:,}" for kind, total in totals.most_common(_ROWS)) or "none"
    table = Table("record", "kind", "why", title=_text(f"dead letters: {kinds}"), title_justify="left", box=None)
    for letter in dead_letters.latest:
        table.add_row(_text(letter.origin), _text(letter.kind), _text(letter.message))
    return table


def _line(active: Sequence[WorkerStatus], metrics: Metrics, unattended: Collection[Partition]) -> str:
    """Everything in one line, for a pipe or a file."""
    counts: Counter[str] = Counter()
    letters = 0
    for worker in active:
        counts.update(worker.last.counts)
        letters += sum(worker.last.dead_letters.values())
    return (
        f"workers {len(active)}, events {counts['events']} ({sum(worker.rate for worker in active):.0f}/s), "
        f"coverage {_percent(counts['decided'], counts['events'])}, abstained {counts['abstained']}, "
        f"learnt {counts['feedback']}, alerts {counts['alerts']}, dead letters {letters}, "
        f"decided again {metrics.get('tocsin_repeated_decisions'):.0f}"
        + "".join(f"; {alarm}" for alarm in alarms(active, unattended))
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole > 0 else "-"


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _text(value: str) -> Text:
    """A text that an outsider may have written, which rich must not take for markup."""
    return Text(beginning(value))
