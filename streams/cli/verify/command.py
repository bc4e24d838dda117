"""`tocsin replay CONFIG --verify`."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import typer

from tocsin.streams.cli.console import out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress
from tocsin.streams.cli.verify.options import VerifyOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tocsin.config import Settings
    from tocsin.streams.replay.past.span import Span
    from tocsin.streams.replay.verify.report import VerifyReport
    from tocsin.streams.transport.base import Transport


def verify(
    settings: Settings, options: VerifyOptions, first: str | None, stop: str | None, report: Literal["table", "json"]
) -> None:
    """Verify past decisions, and print what was found; ends with 1 where not all is as it should be."""
    from tocsin.streams.replay.past.span import Span
    from tocsin.streams.replay.verify.chain_check import HeadsError
    from tocsin.streams.transport.kafka import KafkaTransport

    with reporting_errors():
        span = Span.of(first, stop)
        if options.heads is not None and not options.heads.is_file():
            raise HeadsError(f"--heads: there is no file {options.heads}")
        with closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as reader:
            found = _verified(settings, options, reader, span)
    if report == "json":
        print_result(json.dumps(found.as_json()))
    else:
        from tocsin.streams.cli.verify.tables import tables

        for table in tables(found):
            out.print(table)
    if not (found.checked or found.not_checkable):
        on = "" if options.event is None else f" on the event {options.event!r}"
        print_message(f"nothing was checked: {settings.topics.decisions} has no decision{on} in this span", failed=True)
        raise typer.Exit(1)
    if not found.good:
        print_message("not everything is as it should be: see the report", failed=True)
        raise typer.Exit(1)


def _verified(settings: Settings, options: VerifyOptions, reader: Transport, span: Span) -> VerifyReport:
    from tocsin.streams.replay.verify.verify import Verify

    kept = None if options.heads is None else options.heads.read_bytes()
    verifier = Verify(settings, reader, span, options.event)
    with progress("verifying", None) as advance:
        found = verifier.run(kept, advance)
    if options.export_heads is not None:
        _export(options.export_heads, verifier.heads(), found.chain.whole)
    return found


def _export(path: Path, heads: bytes, whole: bool) -> None:
    """Write the heads of a chain that is whole: those of another one would say that all before them was good."""
    if not whole:
        print_message(f"{path} is not written: the chain is broken", failed=True)
        return
    path.write_bytes(heads)
    print_message(f"the heads of the chain are written to {path}: keep it where nobody who can write to Kafka can")
