"""`tocsin run`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import err, log_to_stderr
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.signals import until_interrupted

if TYPE_CHECKING:
    from rich.table import Table

    from tocsin.streams.worker.reporting.counts import Counts

app = typer.Typer()


class TransportName(StrEnum):
    """What reads the events for the service."""

    kafka = "kafka"
    faust = "faust"


@app.command(epilog="Example: `tocsin run config/presets/electricity.yaml`")
def run(
    config: ConfigFile,
    transport: Annotated[
        TransportName,
        typer.Option(help="What reads the events: Tocsin's own Kafka clients, or an agent of Faust (at-least-once)."),
    ] = TransportName.kafka,
    verbose: Annotated[bool, typer.Option(help="Also log what the Kafka clients say.")] = False,
) -> None:
    """Run the service: decide events, join labels, learn, until Ctrl-C (or SIGTERM) stops it cleanly."""
    settings = load_settings(config)
    from tocsin.streams.worker import service

    log_to_stderr(verbose)
    started = time.monotonic()
    with reporting_errors(), until_interrupted() as stop:
        counts = service.run(settings, stop, faust=transport is TransportName.faust)
    err.print(summary(counts, time.monotonic() - started))


def summary(counts: Counts, seconds: float) -> Table:
    """What a worker did in so many seconds, as a table."""
    from rich.table import Table

    table = Table(title="tocsin run", show_header=False)
    for name, value in counts.totals().items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    for title, counter in (
        ("abstained", counts.reasons), ("dead letters", counts.dead_letters), ("labels", counts.labels),
        ("passed over", counts.passed_over), ("lost", counts.lost),
    ):  # fmt: skip
        for name, value in sorted(counter.items()):
            table.add_row(f"{title}: {name}", f"{value:,}")
    table.add_row("seconds", f"{seconds:,.1f}")
    return table
