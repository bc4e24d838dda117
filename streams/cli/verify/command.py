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
    from tocsin.streams.transport.kafka import KafkaTransport

    with reporting_errors():
        span = Span.of(first, stop)
        if options.export_heads is not None:
            _look_for_room(options.export_heads)
        kept = None if options.heads is None else _kept_heads(options.heads)
        with closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as reader:
            found, heads = _verified(settings, options, reader, span, kept)
    from tocsin.streams.cli.verify.tables import no_success, tables

    if report == "json":
        print_result(json.dumps(found.as_json()))
    else:
        for table in tables(found):
            out.print(table)
    fault = no_success(found, settings.topics.decisions, options.event)
    if fault is not None:
        print_message(fault, failed=True)
    if options.export_heads is not None:
        with reporting_errors():
            _export(options.export_heads, heads, found)
    if fault is not None:
        raise typer.Exit(1)


def _verified(
    settings: Settings, options: VerifyOptions, reader: Transport, span: Span, kept: bytes | None
) -> tuple[VerifyReport, bytes]:
    """What was found, and the heads of the chains."""
    from tocsin.streams.replay.verify.verify import Verify

    verifier = Verify(settings, reader, span, options.event)
    with progress("verifying", None) as advance:
        found = verifier.run(kept, advance)
    return found, verifier.heads()


def _kept_heads(file: Path) -> bytes:
    """The file of `--heads`, from which heads can be read. Raises HeadsError."""
    from tocsin.streams.replay.verify.chain_check import HeadsError, read_heads

    if not file.is_file():
        raise HeadsError(f"--heads: there is no file {file}")
    try:
        written = file.read_bytes()
        read_heads(written)
    except OSError as error:
        raise HeadsError(f"--heads {file}: {error.strerror}") from None
    except HeadsError as error:
        raise HeadsError(f"--heads {file}: {error}") from None
    return written


def _look_for_room(file: Path) -> None:
    """Raises HeadsError where `--export-heads` cannot write a new file."""
    from tocsin.streams.replay.verify.chain_check import HeadsError

    if file.exists():
        raise HeadsError(
            f"--export-heads: there is {file} already, and heads that are kept are not overwritten: name another file"
        )
    if not file.parent.is_dir():
        raise HeadsError(f"--export-heads: there is no directory {file.parent}")


def _export(file: Path, heads: bytes, found: VerifyReport) -> None:
    """Write the heads of a chain that is whole: those of another one would say that all before them was good.

    Raises HeadsError where they are not written.
    """
    from tocsin.streams.cli.verify.tables import no_heads
    from tocsin.streams.replay.verify.chain_check import HeadsError

    if why := no_heads(found):
        raise HeadsError(f"{file} is not written: {why}")
    try:
        with file.open("xb") as written:
            written.write(heads)
    except OSError as error:
        raise HeadsError(f"--export-heads {file}: {error.strerror}") from None
    print_message(f"the heads of the chain are written to {file}: keep it where nobody who can write to Kafka can")
