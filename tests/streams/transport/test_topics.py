from __future__ import annotations

import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from tocsin.config.erasure import ErasureSettings
from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.transport.kafka import KafkaTransport

pytestmark = pytest.mark.broker


def settings_for(bootstrap: str, **more: int) -> Settings:
    mark = uuid.uuid4().hex[:8]
    names = {
        name: f"{name}-{mark}"
        for name in TopicsSettings.model_fields
        if isinstance(getattr(TopicsSettings(), name), str)
    }
    return Settings(
        kafka=KafkaSettings(bootstrap=bootstrap),
        topics=TopicsSettings(**names, **more),
        schema_=SchemaSettings(text="text"),
    )


def make(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)


def test_creating_twice_leaves_what_exists(broker: str) -> None:
    settings = settings_for(broker, partitions=3)
    names = list(settings.topics.names())
    state = settings.state.model_copy(update={"snapshots": "store"})
    erasure = ErasureSettings(enabled=True)
    assert topics.missing(settings.model_copy(update={"state": state, "erasure": erasure})) == names
    unused = {settings.topics.snapshots, settings.topics.keys}
    assert topics.missing(settings) == [name for name in names if name not in unused], "no store and nothing sealed"
    assert topics.create(settings) == [(name, "created") for name in names]
    assert topics.create(settings) == [(name, "exists") for name in names]
    assert topics.missing(settings) == []


def test_only_the_missing_topics_are_made(broker: str) -> None:
    settings = settings_for(broker)
    make(broker, settings.topics.labels)
    outcomes = dict(topics.create(settings))
    assert outcomes.pop(settings.topics.labels) == "exists"
    assert set(outcomes.values()) == {"created"}


def test_feedback_never_has_two_orders(broker: str) -> None:
    settings = settings_for(broker)
    topics.create(settings)
    rows = {row.topic: row for row in topics.describe(settings)}
    assert rows[settings.topics.feedback].partitions == 1
    assert rows[settings.topics.events].partitions == 4

    other = settings_for(broker)
    feedback = other.topics.feedback
    make(broker, feedback)
    with pytest.raises(TransportError, match=rf"{feedback}.*2 partitions.*exactly one"):
        topics.create(other)


def test_describe_counts_what_is_there(broker: str) -> None:
    settings = settings_for(broker, partitions=2)
    assert topics.describe(settings) == []
    topics.create(settings)
    transport = KafkaTransport(settings.kafka, group="g")
    for i in range(7):
        transport.produce(settings.topics.events, b"%d" % i, b"x")
    transport.flush()
    transport.close()
    rows = topics.describe(settings)
    assert [row.topic for row in rows] == list(settings.topics.names())
    assert rows[0] == (settings.topics.events, 2, 1, 7)
    assert rows[1].messages == 0


def test_feedback_never_expires_and_dead_letters_take_large_records(apache: str) -> None:
    settings = settings_for(apache)
    topics.create(settings)
    admin = AdminClient({"bootstrap.servers": apache})

    def config(name: str) -> dict[str, str]:
        resource = ConfigResource("topic", name)
        found = admin.describe_configs([resource])[resource].result(10)
        return {key: entry.value for key, entry in found.items()}

    assert config(settings.topics.feedback)["retention.ms"] == "-1"
    assert config(settings.topics.feedback)["retention.bytes"] == "-1"
    assert int(config(settings.topics.dead_letters)["max.message.bytes"]) >= 2 << 20
    assert int(config(settings.topics.events)["retention.ms"]) >= settings.bounds.pending_ttl_hours * 3_600_000


def test_more_replicas_than_brokers_names_the_setting(apache: str) -> None:
    with pytest.raises(TransportError, match=r"topics\.replication"):
        topics.create(settings_for(apache, replication=3))


def test_an_unreachable_broker_names_address_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_ANSWER_SECONDS", 0.5)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(TransportError, match=rf"{address}.*kafka.bootstrap, TOCSIN_KAFKA__BOOTSTRAP"):
        topics.missing(settings_for(address))
