"""The demonstration from its start to the table and the explained decisions that it prints."""

from __future__ import annotations

import itertools
import tempfile
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tocsin.config.settings import Settings
from tocsin.streams.cli.demo.feeder import Feeder
from tocsin.streams.cli.demo.report import table
from tocsin.streams.cli.demo.service import running_service
from tocsin.streams.cli.demo.stream import Stream, open_stream
from tocsin.streams.cli.render import render
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport import topics
from tocsin.streams.transport.embedded import EmbeddedBroker
from tocsin.streams.transport.kafka import KafkaTransport

MALFORMED = (
    b'{"id": "broken',
    b'{"id": "m1"}',
    b"[1, 2, 3]",
    b"\xff\xfe",
    b'{"id": "m2", "subject": "s", "time": "soon"}',
)
"""Records that the service must put aside as dead letters."""
DEAD_LETTER_SECONDS = 10.0


def run(console: Console, events: int, messages: int) -> None:
    """Run both streams and print the table and three explained decisions.

    Raises TransportError, and EmbeddedBrokerError where the broker is not installed or does not start.
    """
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(prefix="tocsin-demo-") as directory:
        console.print(f"Embedded broker on {broker.bootstrap}; state in {directory}", highlight=False, soft_wrap=True)
        electricity = open_stream("electricity", "electricity.csv.gz", broker.bootstrap, directory)
        sms = open_stream("sms", "sms_spam.tsv.gz", broker.bootstrap, directory)
        _play(console, electricity, events)
        _play(console, sms, messages)
    console.print(table([electricity, sms], len(MALFORMED)))
    for title, decision in (
        ("A decision on the electricity stream", electricity.example_decided),
        ("An abstention on the electricity stream", electricity.example_abstained),
        ("A text message", sms.example_decided),
    ):
        if decision is not None:
            console.rule(title)
            console.print(render(decision), markup=False, highlight=False)


def _play(console: Console, stream: Stream, limit: int) -> None:
    """Start the service for a stream, and feed it the first `limit` events and the malformed records."""
    settings = stream.settings
    topics.create(settings)
    with running_service(console, stream):
        transport = KafkaTransport(settings.kafka, group="demo", client_id="demo", whole=[settings.topics.decisions])
        try:
            _feed(console, stream, transport, limit)
            for value in MALFORMED:
                transport.produce(settings.topics.events, b"broken", value)
            transport.flush()
            _wait_for_dead_letters(settings, transport)
        finally:
            transport.close()
    stream.dead_letters = _count_dead_letters(settings)


def _feed(console: Console, stream: Stream, transport: KafkaTransport, limit: int) -> None:
    """Send the first `limit` events and their labels under a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{stream.settings.name:12}", total=limit)
        source = itertools.islice(read_source(stream.settings, str(stream.data), lambda: transport), limit)
        Feeder(stream, transport).run(source, lambda: progress.advance(task))


def _wait_for_dead_letters(settings: Settings, transport: KafkaTransport) -> None:
    deadline = time.monotonic() + DEAD_LETTER_SECONDS
    while time.monotonic() < deadline:
        if sum(transport.end_offsets(settings.topics.dead_letters).values()) >= len(MALFORMED):
            return
        time.sleep(0.2)


def _count_dead_letters(settings: Settings) -> int:
    transport = KafkaTransport(settings.kafka, group="demo", client_id="demo")
    try:
        return sum(transport.end_offsets(settings.topics.dead_letters).values())
    finally:
        transport.close()
