"""The beginning of a partition is deleted as far as it may go, and no record is that is young."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Partition, TransportError
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.trimming import delete_before

pytestmark = pytest.mark.broker


def filled(bootstrap: str) -> tuple[KafkaSettings, Partition, int]:
    """A topic with ten records, then, after an instant that is given back, ten more."""
    topic = f"trim-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    settings = KafkaSettings(bootstrap=bootstrap)
    between = 0
    transport = KafkaTransport(settings, group="g")
    for half in range(2):
        for i in range(10):
            transport.produce(topic, None, b"%d" % (10 * half + i))
        transport.flush()
        time.sleep(0.01)
        between = between or time.time_ns() // 1_000_000
        time.sleep(0.01)
    transport.close()
    return settings, Partition(topic, 0), between


def left(settings: KafkaSettings, partition: Partition) -> list[int]:
    transport = KafkaTransport(settings, group="g")
    offsets = [record.offset for record in transport.read(partition, 0, 20)]
    transport.close()
    return offsets


def test_records_go_below_the_offset_and_none_that_is_young(apache: str) -> None:
    settings, partition, between = filled(apache)
    late = between + 3_600_000
    assert delete_before(settings, partition, 4, between) == 4
    assert left(settings, partition) == list(range(4, 20))
    assert delete_before(settings, partition, 2, between) == 4  # what is gone stays gone, and no more goes
    assert delete_before(settings, partition, 15, between) == 10
    assert delete_before(settings, partition, 15, late) == 15
    assert left(settings, partition) == list(range(15, 20))


def test_a_topic_that_is_missing_is_an_error_that_names_it(apache: str) -> None:
    partition = Partition(f"missing-{uuid.uuid4().hex[:8]}", 0)
    with pytest.raises(TransportError, match=partition.name):
        delete_before(KafkaSettings(bootstrap=apache), partition, 1, 0)
