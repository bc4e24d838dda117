"""`tocsin topics create` and `tocsin topics describe`."""

from __future__ import annotations

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_result
from tocsin.streams.cli.failures import reporting_errors

app = typer.Typer(name="topics", help="Create and describe the topics of a config.", no_args_is_help=True)


@app.command(epilog="Example: `tocsin topics create config/presets/electricity.yaml`")
def create(config: ConfigFile) -> None:
    """Create the topics that do not exist yet."""
    settings = load_settings(config)
    from tocsin.streams.transport import topics

    log_to_stderr()
    with reporting_errors():
        for topic, outcome in topics.create(settings):
            print_result(f"{topic}: {outcome}")


@app.command(epilog="Example: `tocsin topics describe config/presets/electricity.yaml`")
def describe(config: ConfigFile) -> None:
    """Say of every topic how many partitions, replicas and messages it has."""
    from rich.table import Table

    settings = load_settings(config)
    from tocsin.streams.transport import topics

    log_to_stderr()
    table = Table("topic", "partitions", "replication", "messages")
    with reporting_errors():
        for row in topics.describe(settings):
            messages = "not known" if row.messages is None else f"{row.messages:,}"
            table.add_row(row.topic, str(row.partitions), str(row.replication), messages)
        missing = topics.missing(settings)
    out.print(table)
    for topic in missing:
        print_result(f"{topic}: missing; `tocsin topics create` makes it")
