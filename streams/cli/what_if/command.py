"""`tocsin replay CONFIG --what-if OTHER.yaml`."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tocsin.streams.cli.config_argument import load_settings
from tocsin.streams.cli.console import out, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.progress import progress

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.streams.replay.what_if.report import WhatIfReport


class WhatIfOptions(NamedTuple):
    """What `tocsin replay --what-if` was asked."""

    other: Path
    """The other config."""
    first: str | None
    stop: str | None
    report: Literal["table", "json"]


def what_if(settings: Settings, options: WhatIfOptions) -> None:
    """Decide a past range again under another config, and print how that differs."""
    from tocsin.streams.replay.past.span import Span
    from tocsin.streams.replay.what_if.what_if import WhatIf
    from tocsin.streams.transport.kafka import KafkaTransport

    other = load_settings(options.other)
    with reporting_errors():
        span = Span.of(options.first, options.stop)
        with (
            closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as reader,
            progress("deciding again", None) as advance,
        ):
            found = WhatIf(settings, other, reader).run(span, advance)
    _show(found, options.report)


def _show(found: WhatIfReport, report: Literal["table", "json"]) -> None:
    if report == "json":
        print_result(json.dumps(dataclasses.asdict(found)))
        return
    from tocsin.streams.cli.what_if.tables import tables

    for table in tables(found):
        out.print(table)
