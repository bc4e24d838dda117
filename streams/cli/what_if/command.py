"""`tocsin replay CONFIG --what-if OTHER.yaml`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tocsin.streams.cli.config_argument import load_settings
from tocsin.streams.cli.console import out, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.streams.cli.what_if.options import WhatIfOptions
    from tocsin.streams.replay.what_if.report import WhatIfReport
    from tocsin.streams.wire.records import Decision


def what_if(
    settings: Settings, asked: WhatIfOptions, first: str | None, until: str | None, report: Literal["table", "json"]
) -> None:
    """Decide a past span again under another config, and print how that differs."""
    from tocsin.streams.replay.past.span import Span
    from tocsin.streams.replay.what_if.what_if import WhatIf
    from tocsin.streams.transport.kafka import KafkaTransport

    assert asked.what_if is not None  # the caller has looked
    other = load_settings(asked.what_if)
    with reporting_errors():
        span = Span.of(first, until)
        with (
            closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as reader,
            _written_to(asked.decisions) as write,
            progress("deciding again", None) as advance,
        ):
            asking = WhatIf(settings, other, reader)
            asking.decisions = write
            found = asking.run(span, advance)
    _show(found, report)


@contextmanager
def _written_to(path: Path | None) -> Iterator[Callable[[Decision], None]]:
    """What writes one decision as a line of a file. Raises SourceError where the file cannot be written."""
    from tocsin.streams.replay.past_event import SourceError
    from tocsin.streams.wire.encode import encode

    if path is None:
        yield lambda decision: None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise SourceError(f"--decisions: {path}: {error.strerror}") from None

    def write(decision: Decision) -> None:
        file.write(encode(decision) + b"\n")

    with file:
        yield write


def _show(found: WhatIfReport, report: Literal["table", "json"]) -> None:
    if report == "json":
        print_result(json.dumps(dataclasses.asdict(found)))
        return
    from tocsin.streams.cli.what_if.tables import tables

    for table in tables(found):
        out.print(table)
