"""How the streams of the demonstration went, as a table."""

from __future__ import annotations

from rich.table import Table

from tocsin.streams.cli.demo.stream import Stream


def table(streams: list[Stream], malformed: int) -> Table:
    """A column a stream; `malformed` records were sent to each on purpose."""
    shown = Table(title="Two streams through the service, labels late")
    shown.add_column("")
    for stream in streams:
        shown.add_column(stream.settings.name, justify="right")
    reports = [stream.evaluation.report() for stream in streams]
    shown.add_row("events", *(f"{r.events:,}" for r in reports))
    shown.add_row("accuracy", *(_figure(r.accuracy) for r in reports))
    shown.add_row("kappa-M", *(_figure(r.kappa_m) for r in reports))
    shown.add_row("kappa-T", *(_figure(r.kappa_t) for r in reports))
    shown.add_row("F1 (macro)", *(_figure(r.f1_macro) for r in reports))
    for title, baseline in (
        ("accuracy of no-change", "no_change"),
        ("the same, its labels as late as ours", "late_no_change"),
        ("accuracy of majority", "majority"),
    ):
        shown.add_row(title, *(_figure(r.baselines[baseline]) for r in reports))
    shown.add_row("coverage", *(_figure(r.coverage) for r in reports))
    shown.add_row("accuracy where decided", *(_figure(r.selective_accuracy) for r in reports))
    shown.add_row("abstentions", *(f"{s.abstained:,}" for s in streams))
    shown.add_row("dead letters", *(f"{s.dead_letters:,} of {malformed} malformed" for s in streams))
    shown.add_row("events a second", *(f"{s.evaluation.events / s.seconds:,.0f}" for s in streams))
    return shown


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
