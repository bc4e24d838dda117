"""Topics are made safe, and what of them is too weak is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic
from typer.testing import CliRunner

from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.streams.cli.app import app
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.weaknesses import weaknesses

from ...brokers import ApacheKafka
from .test_topics import settings_for

pytestmark = pytest.mark.broker


def make(bootstrap: str, topic: str, partitions: int = 1, **options: str) -> None:
    config = {name.replace("_", "."): value for name, value in options.items()}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(10)
    # A broker lists a topic only some time after it has made it.
    deadline = time.monotonic() + 30
    while topic not in admin.list_topics(timeout=10).topics and time.monotonic() < deadline:
        time.sleep(0.05)


def config_of(bootstrap: str, topic: str) -> dict[str, str]:
    resource = ConfigResource("topic", topic)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(10).items()}


def test_nothing_is_said_of_topics_that_are_missing_or_that_tocsin_made(broker: str) -> None:
    settings = settings_for(broker)
    assert weaknesses(settings) == []
    topics.create(settings)
    assert weaknesses(settings) == []


def test_each_weakness_of_a_topic_that_was_there_before_is_one_line(apache: str) -> None:
    settings = settings_for(apache)
    names = settings.topics
    make(apache, names.feedback, partitions=2, retention_ms="604800000", cleanup_policy="compact")
    make(apache, names.labels, retention_ms="604800000", retention_bytes="1000000")
    make(apache, names.dead_letters, retention_ms="-1")
    assert [str(weakness).partition(" (")[0] for weakness in weaknesses(settings)] == [
        f"topic {names.labels}: retention.bytes is 1000000, wanted -1",
        f"topic {names.labels}: retention.ms is 604800000, wanted 2678400000 or more",
        f"topic {names.feedback}: partitions is 2, wanted 1",
        f"topic {names.feedback}: cleanup.policy is compact, wanted delete",
        f"topic {names.feedback}: retention.ms is 604800000, wanted -1",
        f"topic {names.feedback}: max.message.bytes is 1048588, wanted 4194304 or more",
        f"topic {names.dead_letters}: max.message.bytes is 1048588, wanted 4194304 or more",
    ]


def test_labels_reviews_alerts_and_dead_letters_never_expire_before_their_events(apache: str) -> None:
    settings = settings_for(apache)
    topics.create(settings)
    names = settings.topics
    retention = {name: int(config_of(apache, name)["retention.ms"]) for name in names.names()}
    for name in (names.labels, names.review, names.alerts, names.dead_letters, names.decisions):
        assert retention[name] >= retention[names.events] == 31 * 24 * 3_600_000


def test_any_option_of_a_topic_can_be_set_and_a_misspelt_one_is_refused_by_name(apache: str) -> None:
    settings = settings_for(apache)
    wanted = {"feedback": {"max.message.bytes": 8_000_000}, "telemetry": {"retention.ms": 1000, "preallocate": False}}
    chosen = TopicsSettings.model_validate(settings.topics.model_dump() | {"options": wanted})
    settings = settings.model_copy(update={"topics": chosen})
    topics.create(settings)
    assert config_of(apache, chosen.feedback)["max.message.bytes"] == "8000000"
    assert config_of(apache, chosen.feedback)["retention.ms"] == "-1"
    assert config_of(apache, chosen.telemetry)["retention.ms"] == "1000"

    other = settings_for(apache)
    wrong = TopicsSettings.model_validate(other.topics.model_dump() | {"options": {"labels": {"retention.ms": -5}}})
    with pytest.raises(TransportError, match=rf"{wrong.labels}.*retention\.ms.*topics\.options"):
        topics.create(other.model_copy(update={"topics": wrong}))


def test_check_asks_the_broker_where_it_is_told_to(apache: str, tmp_path: Path) -> None:
    settings = settings_for(apache)
    make(apache, settings.topics.feedback, retention_ms="1000")
    names = "".join(f"  {role}: {name}\n" for role, name in settings.topics.by_role().items())
    config = tmp_path / "config.yaml"
    config.write_text(f"kafka: {{bootstrap: '{apache}'}}\nschema: {{text: text}}\ntopics:\n{names}", encoding="utf-8")

    alone = CliRunner().invoke(app, ["check", str(config)])
    asked = CliRunner().invoke(app, ["check", str(config), "--broker"])

    assert alone.exit_code == asked.exit_code == 0
    assert "retention.ms is 1000" not in alone.stderr
    assert f"topic {settings.topics.feedback}: retention.ms is 1000, wanted -1" in asked.stderr
    assert f"topic {settings.topics.events}: missing" in asked.stderr


@pytest.fixture
def three(own_apache: ApacheKafka, tmp_path: Path) -> Iterator[ApacheKafka]:
    """A cluster of three brokers whose topics have three copies unless somebody asks for less."""
    homes = [tmp_path / "second", tmp_path / "third"]
    for home in homes:
        home.mkdir()
    others = [own_apache.another(home, node) for node, home in enumerate(homes, 2)]
    try:
        for other in others:
            other.start()
        yield own_apache
    finally:
        for other in others:
            other.stop()


@pytest.mark.acceptance
def test_on_a_cluster_topics_survive_the_loss_of_a_broker_and_weaker_ones_are_named(three: ApacheKafka) -> None:
    settings = settings_for(three.bootstrap, replication=3)
    weak = settings.topics.feedback
    make(three.bootstrap, weak, retention_ms="-1", max_message_bytes="4194304")
    topics.create(settings)
    rows = {row.topic: row for row in topics.describe(settings)}
    assert rows[settings.topics.decisions].replication == 3
    assert config_of(three.bootstrap, settings.topics.decisions)["min.insync.replicas"] == "2"
    assert [str(weakness) for weakness in weaknesses(settings)] == [
        f"topic {weak}: replication is 1, wanted 3 or more (records are lost with one broker)"
    ]


def test_a_broker_that_is_not_there_is_an_error_of_check_and_not_of_the_config(tmp_path: Path) -> None:
    from tocsin.streams.transport.embedded import free_port

    address = f"127.0.0.1:{free_port()}"
    settings = settings_for(address).model_copy(update={"kafka": KafkaSettings(bootstrap=address)})
    with pytest.raises(TransportError, match=address):
        weaknesses(settings)
