"""The page `/` for a person: what the workers do and how their experts do, as HTML that needs no script."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape

from tocsin.streams.monitor.expert_table import COLUMNS, expert_rows, mean_engaged
from tocsin.streams.monitor.judged.shown import COLUMNS as COLUMNS_OF_CLASSES
from tocsin.streams.monitor.judged.shown import confusion, rows, sentence
from tocsin.streams.monitor.shadow.shown import COLUMNS as COLUMNS_OF_BOTH
from tocsin.streams.monitor.shadow.shown import Section
from tocsin.streams.monitor.shown_name import beginning
from tocsin.streams.monitor.workers import WorkerStatus, alarms
from tocsin.streams.printable import printable
from tocsin.streams.transport.base import Partition

_REFRESH_SECONDS = 5
_WORKER_COLUMNS = ("worker", "events/s", "events", "decided", "abstained", "learnt", "pending", "heard")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 75rem;
       padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
p { margin: .3rem 0; color: #47525f } a { color: #0b5cad }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid #dfe4ea; white-space: nowrap }
th { font-weight: 600; color: #47525f } .text { text-align: left } .retired td { color: #6b7682 }
.warning { color: #a3160e; font-weight: 600 }
"""


def overview(
    service: str,
    workers: Sequence[WorkerStatus],
    now: float,
    unattended: Collection[Partition] = (),
    beside: Section | None = None,
) -> str:
    """The whole page, of the active workers of a service; `now` in seconds since the epoch.

    `unattended` are partitions that stand still, and of which no worker tells; `beside` is what workers tell of a
    shadow.
    """
    name = escape(service)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tocsin monitor: {name}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{_REFRESH_SECONDS}">'
        f"<style>{_STYLE}</style></head><body><h1>Tocsin monitor: {name}</h1>"
        '<p><a href="metrics">metrics</a> for Prometheus, <a href="healthz">healthz</a>: whether the monitor reads</p>'
        f"{_warnings(workers, unattended)}<h2>Workers</h2>{_workers(workers, now)}"
        f"<h2>Classes</h2>{_classes(workers)}"
        f"{_shadow(beside)}"
        f"<h2>Experts</h2>{_experts(workers)}</body></html>\n"
    )


def _warnings(workers: Sequence[WorkerStatus], unattended: Collection[Partition]) -> str:
    """The alarms, each as a line."""
    return "".join(f'<p class="warning">{escape(alarm)}</p>' for alarm in alarms(workers, unattended))


def _workers(workers: Sequence[WorkerStatus], now: float) -> str:
    if not workers:
        return "<p>No worker was heard of lately.</p>"
    rows = []
    for worker in workers:
        last = worker.last
        totals = [last.counts.get(name, 0) for name in ("events", "decided", "abstained", "feedback")]
        cells = [f"{worker.rate:,.0f}", *(f"{total:,}" for total in totals), f"{last.pending:,}"]
        rows.append((last.worker, *cells, f"{max(0.0, now - last.time / 1000):.0f} s ago"))
    return _table(_WORKER_COLUMNS, rows, texts=("worker",))


def _classes(workers: Sequence[WorkerStatus]) -> str:
    """How decisions stand whose labels came of late, by the worker whose model has learnt the most."""
    newest = max(workers, key=lambda worker: worker.last.feedback_offset, default=None)
    recent = None if newest is None else newest.judged.figures()
    if recent is None or not recent.events:
        return "<p>No label came of late.</p>"
    columns, matrix = confusion(recent)
    return (
        f"<p>{escape(printable(sentence(recent)))}</p>"
        + _table(COLUMNS_OF_CLASSES, rows(recent), texts=("class",))
        + _table([beginning(column) for column in columns], matrix, texts=("true class",))
    )


def _shadow(beside: Section | None) -> str:
    """A shadow beside whoever decides; nothing where no worker tells of one."""
    if beside is None:
        return ""
    table = _table(COLUMNS_OF_BOTH, beside.rows, texts=("", "config"))
    return f"<h2>Shadow</h2><p>{escape(printable(beside.sentence))}</p>{table}"


def _experts(workers: Sequence[WorkerStatus]) -> str:
    rows = expert_rows(workers)
    if not rows:
        return "<p>None was heard of.</p>"
    return (
        f"<p>Engaged for an event, on average: {escape(mean_engaged(workers))}. Share, accuracy where engaged "
        "and consistency are of the latest window of feedback; reliability and engagement of the latest batch.</p>"
        + _table(COLUMNS, rows, texts=("expert", "state", "lifecycle"))
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[str]) -> str:
    """A table in which the columns `texts` are aligned to the left, and the numbers to the right."""
    kinds = [' class="text"' if column in texts else "" for column in columns]
    head = "".join(f"<th{kind}>{escape(column)}</th>" for kind, column in zip(kinds, columns, strict=True))
    body = []
    for row in rows:
        cells = "".join(f"<td{kind}>{escape(beginning(cell))}</td>" for kind, cell in zip(kinds, row, strict=True))
        body.append(f"<tr{' class=retired' if row[1] == 'retired' else ''}>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(body)}</table></div>'
