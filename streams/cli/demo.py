"""The demonstration: two real streams through the whole service, on an embedded broker, with labels that come late."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tocsin.config import load
from tocsin.config.settings import Settings
from tocsin.streams.cli.render import render
from tocsin.streams.replay.in_process import label_record
from tocsin.streams.replay.metrics import Prequential
from tocsin.streams.replay.source import Row, rows
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.embedded import EmbeddedBroker
from tocsin.streams.transport.kafka import KafkaTransport

IN_FLIGHT = 16
"""Events under way at once; the label of an event is sent once so many later ones are decided, and one more."""
LABEL_DELAY = 1
MALFORMED = (
    b'{"id": "broken',
    b'{"id": "m1"}',
    b"[1, 2, 3]",
    b"\xff\xfe",
    b'{"id": "m2", "subject": "s", "time": "soon"}',
)
START_PATIENCE = 300.0
"""Seconds that the service may take to be ready: its first start ever compiles the kernels."""
PATIENCE = 60.0
"""Seconds without a decision after which the demonstration gives up."""


@dataclass(slots=True)
class Stream:
    """One stream of the demonstration and how it went."""

    settings: Settings
    preset: Path
    data: Path
    metrics: Prequential = field(default_factory=Prequential)
    seconds: float = 0.0
    dead_letters: int = 0
    abstained: int = 0
    example_decided: dict[str, Any] | None = None
    example_abstained: dict[str, Any] | None = None


def run(console: Console, events: int, messages: int) -> None:
    """Run both streams and print the table and three explained decisions. Raises LogError, EmbeddedBrokerError."""
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(prefix="tocsin-demo-") as directory:
        console.print(f"Embedded broker on {broker.bootstrap}; state in {directory}", highlight=False)
        electricity = _play(console, "electricity", "electricity.csv.gz", events, broker.bootstrap, directory)
        sms = _play(console, "sms", "sms_spam.tsv.gz", messages, broker.bootstrap, directory)
    console.print(_table([electricity, sms]))
    for title, decision in (
        ("A decision on the electricity stream", electricity.example_decided),
        ("An abstention on the electricity stream", electricity.example_abstained),
        ("A text message", sms.example_decided),
    ):
        if decision is not None:
            console.rule(title)
            console.print(render(decision), markup=False, highlight=False)


def _play(console: Console, name: str, data: str, limit: int, bootstrap: str, directory: str) -> Stream:
    presets = Path(str(resources.files("tocsin.config.presets")))
    environment = _environment(name, bootstrap, directory)
    preset = presets / f"{name}.yaml"
    stream = Stream(_settings(preset, environment), preset, presets / "data" / data)
    topics.create(stream.settings)
    with _service(console, preset, environment):
        _feed(console, stream, limit)
    stream.dead_letters = _count_dead_letters(stream.settings)
    return stream


def _environment(name: str, bootstrap: str, directory: str) -> dict[str, str]:
    """What differs from the preset: the broker, the state, and topics of the stream's own."""
    own = {
        f"TOCSIN_TOPICS__{topic.upper()}": f"{name}-{topic.replace('_', '-')}"
        for topic in (
            "events",
            "labels",
            "decisions",
            "feedback",
            "alerts",
            "review",
            "dead_letters",
            "telemetry",
        )
    }
    return own | {
        "TOCSIN_KAFKA__BOOTSTRAP": bootstrap,
        "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "TOCSIN_KAFKA__FETCH_WAIT_MS": "5",
        "TOCSIN_STATE__DIRECTORY": directory,
        "TOCSIN_TOPICS__PARTITIONS": "1",
        "TOCSIN_EXPLANATION__LEVEL": "brief",
    }


def _settings(preset: Path, environment: dict[str, str]) -> Settings:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return load(preset)
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _service(console: Console, preset: Path, environment: dict[str, str]) -> Iterator[None]:
    """`tocsin run` as a user would start it, from when it is ready until Ctrl-C ends it."""
    command = [sys.executable, "-m", "tocsin.streams.cli", "run", str(preset)]
    with tempfile.NamedTemporaryFile() as errors:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=errors, start_new_session=True)
        try:
            with console.status(f"starting tocsin run {preset.name} (the first start ever compiles the kernels)"):
                _wait_until_ready(process, Path(errors.name))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.returncode != 0:
                errors.seek(0)
                raise TransportError(f"tocsin run ended with {process.returncode}: {errors.read()[-2000:].decode()}")


