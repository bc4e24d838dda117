"""The page for a person: what the workers do and how their experts fare, as HTML that needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tocsin.streams.monitor import experts
from tocsin.streams.monitor.workers import Seen

_REFRESH_SECONDS = 5
_WORKERS = ("worker", "events/s", "events", "decided", "abstained", "learnt", "pending", "heard")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 75rem;
       padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
p { margin: .3rem 0; color: #47525f } a { color: #0b5cad }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid #dfe4ea; white-space: nowrap }
th { font-weight: 600; color: #47525f } .text { text-align: left } .retired td { color: #6b7682 }
"""


def index(service: str, living: Sequence[Seen], now: float) -> str:
    """The whole page; `now` in seconds."""
    name = escape(service)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tocsin monitor: {name}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{_REFRESH_SECONDS}">'
        f"<style>{_STYLE}</style></head><body><h1>Tocsin monitor: {name}</h1>"
        '<p><a href="metrics">metrics</a> for Prometheus, <a href="healthz">healthz</a>: whether the monitor reads</p>'
        f"<h2>Workers</h2>{_workers(living, now)}<h2>Experts</h2>{_experts(living)}</body></html>\n"
    )


def _workers(living: Sequence[Seen], now: float) -> str:
    if not living:
        return "<p>No worker was heard of lately.</p>"
    rows = []
    for seen in living:
        counts = seen.last.counts
        figures = [counts.get(name, 0) for name in ("events", "decided", "abstained", "feedback")]
        shown = [f"{seen.rate:,.0f}", *(f"{figure:,}" for figure in figures), f"{seen.last.pending:,}"]
        rows.append((seen.last.worker, *shown, f"{max(0.0, now - seen.last.time / 1000):.0f} s ago"))
    return _table(_WORKERS, rows, texts=("worker",))


def _experts(living: Sequence[Seen]) -> str:
    rows = experts.rows(living)
    if not rows:
        return "<p>None was heard of.</p>"
    return (
        f"<p>Engaged for an event, on average: {escape(experts.mean_engaged(living))}. Share, accuracy where engaged "
        "and consistency are of the latest window of feedback; reliability and engagement of the latest batch.</p>"
        + _table(experts.COLUMNS, rows, texts=("expert", "state", "lifecycle"))
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[str]) -> str:
    """A table whose `texts` stand to the left, and numbers to the right."""
    kinds = [' class="text"' if column in texts else "" for column in columns]
    head = "".join(f"<th{kind}>{escape(column)}</th>" for kind, column in zip(kinds, columns, strict=True))
    body = []
    for row in rows:
        cells = "".join(f"<td{kind}>{escape(_plain(cell))}</td>" for kind, cell in zip(kinds, row, strict=True))
        body.append(f"<tr{' class=retired' if row[1] == 'retired' else ''}>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(body)}</table></div>'


def _plain(value: str) -> str:
    """A name that others wrote, of a length that a person reads."""
    return "".join(c if c.isprintable() else "·" for c in value[:80])
