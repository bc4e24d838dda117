"""A group of workers that is killed, paused, grown and shrunk while it works, and what must hold afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec
import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tocsin.config.loading.file import load
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record
from tocsin.streams.transport.kafka import KafkaTransport, Terms
from tocsin.streams.wire.kinds.link import Link
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.wire.proof.chain import is_whole, link_of

from ..brokers import ApacheKafka

SUBJECTS, PARTITIONS, WORKERS = 60, 12, 3
SESSION_MS = 6_000
CONFIG = """
name: once
schema: {features: [{name: a}, {name: b}]}
classes: ["no", "yes"]
experts: [{kind: linear}, {kind: persistence, by: subject}]
monitor: {interval_seconds: 2}
"""


class Storm(NamedTuple):
    """How much work there is, and what befalls it meanwhile."""

    events: int
    labels: int
    """Of the first events; each comes when all but so many events are there."""
    kills: int
    """Workers that are killed and started again."""
    broker_kills: int
    worker_pauses: int = 0
    """Workers that stand still for longer than their session lasts."""
    broker_pauses: int = 0
    joins: int = 0
    """Workers that join the group and leave it again a moment later."""
    batch: int = 5_000
    """The largest batch."""
    seconds: float = 150.0
    """How long the rest of the work may take once the storm is over."""


class Group:
    """The workers of one service, each a process with a state of its own."""

    def __init__(self, bootstrap: str, directory: Path, batch: int, **environment: str) -> None:
        """`environment` has more of the settings."""
        self._directory = directory
        self._config = directory / "once.yaml"
        self._config.write_text(CONFIG)
        self._environment = {
            "TOCSIN_KAFKA__BOOTSTRAP": bootstrap,
            "TOCSIN_KAFKA__GROUP": f"g{uuid4().hex[:8]}",
            "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": str(SESSION_MS),
            "TOCSIN_KAFKA__TRANSACTION_TIMEOUT_MS": "3000",
            "TOCSIN_TOPICS__PARTITIONS": str(PARTITIONS),
            "TOCSIN_BATCHING__MAX_EVENTS": str(batch),
            **environment,
        }
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def settings(self, patch: pytest.MonkeyPatch) -> Settings:
        for name, value in self._environment.items():
            patch.setenv(name, value)
        return load(self._config)

    def _command(self, number: int, name: str, *more: str) -> tuple[list[str], dict[str, str]]:
        state = {"TOCSIN_STATE__DIRECTORY": str(self._directory / f"state-{number}")}
        command = [sys.executable, "-m", "tocsin.streams.cli", name, str(self._config), *more]
        return command, {**os.environ, **self._environment, **state}

    def start(self, number: int) -> None:
        command, environment = self._command(number, "run")
        with self.log(number).open("ab") as log:
            self._processes[number] = subprocess.Popen(command, env=environment, stderr=log)

    def log(self, number: int) -> Path:
        return self._directory / f"log-{number}"

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self._processes[number].kill()
        self._processes[number].wait()

    def send(self, number: int, which: signal.Signals) -> None:
        self._processes[number].send_signal(which)

    def leave(self, number: int) -> int:
        """SIGTERM; returns the exit code."""
        process = self._processes.pop(number)
        process.terminate()
        return process.wait(60)

    def interrupt_all(self) -> list[int]:
        for process in self._processes.values():
            process.terminate()
        return [process.wait(60) for process in self._processes.values()]

    def digests(self) -> set[tuple[int, str]]:
        """What `tocsin model` says of each worker that was stopped cleanly: feedback offset and SHA-256."""
        found = set()
        for number in range(WORKERS):
            command, environment = self._command(number, "model", "--report", "json")
            done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
            told = orjson.loads(done.stdout.splitlines()[-1])
            found.add((told["feedback_offset"], told["sha256"]))
        return found

    def ask(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        """Run a command of the service beside its workers."""
        command, environment = self._command(WORKERS, name, *more)
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

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


class Feeder:
    """Sends the events, and the labels of those that came a good while before."""

    def __init__(self, settings: Settings, storm: Storm) -> None:
        self._topics, self._storm = settings.topics, storm
        options = {"enable.idempotence": True, "partitioner": "murmur2", "delivery.timeout.ms": 600_000}
        self._producer = Producer({"bootstrap.servers": settings.kafka.bootstrap, **options})

    def take_back(self, numbers: Iterable[int]) -> None:
        """Take back the labels of these events."""
        for number in numbers:
            value = orjson.dumps({"event": f"e{number}", "label": None, "time": 1_700_000_200_000 + number})
            self._send(self._topics.labels, subject_of(number), value)

    def feed(self, start: int, stop: int) -> None:
        for number in range(start, stop):
            self._send(self._topics.events, subject_of(number), an_event(number))
            late = number - (self._storm.events - self._storm.labels)
            if late >= 0:
                self._send(self._topics.labels, subject_of(late), a_label(late))
        self._producer.poll(0)

    def _send(self, topic: str, key: str, value: bytes) -> None:
        while True:
            try:
                return self._producer.produce(topic, value, key)
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        assert self._producer.flush(120) == 0


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


class Decided(msgspec.Struct):
    """As much of a decision as is looked at."""

    event: str
    subject: str


def records_of(settings: Settings, topic: str) -> Iterator[Record]:
    """All committed records of a topic, partition by partition."""
    transport = KafkaTransport(settings.kafka, group="reader", terms=Terms(60))
    try:
        for partition, end in transport.end_offsets(topic).items():
            yield from transport.read(partition, 0, end)
    finally:
        transport.close()


class Count:
    """Counts the committed records of a topic as they come."""

    def __init__(self, settings: Settings, topic: str) -> None:
        options = {"isolation.level": "read_committed", "enable.auto.commit": False, "group.id": "count"}
        self._consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap, **options})
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        self.topic, self.count = topic, 0

    def wait_for(self, count: int, group: Group, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.count < count:
            self.count += sum(message.error() is None for message in self._consumer.consume(10_000, 1.0))
            group.check_alive()
            assert time.monotonic() < deadline, f"{self.count} of {count} in {self.topic}"

    def close(self) -> None:
        self._consumer.close()


class Weather:
    """What befalls the workers and their broker."""

    def __init__(self, storm: Storm, group: Group, broker: ApacheKafka, chance: random.Random) -> None:
        self._group, self._broker, self._chance = group, broker, chance
        self._newcomers = 0
        blows: dict[Callable[[], None], int] = {
            self._kill: storm.kills,
            self._kill_broker: storm.broker_kills,
            self._pause: storm.worker_pauses,
            self._pause_broker: storm.broker_pauses,
            self._join_and_leave: storm.joins,
        }
        self.blows = [blow for blow, times in blows.items() for _ in range(times)]
        chance.shuffle(self.blows)

    def _kill(self) -> None:
        victim = self._chance.randrange(WORKERS)
        self._group.kill(victim)
        self._group.start(victim)

    def _kill_broker(self) -> None:
        self._broker.kill()
        time.sleep(1)
        self._broker.restart()

    def _pause(self) -> None:
        victim = self._chance.randrange(WORKERS)
        self._group.send(victim, signal.SIGSTOP)
        time.sleep(SESSION_MS / 1000 + 2)
        self._group.send(victim, signal.SIGCONT)

    def _pause_broker(self) -> None:
        self._broker.send(signal.SIGSTOP)
        time.sleep(SESSION_MS / 1000 + 2)
        self._broker.send(signal.SIGCONT)

    def _join_and_leave(self) -> None:
        number = WORKERS + self._newcomers
        self._newcomers += 1
        self._group.start(number)
        deadline = time.monotonic() + 60
        while "ready: " not in self._group.log(number).read_text() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(self._chance.uniform(0.0, 8.0))
        assert self._group.leave(number) == 0, self._group.log(number).read_text()[-3000:]


def weather(storm: Storm, broker: ApacheKafka, directory: Path, patch: pytest.MonkeyPatch, seed: int) -> Settings:
    """Let a group work through a storm, to the end; checks that its workers stop cleanly with one model."""
    chance = random.Random(seed)
    group = Group(broker.bootstrap, directory, storm.batch)
    settings = group.settings(patch)
    topics.create(settings)
    feeder = Feeder(settings, storm)
    with group.running():
        blows = Weather(storm, group, broker, chance).blows
        for step, blow in enumerate(blows):
            feeder.feed(step * storm.events // len(blows), (step + 1) * storm.events // len(blows))
            time.sleep(chance.uniform(1.0, 5.0))
            blow()
            print(f"{step + 1} of {len(blows)}: {blow.__name__}", flush=True)
        feeder.flush()
        for topic, wanted in ((settings.topics.decisions, storm.events), (settings.topics.feedback, storm.labels)):
            count = Count(settings, topic)
            count.wait_for(wanted, group, storm.seconds)
            count.close()
        time.sleep(5)  # what is done twice may come later, and every worker learns the last of it
        assert group.interrupt_all() == [0] * WORKERS
    assert len(digests := group.digests()) == 1, digests
    return settings


def check_exactly_once(settings: Settings, storm: Storm) -> None:
    """Each event is decided once, each label learnt once, nothing is refused, and subjects keep their order."""
    decode = msgspec.json.Decoder(Decided).decode
    decided = [decode(record.value or b"") for record in records_of(settings, settings.topics.decisions)]
    feedback = [one for one in records_of(settings, settings.topics.feedback) if not is_control(one.value)]
    learnt = [read_feedback(record).event for record in feedback]
    for found, count in (
        ([(one.subject, one.event) for one in decided], storm.events),
        ([(event.subject, event.id) for event in learnt], storm.labels),
    ):
        times = Counter(identity for _, identity in found)
        assert {identity: n for identity, n in times.items() if n > 1} == {}
        assert set(times) == {f"e{number}" for number in range(count)}
        by_subject: defaultdict[str, list[int]] = defaultdict(list)
        for subject, identity in found:
            by_subject[subject].append(int(identity[1:]))
        for numbers in by_subject.values():
            assert numbers == sorted(numbers)
    assert list(records_of(settings, settings.topics.dead_letters)) == []
    check_one_chain(settings)


def check_one_chain(settings: Settings) -> None:
    """The decisions on each partition of the events hold one another in one line, whoever made them."""
    links: defaultdict[int, list[Link]] = defaultdict(list)
    for record in records_of(settings, settings.topics.decisions):
        link = link_of(record.value or b"")
        assert link is not None
        assert is_whole(record.value or b"")
        links[link.partition].append(link)
    for chain in links.values():
        chain.sort(key=lambda link: link.offset)
        assert [link.before for link in chain] == ["", *(link.sha256 for link in chain[:-1])]
