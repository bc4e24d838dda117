"""`tocsin rollback`."""

from __future__ import annotations

import getpass
import json
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.commands.control.promote import take_back_promotion
from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from tocsin.config.settings import Settings
    from tocsin.streams.transport.base import Transport
    from tocsin.streams.worker.learning.rollback import Rollback

app = typer.Typer()
Report = Literal["text", "json"]


@app.command(epilog="Example: `tocsin rollback config.yaml --to 2026-03-01T08:00Z --without-source scraper`")
def rollback(
    config: ConfigFile,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="OFFSET|TIME",
            help="What was learnt before stays: an offset of the feedback, or a time, which is compared with the time "
            "of the records of the feedback topic.",
        ),
    ] = None,
    without_source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Leave out only what this source said since then; '' is labels without a source."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    report: Annotated[Report, typer.Option(help="How to print what is left out.")] = "text",
) -> None:
    """Let the config decide again that decided before the last promotion; with `--to`, take back what was learnt.

    With `--to` the models of all workers become what they were, and learn on without the labels since then, which may
    be sent again. Either is one control record in the feedback, which every worker obeys at its offset.
    """
    settings = load_settings(config)
    if to is None:
        if without_source is not None:
            raise typer.BadParameter("it needs --to, which says since when", param_hint="--without-source")
        _go_back_from_promotion(settings, yes, report)
        return
    first, since = _since(to)
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.worker.learning.rollback import ALL, RollbackError, first_at
    from tocsin.streams.worker.learning.rollback import rollback as planned

    log_to_stderr()
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        if first is None:
            if (since or 0) > time.time_ns() // 1_000_000:
                raise RollbackError(f"--to {to} is in the future: nothing was learnt since then")
            first = first_at(transport, settings, since or 0)
        plan = planned(transport, settings, first, ALL if without_source is None else without_source or None)
        if without_source is not None and not plan.records:
            _look_for_source(transport, settings, plan, without_source)
        _roll_back(transport, settings, plan, yes, report)


def _look_for_source(transport: Transport, settings: Settings, plan: Rollback, source: str) -> None:
    """Raises RollbackError where a source, '' for none, said nothing in a span, be it left out already or not."""
    from tocsin.streams.transport.base import Partition
    from tocsin.streams.wire.packed.control import is_control
    from tocsin.streams.wire.packed.feedback import read, read_sealed
    from tocsin.streams.worker.learning.rollback import RollbackError

    there = set()
    for record in transport.read(Partition(settings.topics.feedback, 0), plan.first, plan.end):
        if not is_control(record.value):
            said = read_sealed(record.value or b"") or read(record.value or b"")
            there.add(said.source or "")
    if source not in there:
        named = ", ".join(map(repr, sorted(there))) or "none"
        raise RollbackError(
            f"no label from offset {plan.first} on is of the source {source!r}; the sources since then are: {named}"
        )


def _go_back_from_promotion(settings: Settings, yes: bool, report: Report) -> None:
    if settings.of_shadow is None:
        print_message(
            "the config names no shadow, so that there is no promotion to go back from. To leave out labels, say since "
            "when: --to OFFSET or --to TIME",
            failed=True,
        )
        raise typer.Exit(1)
    take_back_promotion(settings, yes, report)


def _since(to: str) -> tuple[int | None, int | None]:
    """The offset or the time (epoch milliseconds) that `--to` names; the other one is None."""
    from tocsin.streams.replay.topic_range import offset_or_time

    try:
        return offset_or_time(to)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from None


def _roll_back(transport: Transport, settings: Settings, plan: Rollback, yes: bool, report: Report) -> None:
    """Say what a rollback would leave out, and write its record unless somebody says no."""
    from tocsin.streams.worker.learning.rollback import write

    total, at = sum(plan.records.values()), None
    if total:
        if report == "text" or not yes:
            print_message(_in_words(settings, plan))
        if not yes:
            typer.confirm("Leave them out?", abort=True, err=True)
        at = write(transport, settings, plan.control(time.time_ns() // 1_000_000, _asker()))
    if report == "json":
        sources = [{"source": source, "records": n} for source, n in plan.records.items()]
        figures = {"first": plan.first, "end": plan.end, "records": total, "sources": sources, "offset": at}
        print_result(json.dumps(figures))
    elif at is None:
        print_result(f"nothing from offset {plan.first} on is learnt that could be left out: nothing was written")
    else:
        print_result(f"written at offset {at} of {settings.topics.feedback}: all workers obey it there")


def _asker() -> str:
    """Who runs this command, as the control record names them."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container may have a number in place of a user
        return socket.gethostname()


def _in_words(settings: Settings, plan: Rollback) -> str:
    """What a rollback would leave out."""
    by_source = ", ".join(
        f"{n:,} of {'no source' if source is None else repr(source)}" for source, n in plan.records.items()
    )
    total = sum(plan.records.values())
    return (
        f"{total:,} records of {settings.topics.feedback} from offset {plan.first} to {plan.end - 1} would be left "
        f"out: {by_source}"
    )
