"""`tocsin rollback`."""

from __future__ import annotations

import typer

from tocsin.streams.cli.commands.shadow.promote import Report, Yes, take_back_promotion
from tocsin.streams.cli.config_argument import ConfigFile, load_settings

app = typer.Typer()


@app.command(epilog="Example: `tocsin rollback fraud.yaml`")
def rollback(config: ConfigFile, yes: Yes = False, report: Report = "text") -> None:
    """Let the config decide again that decided before the last `tocsin promote`, in all workers from one offset on."""
    take_back_promotion(load_settings(config), yes, report)
