"""Three workers that are killed again and again, and a broker that crashes: everything is there exactly once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Producer

from tocsin.config.loading.file import load
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record
from tocsin.streams.transport.kafka import KafkaTransport, Terms
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.wire.records import Feedback

from ..brokers import ApacheKafka

EVENTS, LABELS, SUBJECTS, PARTITIONS, WORKERS, KILLS = 6_000, 4_000, 60, 12, 3, 12
CONFIG = """
name: once
schema: {features: [{name: a}, {name: b}]}
classes: ["no", "yes"]
experts: [{kind: linear}, {kind: persistence, by: subject}]
batching: {max_events: 50}
monitor: {interval_seconds: 2}
"""
SECONDS = 150

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(300, func_only=True)]


class Group:
    """The workers of one service, each a process with a state of its own."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self._directory = directory
        self._config = directory / "once.yaml"
        self._config.write_text(CONFIG)
        self._environment = {
            "TOCSIN_KAFKA__BOOTSTRAP": bootstrap,
            "TOCSIN_KAFKA__GROUP": f"g{uuid4().hex[:8]}",
            "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
            "TOCSIN_KAFKA__TRANSACTION_TIMEOUT_MS": "3000",
            "TOCSIN_TOPICS__PARTITIONS": str(PARTITIONS),
        }
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def settings(self, patch: pytest.MonkeyPatch) -> Settings:
        for name, value in self._environment.items():
            patch.setenv(name, value)
        return load(self._config)

    def start(self, number: int) -> None:
        state = {"TOCSIN_STATE__DIRECTORY": str(self._directory / f"state-{number}")}
        with self.log(number).open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [sys.executable, "-m", "tocsin.streams.cli", "run", str(self._config)],
                env={**os.environ, **self._environment, **state},
                stderr=log,
            )

    def log(self, number: int) -> Path:
        return self._directory / f"log-{number}"

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self._processes[number].kill()
        self._processes[number].wait()

    def interrupt_all(self) -> list[int]:
        for process in self._processes.values():
            process.terminate()
        return [process.wait(60) for process in self._processes.values()]

    def check_alive(self) -> None:
        for number, process in self._processes.items():
            assert process.poll() is None, self.log(number).read_text()[-3000:]

    @contextmanager
    def running(self) -> Iterator[None]:
        for number in range(WORKERS):
            self.start(number)
        try:
            yield
        finally:
            for number in self._processes:
                self.kill(number)


def subject_of(number: int) -> str:
    return f"s{number % SUBJECTS}"


def an_event(number: int) -> bytes:
    features = {"a": (number * 37 % 101) / 101, "b": (number * 53 % 89) / 89}
    return orjson.dumps(
        {"id": f"e{number}", "subject": subject_of(number), "time": 1_700_000_000_000 + number, "features": features}
    )


def a_label(number: int) -> bytes:
    truth = "yes" if number * 37 % 101 > number * 53 % 89 else "no"
    return orjson.dumps({"event": f"e{number}", "label": truth, "time": 1_700_000_100_000 + number})


def records_of(settings: Settings, topic: str) -> list[Record]:
    """All committed records of a topic, partition by partition."""
    transport = KafkaTransport(settings.kafka, group="reader", terms=Terms(60))
    try:
        ends = transport.end_offsets(topic)
        return [record for partition, end in ends.items() for record in transport.read(partition, 0, end)]
    finally:
        transport.close()


def wait_for(settings: Settings, topic: str, count: int, group: Group, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (there := len(records_of(settings, topic))) < count:
        group.check_alive()
        assert time.monotonic() < deadline, f"{there} of {count} in {topic}"
        time.sleep(1)


def feed(producer: Producer, settings: Settings, start: int, stop: int) -> None:
    """Some events, and the labels of those that came a good while before."""
    for number in range(start, stop):
        producer.produce(settings.topics.events, an_event(number), subject_of(number))
        late = number - (EVENTS - LABELS)
        if late >= 0:
            producer.produce(settings.topics.labels, a_label(late), subject_of(late))
    producer.poll(0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ApacheKafka]:
    (tmp_path / "kafka").mkdir()
    broker = ApacheKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.stop()


def by_subject(items: list[tuple[str, int]]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for subject, number in items:
        found[subject].append(number)
    return found


def number_of(identity: Any) -> int:
    return int(str(identity)[1:])


def test_no_kill_of_workers_or_broker_loses_or_doubles_anything(
    broker: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(14)
    group = Group(broker.bootstrap, tmp_path)
    settings = group.settings(monkeypatch)
    topics.create(settings)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "partitioner": "murmur2"})
    steps = 2 * KILLS
    broker_dies = steps // 2
    with group.running():
        for step in range(steps):
            feed(producer, settings, step * EVENTS // steps, (step + 1) * EVENTS // steps)
            time.sleep(chance.uniform(0.5, 3.0))
            if step == broker_dies:
                broker.kill()
                time.sleep(1)
                broker.restart()
            if step % 2:
                victim = chance.randrange(WORKERS)
                group.kill(victim)
                group.start(victim)
        assert producer.flush(60) == 0
        wait_for(settings, settings.topics.decisions, EVENTS, group, SECONDS)
        wait_for(settings, settings.topics.feedback, LABELS, group, SECONDS)
        time.sleep(2)  # what is done twice may come later
        assert group.interrupt_all() == [0] * WORKERS

    decisions = [orjson.loads(record.value or b"") for record in records_of(settings, settings.topics.decisions)]
    feedback: list[Feedback] = [read_feedback(record) for record in records_of(settings, settings.topics.feedback)]
    decided = Counter(decision["event"] for decision in decisions)
    learnt = Counter(item.event.id for item in feedback)
    assert {identity: n for identity, n in decided.items() if n > 1} == {}
    assert {identity: n for identity, n in learnt.items() if n > 1} == {}
    assert set(decided) == {f"e{number}" for number in range(EVENTS)}
    assert set(learnt) == {f"e{number}" for number in range(LABELS)}
    assert records_of(settings, settings.topics.dead_letters) == []
    for numbers in by_subject([(d["subject"], number_of(d["event"])) for d in decisions]).values():
        assert numbers == sorted(numbers)
    for numbers in by_subject([(f.event.subject, number_of(f.event.id)) for f in feedback]).values():
        assert numbers == sorted(numbers)
