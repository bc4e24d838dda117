"""`tocsin replay`."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.commands.grouped_options import with_grouped_options
from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress
from tocsin.streams.cli.verify.command import verify
from tocsin.streams.cli.verify.options import VerifyOptions
from tocsin.streams.cli.what_if.command import what_if
from tocsin.streams.cli.what_if.options import WhatIfOptions

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.streams.replay.in_process import ReplayReport
    from tocsin.streams.replay.past_event import PastEvent
    from tocsin.streams.replay.produce import ProduceReport
    from tocsin.streams.transport.base import Transport

app = typer.Typer()


@dataclasses.dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How events of a source are replayed."""

    in_process: Annotated[
        bool, typer.Option("--in-process", help="Decide here, without a broker, and print how good it was.")
    ] = False
    label_delay: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many later events are decided before a label is known, whatever its own time is."
        ),
    ] = None
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second into the topic.")] = None
    rival: Annotated[bool, typer.Option(help="Also run a single river Hoeffding tree on the same labels.")] = False

    def given(self) -> str | None:
        """The first of these options that was given."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and value is not False:
                return "--" + field.name.replace("_", "-")
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class SpanOptions:
    """Which past decisions are looked at."""

    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="OFFSET|TIME",
            help="The first past decisions: by the feedback offset of their model, or by when they were made.",
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="OFFSET|TIME", help="Past decisions before this one only.")
    ] = None


@app.command(epilog="Example: `tocsin replay config/presets/sms.yaml config/presets/data/sms_spam.tsv.gz --in-process`")
@with_grouped_options
def replay(
    config: ConfigFile,
    options: ReplayOptions,
    verifying: VerifyOptions,
    asking: WhatIfOptions,
    span: SpanOptions,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="CSV, TSV, JSONL or Parquet, or `kafka:TOPIC?from=OFFSET_OR_TIME&to=...&partition=...`",
        ),
    ] = None,
    report: Annotated[Literal["table", "json"], typer.Option(help="How to print the figures.")] = "table",
) -> None:
    """Replay past events: into the events topic at a chosen rate, or in process to see how good the decisions are.

    Figures are prequential: every event is judged by the decision made before its label was known. With `--verify` no
    source is read: what the service decided is made again from its own topics, and compared with what they hold. With
    `--what-if` it is decided again under another config.
    """
    if mistake := _mistake(source, options, verifying, asking, span):
        raise typer.BadParameter(mistake)
    settings = load_settings(config)
    log_to_stderr()
    if verifying.verify:
        verify(settings, verifying, span.first, span.until, report)
    elif asking.what_if is not None:
        what_if(settings, asking, span.first, span.until, report)
    elif source is not None:
        _replay(settings, source, options, report)


def _mistake(
    source: str | None, options: ReplayOptions, verifying: VerifyOptions, asking: WhatIfOptions, span: SpanOptions
) -> str | None:
    """What makes no sense of the arguments, taken together."""
    if verifying.verify or asking.what_if is not None:
        chosen = "--verify" if verifying.verify else "--what-if"
        if verifying.verify and asking.what_if is not None:
            return "--verify and --what-if are two commands: give one of them"
        if source is not None:
            return f"{chosen} reads the service's own topics: leave SOURCE out"
        if (given := options.given()) is not None:
            return f"{chosen} goes by what was decided in the past: leave {given} out"
    if not verifying.verify and (given := verifying.given()) is not None:
        return f"{given} says what is verified: give --verify, too"
    if asking.what_if is None and (given := asking.given()) is not None:
        return f"{given} says where decisions of another config go: give --what-if, too"
    if verifying.verify or asking.what_if is not None:
        return None
    if span.first is not None or span.until is not None:
        return (
            "--from and --until say which past decisions are looked at: give --verify or --what-if, too; a range of "
            "events stands in the source: kafka:TOPIC?from=...&to=..."
        )
    return "name a SOURCE of events, or give --verify or --what-if" if source is None else None


def _replay(settings: Settings, source: str, options: ReplayOptions, report: Literal["table", "json"]) -> None:
    """Replay the events of a source, and print the figures."""
    refused, cold = Counter[str](), (0, 0)
    nothing_fitted, limit = False, options.limit
    delay = settings.replay.label_delay if options.label_delay is None else options.label_delay
    with reporting_errors(), progress("replaying" if options.in_process else "sending", limit) as advance:
        past_events = PastEvents(settings, source, limit, own_times=options.label_delay is None)
        if options.in_process:
            from tocsin.streams.replay.in_process import InProcess

            replayed = InProcess(settings, delay, options.rival)
            result: ReplayReport | ProduceReport = replayed.run(past_events, advance)
            refused, nothing_fitted = replayed.refused, replayed.nothing_fitted
            cold = (replayed.cold, result.events)
        else:
            from tocsin.streams.replay.misfits import Misfits
            from tocsin.streams.replay.produce import produce

            misfits = Misfits(settings)
            result = produce(settings, past_events, delay, options.rate, advance, misfits)
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
