"""`tocsin monitor`."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.signals import until_interrupted

app = typer.Typer()


@app.command(epilog="Example: `tocsin monitor config/presets/electricity.yaml`")
def monitor(
    config: ConfigFile,
    view: Annotated[bool, typer.Option(help="Show a live view in the terminal.")] = True,
) -> None:
    """Watch the service: Prometheus metrics at /metrics, and a live view in the terminal."""
    settings = load_settings(config)
    from tocsin.streams.monitor import run

    log_to_stderr()
    with reporting_errors(), until_interrupted() as stop:
        run(settings, stop, view)
