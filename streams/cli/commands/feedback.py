"""`tocsin feedback`."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tocsin.streams.transport.base import Transport
    from tocsin.streams.wire.sealing.sealed import Seals

app = typer.Typer()


@app.command(epilog="Example: `tocsin feedback config/presets/electricity.yaml --limit 10`")
def feedback(
    config: ConfigFile,
    start: Annotated[int, typer.Option("--from", min=0, metavar="OFFSET", help="The first offset to print.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
) -> None:
    """Print what the models learn from: the records of the feedback topic as JSON lines, oldest first.

    Control records (`tocsin rollback` and the like, labels that were taken back) are among them: they have a `kind`.
    """
    settings = load_settings(config)
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.wire.sealing.logged_keys import seals_of

    log_to_stderr()
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        seals = seals_of(settings, transport)
        for line in islice(json_lines(transport, settings.topics.feedback, start, seals), limit):
            print_result(line)


def json_lines(transport: Transport, topic: str, start: int, seals: Seals | None = None) -> Iterator[str]:
    """The records of the feedback topic from an offset on, each as a line of JSON. Raises TransportError, ErasureError.

    One that is no feedback is named on standard error and left out. Of a subject that is forgotten there is what the
    label says of itself, and `erased`.
    """
    from tocsin.streams.wire.sealing.sealed import UNSEALED, ErasedError

    seals = UNSEALED if seals is None else seals
    from tocsin.streams.wire.encode import encode
    from tocsin.streams.wire.packed.control import is_control, read_control
    from tocsin.streams.wire.packed.feedback import UNREADABLE, read_feedback

    for partition, end in transport.end_offsets(topic).items():
        for record in transport.read(partition, start, end):
            try:
                value = record.value or b""
                line = encode(read_control(value) if is_control(value) else read_feedback(record, seals)).decode()
            except ErasedError:
                line = _of_erased(value)
            except UNREADABLE as error:
                print_message(f"{partition.name}, offset {record.offset} is no feedback record: {error}")
                continue
            yield line


def _of_erased(value: bytes) -> str:
    """What a record says whose subject is forgotten, as a line of JSON."""
    import json

    from tocsin.streams.wire.packed.feedback import read_sealed

    found = read_sealed(value)
    assert found is not None  # or it would not be erased
    said = {name: getattr(found, name) for name in ("label", "labelled_at", "source", "weight", "about")}
    return json.dumps({**said, "erased": True})
