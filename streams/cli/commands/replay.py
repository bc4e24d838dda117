"""`tocsin replay`."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.streams.replay.in_process import ReplayReport
    from tocsin.streams.replay.past_event import PastEvent
    from tocsin.streams.replay.produce import ProduceReport
    from tocsin.streams.transport.base import Transport

app = typer.Typer()


@app.command(epilog="Example: `tocsin replay config/presets/sms.yaml config/presets/data/sms_spam.tsv.gz --in-process`")
def replay(
    config: ConfigFile,
    source: Annotated[
        str,
        typer.Argument(help="CSV, TSV, JSONL or Parquet, or `kafka:TOPIC?from=OFFSET_OR_TIME&to=...&partition=...`"),
    ],
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Decide here, without a broker, and print how good it was.")
    ] = False,
    label_delay: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many later events are decided before a label is known, whatever its own time is."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second into the topic.")] = None,
    report: Annotated[Literal["table", "json"], typer.Option(help="How to print the figures.")] = "table",
    rival: Annotated[bool, typer.Option(help="Also run a single river Hoeffding tree on the same labels.")] = False,
) -> None:
    """Replay past events: into the events topic at a chosen rate, or in process to see how good the decisions are.

    Figures are prequential: every event is judged by the decision made before its label was known.
    """
    settings = load_settings(config)
    log_to_stderr()
    refused, cold = Counter[str](), (0, 0)
    nothing_fitted = False
    delay = settings.replay.label_delay if label_delay is None else label_delay
    with reporting_errors(), progress("replaying" if in_process else "sending", limit) as advance:
        past_events = PastEvents(settings, source, limit, own_times=label_delay is None)
        if in_process:
            from tocsin.streams.replay.in_process import InProcess

            replayed = InProcess(settings, delay, rival)
            result: ReplayReport | ProduceReport = replayed.run(past_events, advance)
            refused, nothing_fitted = replayed.refused, replayed.nothing_fitted
            cold = (replayed.cold, result.events)
        else:
            from tocsin.streams.replay.misfits import Misfits
            from tocsin.streams.replay.produce import produce

            misfits = Misfits(settings)
            result = produce(settings, past_events, delay, rate, advance, misfits)
            refused, nothing_fitted = misfits.reasons, result.events > 0 and not misfits.fitting_events
    _show(result, report)
    tell_cold_start(*cold, settings.abstention.cold_start)
    tell_refused(refused, nothing_fitted)


def _show(result: ReplayReport | ProduceReport, report: Literal["table", "json"]) -> None:
    """Print the figures."""
    if report == "json":
        print_result(json.dumps(dataclasses.asdict(result)))
        return
    from tocsin.streams.cli.replay_tables import tables

    for table in tables(result):
        out.print(table)


def tell_cold_start(cold: int, events: int, needed: int) -> None:
    """Say where most events came before enough labels were known to decide anything."""
    if 2 * cold > events:
        print_message(
            f"{cold:,} of {events:,} events were a cold start, and none of them was decided: {needed} labels must be "
            "known (abstention.cold_start), and the first decision comes about twice the labels' delay after the start"
        )


def tell_refused(reasons: Counter[str], nothing_fitted: bool) -> None:
    """Say how many records were put aside, and the commonest reason. Where nothing else came the command has failed."""
    if not reasons:
        return
    reason, times = reasons.most_common(1)[0]
    put_aside = f"{reasons.total():,} events and labels became dead letters, {times:,} of them because of: {reason}"
    print_message(f"nothing fitted: {put_aside}" if nothing_fitted else put_aside, failed=nothing_fitted)
    if nothing_fitted:
        raise typer.Exit(1)


class PastEvents:
    """The past events of a source, as often as they are asked for. Raises SourceError."""

    def __init__(self, settings: Settings, source: str, limit: int | None, own_times: bool = True) -> None:
        """Without `own_times` nothing is known of when labels became known."""
        self._settings, self._source, self._limit, self._own_times = settings, source, limit, own_times
        iter(self)  # a file that is not there is told of at once

    def __iter__(self) -> Iterator[PastEvent]:
        from tocsin.streams.replay.source import read_source

        read = read_source(self._settings, self._source, lambda: _open_reader(self._settings))
        past_events = itertools.islice(read, self._limit)
        return past_events if self._own_times else (past._replace(labelled_at=None) for past in past_events)


def _open_reader(settings: Settings) -> Transport:
    """The broker's topics, for a source that is a range of one of them. Raises TransportError."""
    from tocsin.streams.transport.kafka import KafkaTransport

    return KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)
