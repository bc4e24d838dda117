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
        kept = None if options.heads is None else _kept_heads(options.heads)
        with closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as reader:
            found = _verified(settings, options, reader, span, kept)
    from tocsin.streams.cli.verify.tables import no_success, tables

    if report == "json":
        print_result(json.dumps(found.as_json()))
    else:
        for table in tables(found):
            out.print(table)
    if fault := no_success(found, settings.topics.decisions, options.event):
        print_message(fault, failed=True)
        raise typer.Exit(1)


def _verified(
    settings: Settings, options: VerifyOptions, reader: Transport, span: Span, kept: bytes | None
) -> VerifyReport:
    from tocsin.streams.replay.verify.verify import Verify

    verifier = Verify(settings, reader, span, options.event)
    with progress("verifying", None) as advance:
        found = verifier.run(kept, advance)
    if options.export_heads is not None:
        _export(options.export_heads, verifier.heads(), found.chain.whole)
    return found


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


def _export(path: Path, heads: bytes, whole: bool) -> None:
    """Write the heads of a chain that is whole: those of another one would say that all before them was good."""
    if not whole:
        print_message(f"{path} is not written: the chain is broken", failed=True)
        return
    path.write_bytes(heads)
    print_message(f"the heads of the chain are written to {path}: keep it where nobody who can write to Kafka can")
