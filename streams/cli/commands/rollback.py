"""`tocsin rollback`."""

from __future__ import annotations

from contextlib import closing

import typer

from tocsin.streams.cli.commands.shadow.promote import Report, Yes, carry_out
from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr
from tocsin.streams.cli.failures import reporting_errors

app = typer.Typer()


@app.command(epilog="Example: `tocsin rollback fraud.yaml`")
def rollback(config: ConfigFile, yes: Yes = False, report: Report = "words") -> None:
    """Let the config decide again that decided before the last `tocsin promote`, in all workers from one offset on."""
    settings = load_settings(config)
    from tocsin.streams.monitor.shadow.choosing import told_by_workers, way_back
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.worker.worker import wall_clock

    log_to_stderr()
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        choice = way_back(settings, told_by_workers(transport, settings, wall_clock()), wall_clock())
        carry_out(transport, settings, choice, yes, report)