def _wait_until_ready(process: subprocess.Popen[bytes], errors: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while b"ready:" not in errors.read_bytes() and process.poll() is None:
        if time.monotonic() > deadline:
            raise TransportError(f"tocsin run was not ready after {START_PATIENCE:.0f} s")
        time.sleep(0.1)


def _feed(console: Console, stream: Stream, limit: int) -> None:
    """Send events and late labels, a few under way at once, and judge the decisions as they come."""
    settings = stream.settings
    log = KafkaTransport(settings.kafka, group="demo", client_id="demo", whole=[settings.topics.decisions])
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
    )
    try:
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            task = progress.add_task(f"{settings.name:12}", total=limit)
            source = itertools.islice(rows(settings, str(stream.data), lambda: log), limit)
            _Feeder(stream, log).run(source, lambda: progress.advance(task))
        for value in MALFORMED:
            log.produce(settings.topics.events, b"broken", value)
        log.flush()
        _wait_for_dead_letters(stream, log)
    finally:
        log.close()


class _Feeder:
    """Keeps `IN_FLIGHT` events under way."""

    def __init__(self, stream: Stream, log: KafkaTransport) -> None:
        self._stream = stream
        self._log = log
        self._waiting: dict[str, Row] = {}
        self._late_guess: dict[str, str | None] = {}
        self._last_label: str | None = None
        """The last label sent: what no-change would repeat if it got its labels as late as the service."""
        self._decided: deque[Row] = deque()

    def run(self, source: Iterator[Row], advance: Any) -> None:
        started = None
        while self._fill(source):
            self._log.flush()
            self._take(advance)
            started = started or time.perf_counter()
        while self._decided:
            self._send_label()
        self._stream.seconds = time.perf_counter() - (started or 0.0)

    def _fill(self, source: Iterator[Row]) -> bool:
        """Send events until enough are under way; whether any is."""
        for row in itertools.islice(source, IN_FLIGHT - len(self._waiting)):
            self._waiting[row.id] = row
            self._late_guess[row.id] = self._last_label
            self._log.produce(self._stream.settings.topics.events, row.subject.encode(), row.event)
        return bool(self._waiting)

    def _take(self, advance: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (records := self._log.poll(IN_FLIGHT, 1.0)):
            if time.monotonic() > deadline:
                raise TransportError(f"no decision came in {PATIENCE:.0f} s")
        for record in records:
            decision = orjson.loads(record.value or b"")
            row = self._waiting.pop(decision["event"], None)
            if row is None:
                continue
            self._judge(decision, row)
            advance()
            self._decided.append(row)
            while len(self._decided) > LABEL_DELAY:
                self._send_label()

    def _send_label(self) -> None:
        row = self._decided.popleft()
        self._last_label = row.label
        settings = self._stream.settings
        self._log.produce(settings.topics.labels, row.subject.encode(), label_record(settings, row))

    def _judge(self, decision: dict[str, Any], row: Row) -> None:
        stream = self._stream
        if row.label is None:
            return
        stream.metrics.add(decision, row.label)
        stream.metrics.add_rival("late_no_change", self._late_guess.pop(row.id) == row.label)
        if decision["status"] == "abstained":
            stream.abstained += 1
            if decision["reason"] != "cold-start":
                stream.example_abstained = decision
        elif decision["label"] != stream.settings.classes[0] and decision["label"] == row.label:
            stream.example_decided = decision


def _wait_for_dead_letters(stream: Stream, log: KafkaTransport) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and sum(log.end_offsets(stream.settings.topics.dead_letters).values()) < len(
        MALFORMED
    ):
        time.sleep(0.2)


def _count_dead_letters(settings: Settings) -> int:
    log = KafkaTransport(settings.kafka, group="demo", client_id="demo")
    try:
        return sum(log.end_offsets(settings.topics.dead_letters).values())
    finally:
        log.close()


def _table(streams: list[Stream]) -> Table:
    table = Table(title="Two streams through the service, labels late")
    table.add_column("")
    for stream in streams:
        table.add_column(stream.settings.name, justify="right")
    reports = [stream.metrics.report() for stream in streams]

    def add(name: str, values: list[str]) -> None:
        table.add_row(name, *values)

    add("events", [f"{r['events']:,}" for r in reports])
    for name, key in (
        ("accuracy", "accuracy"),
        ("kappa-M", "kappa_m"),
        ("kappa-T", "kappa_t"),
        ("F1 (macro)", "f1_macro"),
    ):
        add(name, [_figure(r[key]) for r in reports])
    add("accuracy of no-change", [_figure(r["baselines"]["no_change"]) for r in reports])
    add("the same, its labels as late as ours", [_figure(r["baselines"]["late_no_change"]) for r in reports])
    add("accuracy of majority", [_figure(r["baselines"]["majority"]) for r in reports])
    add("coverage", [_figure(r["coverage"]) for r in reports])
    add("accuracy where decided", [_figure(r["selective_accuracy"]) for r in reports])
    add("abstentions", [f"{s.abstained:,}" for s in streams])
    add("dead letters", [f"{s.dead_letters:,} of {len(MALFORMED)} malformed" for s in streams])
    add("events a second", [f"{s.metrics.events / s.seconds:,.0f}" for s in streams])
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
