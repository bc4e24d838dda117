"""SIGTERM: a worker with much to do and a slow model ends well within a container's grace, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Producer

from tocsin.config.loading.file import load
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record
from tocsin.streams.transport.kafka import KafkaTransport, Terms

EVENTS, LENGTH = 60, 60_000
GRACE = 10
"""Seconds that docker gives a container between SIGTERM and SIGKILL; Kubernetes gives 30."""
CONFIG = """
schema: {text: text}
classes: [ham, spam]
experts:
  - {kind: ss3, name: one, ngrams: 3}
  - {kind: ss3, name: two, ngrams: 3, s: 0.3}
  - {kind: linear-text, name: three}
explanation: {level: full}
"""

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(280, func_only=True)]


class Run:
    """`tocsin run` in a process of its own."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.config, self.log = directory / "slow.yaml", directory / "log"
        mark = uuid4().hex[:8]
        self.config.write_text(CONFIG)
        self.environment = {
            "TOCSIN_NAME": f"slow-{mark}",
            "TOCSIN_KAFKA__BOOTSTRAP": bootstrap,
            "TOCSIN_STATE__DIRECTORY": str(directory / "state"),
            "TOCSIN_TOPICS__PARTITIONS": "2",
        } | {
            f"TOCSIN_TOPICS__{role.upper()}": f"{role}-{mark}"
            for role in ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "telemetry")
        }

    def settings(self, patch: pytest.MonkeyPatch) -> Settings:
        for name, value in self.environment.items():
            patch.setenv(name, value)
        return load(self.config)

    def command(self, name: str) -> list[str]:
        return [sys.executable, "-m", "tocsin.streams.cli", name, str(self.config)]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(self.command("run"), env={**os.environ, **self.environment}, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def records_of(settings: Settings, topic: str) -> list[Record]:
    transport = KafkaTransport(settings.kafka, group="reader", terms=Terms(60))
    try:
        ends = transport.end_offsets(topic)
        return [record for partition, end in ends.items() for record in transport.read(partition, 0, end)]
    finally:
        transport.close()


def wait_for(done: Callable[[], bool], run: Run, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, run.log.read_text()[-3000:]
        time.sleep(0.3)


def a_text(number: int) -> str:
    words = [f"w{(number * 7919 + i * 104729) % 50_021}" for i in range(LENGTH // 7)]
    return " ".join(words)[:LENGTH]


def test_sigterm_ends_a_worker_with_a_backlog_and_a_slow_model_within_the_grace_of_a_container(
    apache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(apache, tmp_path)
    settings = run.settings(monkeypatch)
    names = settings.topics
    topics.create(settings)
    producer = Producer({"bootstrap.servers": apache, "partitioner": "murmur2", "compression.type": "lz4"})
    for number in range(EVENTS):
        event = {"id": f"e{number}", "subject": f"s{number % 20}", "time": 1_700_000_000_000 + number}
        producer.produce(names.events, orjson.dumps({**event, "text": a_text(number)}), event["subject"])
        producer.poll(0)
    assert producer.flush(60) == 0

    def decided() -> list[str]:
        return [orjson.loads(record.value or b"")["event"] for record in records_of(settings, names.decisions)]

    with run.running() as process:
        wait_for(lambda: len(decided()) > 0, run)
        process.send_signal(signal.SIGTERM)
        assert process.wait(GRACE) == 0
    first = decided()
    assert 0 < len(first) < EVENTS, "it was stopped in the middle of its work"
    told = subprocess.run([*run.command("model"), "--report", "json"], check=True, capture_output=True, timeout=60)
    assert orjson.loads(told.stdout.splitlines()[-1])["sha256"]
    transport = KafkaTransport(settings.kafka, group=settings.group)
    assert sum(found.offset for found in transport.committed(names.events).values()) == len(first)
    transport.close()
    with run.running() as process:
        wait_for(lambda: len(decided()) >= EVENTS, run)
        process.send_signal(signal.SIGTERM)
        assert process.wait(GRACE) == 0
    assert {event: n for event, n in Counter(decided()).items() if n > 1} == {}
    assert set(decided()) == {f"e{number}" for number in range(EVENTS)}
