"""The service on a real broker whose topics are small, that goes away, or whose feedback is made anew."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Record, TopicReplacedError
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.worker import service
from tocsin.streams.worker.reporting.counts import Counts

from ...brokers import ApacheKafka
from ..support import event, label, reason, settings

pytestmark = [pytest.mark.broker, pytest.mark.acceptance]


class Running:
    """A worker in a thread of its own."""

    def __init__(self, config: Settings) -> None:
        self.stop = threading.Event()
        self.counts: Counts | None = None
        self.failed: BaseException | None = None
        self._config = config
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.counts = service.run(self._config, self.stop.is_set)
        except BaseException as error:
            self.failed = error

    def join(self, seconds: float = 60.0) -> None:
        self._thread.join(seconds)
        assert not self.alive


@contextmanager
def running(config: Settings) -> Iterator[Running]:
    worker = Running(config)
    try:
        yield worker
    finally:
        worker.stop.set()
        worker.join()


def wait_for(done: Callable[[], bool], worker: Running, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it takes too long"
        assert worker.alive, worker.failed
        time.sleep(0.2)


class Topics:
    """The topics of one service, and what stands in them."""

    def __init__(self, bootstrap: str, directory: Path, **kafka: Any) -> None:
        mark = uuid.uuid4().hex[:8]
        names = {role: f"{role}-{mark}" for role in settings(directory).topics.by_role()}
        self.settings = settings(
            directory,
            name=f"s{mark}",
            kafka={"bootstrap": bootstrap, "session_timeout_ms": 6_000, **kafka},
            topics={**names, "partitions": 1},
        )
        self.names = self.settings.topics
        self.bootstrap = bootstrap

    def make(self, topic: str, **options: object) -> None:
        config = {name.replace("_", "."): str(value) for name, value in options.items()}
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(10)

    def delete(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.delete_topics([topic])[topic].result(10)

    def send(self, topic: str, *values: bytes | dict[str, Any], headers: Any = ()) -> None:
        transport = KafkaTransport(self.settings.kafka, group="feeder")
        for value in values:
            transport.produce(topic, b"s", value if isinstance(value, bytes) else orjson.dumps(value), headers)
        transport.flush()
        transport.close()

    def records(self, topic: str) -> list[Record]:
        transport = KafkaTransport(self.settings.kafka, group="reader")
        try:
            ends = transport.end_offsets(topic)
            return [record for partition, end in ends.items() for record in transport.read(partition, 0, end)]
        finally:
            transport.close()


def test_records_too_large_for_the_topics_never_end_a_worker(apache: str, tmp_path: Path) -> None:
    here = Topics(apache, tmp_path)
    here.make(here.names.events, max_message_bytes=20 << 20)
    here.make(here.names.dead_letters)  # with the broker's default: 1 MB
    here.make(here.names.decisions, max_message_bytes=3_000)
    here.make(here.names.alerts, max_message_bytes=3_000)
    blob = os.urandom(2_500_000).hex().encode()
    with running(here.settings) as worker:
        here.send(
            here.names.events,
            event("first"),
            orjson.dumps(event("large"))[:-1] + b',"blob":"' + blob + b'"}',
            orjson.dumps(event("nearly"))[:-1] + b',"blob":"' + blob[:1_048_400] + b'"}',
            *[event(f"e{i}") for i in range(500)],
            event("last"),
        )
        here.send(here.names.events, event("huge headers"), headers=[("trace", os.urandom(900_000))])
        wait_for(lambda: len(here.records(here.names.decisions)) == 503, worker)
        letters = {record.value[:20]: record for record in here.records(here.names.dead_letters) if record.value}
    assert worker.failed is None
    assert len(here.records(here.names.dead_letters)) == 2
    assert all(reason(letter) == "too-large" for letter in letters.values())
    assert all(b"__tocsin.value.sha256" in dict(letter.headers).__repr__().encode() for letter in letters.values())


def test_a_decision_topic_that_takes_next_to_nothing_makes_dead_letters_and_no_crash_loop(
    apache: str, tmp_path: Path
) -> None:
    here = Topics(apache, tmp_path)
    here.make(here.names.decisions, max_message_bytes=150)
    for again in (1, 2):
        with running(here.settings) as worker:
            here.send(here.names.events, event(f"a{again}"), event(f"b{again}"))
            wait_for(lambda: len(here.records(here.names.dead_letters)) == 2 * again, worker)  # noqa: B023
        assert worker.failed is None
    said = reason(here.records(here.names.dead_letters)[0], "message")
    assert here.names.decisions in said
    assert "max.message.bytes = 150" in said


@pytest.mark.parametrize("anew", [True, False])
def test_a_worker_never_goes_on_when_feedback_is_deleted_or_made_anew(apache: str, tmp_path: Path, anew: bool) -> None:
    here = Topics(apache, tmp_path)
    worker = Running(here.settings)
    try:
        wait_for(lambda: here.names.telemetry in _topics(here) and bool(here.records(here.names.telemetry)), worker)
        here.send(here.names.events, *[event(f"e{i}") for i in range(20)])
        here.send(here.names.labels, *[label(f"e{i}") for i in range(20)])
        wait_for(lambda: len(here.records(here.names.feedback)) == 20, worker)
        time.sleep(1)
        here.delete(here.names.feedback)
        if anew:
            time.sleep(1)
            here.make(here.names.feedback)
        worker.join(40)
    finally:
        worker.stop.set()
    assert isinstance(worker.failed, TopicReplacedError)
    assert here.names.feedback in str(worker.failed)


def test_feedback_made_anew_while_no_worker_runs_is_noticed_though_it_has_grown_past_the_old_position(
    apache: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Topics(apache, tmp_path)
    with running(here.settings) as worker:
        wait_for(lambda: here.names.telemetry in _topics(here) and bool(here.records(here.names.telemetry)), worker)
        here.send(here.names.events, *[event(f"e{i}") for i in range(20)])
        here.send(here.names.labels, *[label(f"e{i}") for i in range(20)])
        wait_for(lambda: len(here.records(here.names.feedback)) == 20, worker)
    old = [record.value or b"" for record in here.records(here.names.feedback)]
    here.delete(here.names.feedback)
    time.sleep(1)
    here.make(here.names.feedback)
    here.send(here.names.feedback, *old, *old)
    with caplog.at_level(logging.INFO, logger="tocsin"), running(here.settings) as again:
        wait_for(lambda: "ready: " in caplog.text.partition("was deleted and made anew")[2], again)
        again.stop.set()
        again.join()
    assert "was deleted and made anew since this state was written" in caplog.text
    assert again.failed is None
    assert again.counts is not None
    assert again.counts.feedback == 40


def _topics(here: Topics) -> set[str]:
    return set(AdminClient({"bootstrap.servers": here.bootstrap}).list_topics(timeout=10).topics)


def test_a_broker_that_goes_away_ends_no_worker_and_loses_nothing(
    own_apache: ApacheKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Topics(own_apache.bootstrap, tmp_path / "state", delivery_timeout_ms=2_000)
    with caplog.at_level(logging.WARNING, logger="tocsin"), running(here.settings) as worker:
        used = {*here.names.names()} - {here.names.snapshots, here.names.keys}  # no store, and nothing is sealed
        wait_for(lambda: bool(_topics(here) >= used), worker)
        here.send(here.names.events, event("before"))
        wait_for(lambda: len(here.records(here.names.decisions)) == 1, worker)
        own_apache.kill()
        caplog.clear()
        time.sleep(15)  # several times as long as a record may take to be acknowledged
        assert worker.alive
        # What the client library itself says is not shown by `tocsin run`.
        said = [record for record in caplog.records if not record.name.endswith("kafka.client")]
        assert 1 <= len(said) <= 15 / 2 + 3, "a line an interval"
        own_apache.restart()
        here.send(here.names.events, event("after"))
        wait_for(lambda: len(here.records(here.names.decisions)) == 2, worker)
    assert worker.failed is None


def test_a_worker_that_starts_before_its_broker_waits_and_can_be_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"127.0.0.1:{free_port()}"
    here = Topics(address, tmp_path, delivery_timeout_ms=2_000)
    with caplog.at_level(logging.INFO, logger="tocsin"), running(here.settings) as worker:
        time.sleep(14)
        assert worker.alive
        assert address in caplog.text
        assert "ready" not in caplog.text
        worker.stop.set()
        worker.join(20)
    assert worker.failed is None
    assert "told to stop" in caplog.text
