"""`tocsin run`, `tocsin topics`, `tocsin monitor`, `tocsin demo`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from tocsin.streams.cli.app import (
    ConfigFile,
    app,
    err,
    log_to_stderr,
    out,
    settings_of,
    told,
)
from tocsin.streams.worker.counts import Counts

topics_app = typer.Typer(help="Create and describe the topics of a config.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")


@app.command(epilog="Example: `tocsin run config/presets/electricity.yaml`")
def run(
    config: ConfigFile,
    verbose: Annotated[bool, typer.Option(help="Also log what the Kafka clients say.")] = False,
) -> None:
    """Run the service: decide events, join labels, learn, until Ctrl-C (or SIGTERM) stops it cleanly."""
    from tocsin.streams.worker import service

    settings = settings_of(config)
    log_to_stderr(verbose)
    started = time.monotonic()
    with told(), service.until_interrupted() as stop:
        counts = service.run(settings, stop)
    err.print(report(counts, time.monotonic() - started))


def report(counts: Counts, seconds: float) -> Table:
    """What a worker did, for a person."""
    table = Table(title="tocsin run", show_header=False)
    for name, value in counts.totals().items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    for title, counter in (
        ("abstained", counts.reasons), ("dead letters", counts.dead_letters), ("labels", counts.labels),
    ):  # fmt: skip
        for name, value in sorted(counter.items()):
            table.add_row(f"{title}: {name}", f"{value:,}")
    table.add_row("seconds", f"{seconds:,.1f}")
    return table


@topics_app.command(epilog="Example: `tocsin topics create config/presets/electricity.yaml`")
def create(config: ConfigFile) -> None:
    """Create the topics that do not exist yet."""
    from tocsin.streams.transport import topics

    settings = settings_of(config)
    log_to_stderr(verbose=False)
    with told():
        for topic, outcome in topics.create(settings):
            out.print(f"{topic}: {outcome}", highlight=False)


@topics_app.command(epilog="Example: `tocsin topics describe config/presets/electricity.yaml`")
def describe(config: ConfigFile) -> None:
    """Say of every topic how many partitions, replicas and messages it has."""
    from tocsin.streams.transport import topics

    settings = settings_of(config)
    log_to_stderr(verbose=False)
    table = Table("topic", "partitions", "replication", "messages")
    with told():
        for row in topics.describe(settings):
            messages = "not known" if row.messages is None else f"{row.messages:,}"
            table.add_row(row.topic, str(row.partitions), str(row.replication), messages)
        gone = topics.missing(settings)
    out.print(table)
    for topic in gone:
        out.print(f"{topic}: missing; `tocsin topics create` makes it", highlight=False)


@app.command(epilog="Example: `tocsin monitor config/presets/electricity.yaml`")
def monitor(
    config: ConfigFile,
    view: Annotated[bool, typer.Option(help="Show a live view in the terminal.")] = True,
) -> None:
    """Watch the service: Prometheus metrics at /metrics, and a live view in the terminal."""
    from tocsin.streams.monitor import PageError
    from tocsin.streams.monitor import run as run_monitor
    from tocsin.streams.worker import service

    settings = settings_of(config)
    log_to_stderr(verbose=False)
    with told(PageError), service.until_interrupted() as stop:
        run_monitor(settings, stop, view)


@app.command(epilog="Example: `tocsin demo`")
def demo(
    events: Annotated[int, typer.Option(help="Events of the electricity stream to replay.", min=100)] = 20_000,
    messages: Annotated[int, typer.Option(help="Text messages to replay.", min=100)] = 5_574,
) -> None:
    """Run the whole service on an embedded broker with two real streams, and say how it did."""
    from tocsin.streams.cli import demo as demonstration

    log_to_stderr(verbose=False)
    with told():
        demonstration.run(out, events=events, messages=messages)
