"""Shared snapshots and trimmed feedback on Apache Kafka, whose transactions hold the pointers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson
import pytest

from tocsin.config.kafka import KafkaSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.trimming import delete_before
from tocsin.streams.wire.kinds.snapshots import SnapshotPointer
from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker import service

from ...support import settings, stream

pytestmark = pytest.mark.broker
EVERY = 20


def of_kafka(bootstrap: str, directory: Path, worker: str, mark: str) -> Settings:
    state = {
        "directory": directory / worker,
        "max_bytes": 64 * 1024 * 1024,
        "snapshot_every": EVERY,
        "snapshots": str(directory / "store"),
        "snapshots_kept": 1,
    }
    names = {role: f"{role}-{mark}" for role in settings(directory).topics.by_role()}
    return settings(
        directory,
        name=f"s{mark}",
        kafka=KafkaSettings(bootstrap=bootstrap),
        topics={**names, "partitions": 1},
        state=state,
        monitor={"interval_seconds": 0.2},
    )


def run_until(config: Settings, done: Callable[[], bool], seconds: float = 90.0) -> None:
    stop, failed = threading.Event(), []

    def work() -> None:
        try:
            service.run(config, stop.is_set)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + seconds
    try:
        while not failed and not done():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        stop.set()
        thread.join(30)
    assert not failed, failed


def last(reader: KafkaTransport, topic: str) -> bytes | None:
    partition = Partition(topic, 0)
    records = list(reader.read(partition, 0, reader.end_offsets(topic)[partition]))
    return records[-1].value if records else None


def test_a_worker_without_a_state_goes_on_from_the_pointer_though_the_beginning_is_gone(
    apache: str, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex[:8]
    config = of_kafka(apache, tmp_path, "first", mark)
    topics.create(config)
    reader = KafkaTransport(config.kafka, group=config.group)
    for event, label in stream(EVERY + 5):
        reader.produce(config.topics.events, event["subject"].encode(), orjson.dumps(event))
        reader.produce(config.topics.labels, label["subject"].encode(), orjson.dumps(label))
    reader.flush()
    run_until(config, lambda: last(reader, config.topics.snapshots) is not None)
    pointer = msgspec.json.decode(last(reader, config.topics.snapshots) or b"", type=SnapshotPointer)
    [kept] = pointer.kept
    assert kept.offset % EVERY == 0
    assert pointer.topic_id is not None
    feedback = Partition(config.topics.feedback, 0)
    soon = time.time_ns() // 1_000_000 + 60_000
    assert delete_before(config.kafka, feedback, kept.offset, soon) == kept.offset

    other = of_kafka(apache, tmp_path, "second", mark)
    before = reader.end_offsets(config.topics.telemetry)[Partition(config.topics.telemetry, 0)]

    def restored() -> Telemetry | None:
        ends = reader.end_offsets(config.topics.telemetry)[Partition(config.topics.telemetry, 0)]
        if ends <= before:
            return None
        return msgspec.json.decode(last(reader, config.topics.telemetry) or b"", type=Telemetry)

    run_until(other, lambda: restored() is not None)
    found = restored()
    assert found is not None
    assert found.restored is not None
    assert (found.restored.snapshot, found.restored.offset) == ("shared", kept.offset)
    reader.close()
