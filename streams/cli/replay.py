"""`tocsin replay`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tocsin.config.settings import Settings
from tocsin.streams.cli.app import (
    ConfigFile,
    app,
    err,
    log_to_stderr,
    out,
    settings_of,
    told,
)
from tocsin.streams.replay.source import Row, rows


@app.command(
    epilog="Example: `tocsin replay config/presets/electricity.yaml electricity.csv.gz --in-process --report json`"
)
def replay(
    config: ConfigFile,
    source: Annotated[
        str,
        typer.Argument(help="CSV, TSV, JSONL or Parquet file, or `kafka:TOPIC?from=OFFSET_OR_TIME&to=...`"),
    ],
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Decide here, without a broker, and print how good it was.")
    ] = False,
    label_delay: Annotated[
        int | None, typer.Option(min=0, help="How many later events are decided before a label is known.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second into the topic.")] = None,
    report: Annotated[Literal["table", "json"], typer.Option(help="How to print the figures.")] = "table",
    rival: Annotated[bool, typer.Option(help="Also run a single river Hoeffding tree on the same labels.")] = False,
) -> None:
    """Replay past events: into the events topic at a chosen rate, or in process to see how good the decisions are.

    Figures are prequential: every event is judged by the decision made before its label was known.
    """
    settings = settings_of(config)
    log_to_stderr(verbose=False)
    delay = settings.replay.label_delay if label_delay is None else label_delay
    with told():
        stream = itertools.islice(rows(settings, source, _reader(settings)), limit)
        if in_process:
            with _progress("replaying", limit) as advance:
                result = _in_process(settings, stream, delay, rival, advance)
        else:
            from tocsin.streams.replay.produce import produce

            with _progress("sending", limit) as advance:
                result = produce(settings, stream, delay, rate, advance)
    if report == "json":
        out.print(json.dumps(result), markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(table(result))


def _in_process(
    settings: Settings, stream: Iterator[Row], delay: int, rival: bool, advance: Callable[[], None]
) -> dict[str, Any]:
    import torch

    from tocsin.streams.replay.in_process import InProcess

    torch.set_num_threads(1)  # as the service runs
    return InProcess(settings, delay, rival).run(stream, advance)


def _reader(settings: Settings) -> Callable[[], Any]:
    def open_reader() -> Any:
        from tocsin.streams.worker import service

        return service.reader(settings)

    return open_reader


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def table(result: dict[str, Any]) -> Table:
    """The figures for a person."""
    shown = Table(show_header=False)
    for name, value in result.items():
        if isinstance(value, dict):
            for inner, figure in value.items():
                shown.add_row(f"{name}: {inner}".replace("_", " "), _figure(figure))
        else:
            shown.add_row(name.replace("_", " "), _figure(value))
    return shown


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"
