"""`tocsin bootstrap`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from tocsin.streams.replay.bootstrap.bootstrap import BootstrapReport

app = typer.Typer()


@app.command(epilog="Example: `tocsin bootstrap config.yaml data.csv`")
def bootstrap(
    config: ConfigFile,
    history: Annotated[
        list[str], typer.Argument(help="CSV, TSV, JSONL, Parquet or a topic's range, as `tocsin replay` takes them.")
    ],
    append: Annotated[
        bool, typer.Option("--append", help="Write behind feedback that is there already and of another kind.")
    ] = False,
    report: Annotated[Literal["table", "json"], typer.Option(help="How to print the figures.")] = "table",
) -> None:
    """Write labelled history to the topic of feedback, so that every worker starts with what it teaches.

    It keeps its place in what it writes: a second run of the same history writes nothing, and one that was
    interrupted is gone on with.
    """
    settings = load_settings(config)
    from tocsin.streams.replay.bootstrap.bootstrap import Bootstrap, open_writer
    from tocsin.streams.replay.bootstrap.history import History
    from tocsin.streams.transport.kafka import KafkaTransport

    log_to_stderr()
    with reporting_errors(), progress("writing", None) as advance:
        histories = [
            History(settings, source, lambda: KafkaTransport(settings.kafka, group=settings.group))
            for source in history
        ]
        result = Bootstrap(settings, lambda: open_writer(settings)).run(histories, append, advance)
    figures = {name: value for name, value in dataclasses.asdict(result).items() if name != "reasons"}
    if report == "json":
        print_result(json.dumps(figures))
    else:
        out.print(_table(figures))
    _tell(result)


def _table(figures: dict[str, int | float | None]) -> Table:
    from rich.table import Table

    shown = Table(show_header=False)
    for name, value in figures.items():
        shown.add_row(name.replace("_", " "), "-" if value is None else f"{value:,.0f}")
    return shown


def _tell(result: BootstrapReport) -> None:
    """Say what became of the history in words. Where nothing fitted the command has failed."""
    if result.there_already == result.events:
        print_message("the topic of feedback holds all of this history already: nothing was written")
        return
    if result.there_already:
        print_message(f"gone on with behind the first {result.there_already:,} events, which were worked off before")
    if result.reasons:
        reason, times = result.reasons.most_common(1)[0]
        print_message(
            f"{result.dead_letters:,} events became dead letters, {times:,} of them because of: {reason}",
            failed=not result.written,
        )
    if not result.written and not result.there_already:
        print_message("nothing was written: no event of the history has a label that fits the config", failed=True)
        raise typer.Exit(1)
