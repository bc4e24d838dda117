"""Queues that are full, and readers that must not starve, on Apache Kafka."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka.options import member_options
from tocsin.streams.transport.memory.partitioner import partition_of

from .stage import Owner
from .test_kafka import KafkaStage

pytestmark = pytest.mark.broker
LARGE = os.urandom(10_000)


@pytest.fixture
def stage(apache: str) -> Iterator[KafkaStage]:
    stage = KafkaStage(apache)
    yield stage
    stage.close()


def fill(stage: KafkaStage, topic: str, key: bytes, value: bytes, count: int) -> None:
    transport = stage.open()
    for _ in range(count):
        transport.produce(topic, key, value)
    transport.flush()


def fetched_ahead(settings: KafkaSettings, topic: str) -> tuple[int, int]:
    """How many records and bytes a worker's client holds after a while in which nobody took any."""
    told: list[dict[str, Any]] = []
    options = member_options(settings, f"g-{topic}")
    options |= {"statistics.interval.ms": 500, "stats_cb": lambda text: told.append(orjson.loads(text))}
    consumer = Consumer(options)
    consumer.assign([TopicPartition(topic, 0, 0)])
    while consumer.poll(1.0) is None:
        pass
    time.sleep(3.0)
    told.clear()
    while not told:  # what was told first is of the time before the queue is read
        consumer.poll(0.1)
    [partition] = [p for name, p in told[-1]["topics"][topic]["partitions"].items() if name == "0"]
    consumer.close()
    return partition["fetchq_cnt"], partition["fetchq_size"]


@pytest.mark.parametrize("bound", ["fetch_queue_kbytes", "fetch_queue_records"])
def test_a_full_queue_fetches_no_more_until_it_is_read(stage: KafkaStage, bound: str) -> None:
    topic = stage.topic()
    fill(stage, topic, b"k", LARGE, 6_000)
    count, size = fetched_ahead(stage.settings.model_copy(update={bound: 1}), topic)
    assert 1 <= count < 1_500
    assert size < 15_000_000, "a few fetches of 1 MB that were under way, and not the 60 MB that there are"
    stage.settings = stage.settings.model_copy(update={bound: 1})
    assert len(stage.drain(stage.open([topic], rebalance=Owner()), 6_000)) == 6_000


def test_the_usual_queue_is_bounded_by_its_bytes(stage: KafkaStage) -> None:
    topic = stage.topic(limit=2_000_000)
    fill(stage, topic, b"k", os.urandom(1_000_000), 160)
    _, size = fetched_ahead(stage.settings, topic)
    assert 50_000_000 < size < 70_000_000


def test_a_partition_of_large_records_does_not_starve_another(stage: KafkaStage) -> None:
    topic = stage.topic(2)
    found = Counter[int]()
    assert partition_of(b"k", 2) != partition_of(b"abc", 2)
    fill(stage, topic, b"k", LARGE, 8_000)
    fill(stage, topic, b"abc", b"small", 300)
    transport = stage.open([topic], rebalance=Owner())
    deadline = time.monotonic() + stage.patience
    while found.total() < 8_300 and time.monotonic() < deadline:
        for record in transport.poll(200, 0.2):
            found[len(record.value or b"")] += 1
        if found[5] == 300:
            break
    assert found[5] == 300
    assert found[10_000] < 4_000


def test_events_do_not_starve_the_labels_and_feedback_that_every_worker_reads(stage: KafkaStage) -> None:
    events, labels = stage.topic(4), stage.topic()
    for key in range(8):
        fill(stage, events, b"%d" % key, b"event", 5_000)
    fill(stage, labels, b"k", b"label", 400)
    transport = stage.open([events], whole={Partition(labels, 0): 0}, rebalance=Owner())
    found = Counter[str]()
    while not transport.progress().keys() > {Partition(labels, 0)}:  # until it has partitions of the events
        found.update(record.topic for record in transport.poll(1, 0.2))
        time.sleep(0.1)
    time.sleep(1.0)  # both queues are full
    assert found[labels] < 200
    for _ in range(40):
        found.update(record.topic for record in transport.poll(100, 0.2))
    assert found[labels] == 400
    assert found[events] > 1_000
