from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from pydantic import SecretStr

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.base import (
    MOST_RECORD_BYTES,
    Partition,
    PartitionLostError,
    RecordRefusedError,
    Transport,
    TransportError,
    Whole,
)
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.transport.security import admin_options, client_options

from ...brokers import ApacheKafka
from .behaviour import TransportBehaviour
from .stage import Owner, Stage, lags, numbers, values

pytestmark = pytest.mark.broker
SET = AlterConfigOpType.SET


TANSU_CANNOT = {
    "beyond_the_end": "Tansu answers a position beyond the end with silence",
    "partitions_added": "Tansu cannot add partitions to a topic",
    "what_retention_has_deleted": "Tansu cannot delete records",
    "anew": "librdkafka does not survive Tansu's answer to a fetch from a deleted topic",
    "transaction": "Tansu shows aborted records",
    "is_deleted": "librdkafka does not survive Tansu's answer to a fetch from a deleted topic",
}


class KafkaStage(Stage):
    patience = 30.0
    broker_patience = 10.0
    """How long the broker may be away; without an end where a test kills it, since its start takes as it likes."""

    def __init__(self, bootstrap: str, session_timeout_ms: int = 6_000) -> None:
        super().__init__()
        self.bootstrap = bootstrap
        self.settings = KafkaSettings(
            bootstrap=bootstrap, session_timeout_ms=session_timeout_ms, delivery_timeout_ms=10_000
        )
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, topic: str, partitions: int, limit: int | None) -> None:
        config = {} if limit is None else {"max.message.bytes": str(limit)}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(10)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result(10)

    def add_partitions(self, topic: str, count: int) -> None:
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result(10)

    def delete_before(self, partition: Partition, offset: int) -> None:
        gone = TopicPartition(partition.topic, partition.index, offset)
        [deleted] = self.admin.delete_records([gone]).values()
        deleted.result(10)

    def make(
        self,
        shared: Sequence[str],
        whole: Whole,
        group: str,
        rebalance: Owner | None,
        kept: Sequence[str] = (),
        writes: Sequence[str] | None = None,
    ) -> Transport:
        return KafkaTransport(
            self.settings,
            group=group,
            shared=shared,
            whole=whole,
            rebalance=rebalance,
            terms=Terms(self.broker_patience, kept=kept),
            transactional=None if writes is None else Transactional(TransactionalId(group), writes),
        )

    def evict(self, transport: Transport, group: str) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            members = admin.describe_groups([group])[group]["members"]
            admin.remove_group_members(group, [MemberToRemove(member["member_id"]) for member in members])


class TestKafkaTransport(TransportBehaviour):
    @pytest.fixture
    def stage(self, broker: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
        tansu = "tansu" in request.node.name
        for test, why in TANSU_CANNOT.items() if tansu else ():
            if test in request.node.name:
                pytest.skip(why)
        # Tansu lets the first member of a group wait for half the session timeout. Apache Kafka takes 6 s at least.
        stage = KafkaStage(broker, session_timeout_ms=2_000 if tansu else 6_000)
        stage.keeps_notes = not tansu
        yield stage
        stage.close()

    def test_a_record_that_the_broker_refuses_is_not_lost_in_silence(self, apache: str) -> None:
        stage = KafkaStage(apache)
        topic = stage.topic()
        transport = stage.open()
        transport.produce(topic, None, os.urandom(3 << 20))
        with pytest.raises(TransportError, match=rf"{topic}.*not delivered.*MSG_SIZE_TOO_LARGE.*{apache}"):
            transport.flush()
        with pytest.raises(TransportError, match=topic):
            transport.poll(1, 0)
        stage.close()

    def test_a_fatal_error_that_python_hides_is_told(self, apache: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A producer that was fenced while reports came in ended the process by a SystemError, once in many runs."""

        class Fenced:
            def __len__(self) -> int:
                return 1

            def flush(self, _: float) -> int:
                raise SystemError("a result with an exception set") from KafkaException("fenced by a newer instance")

        stage = KafkaStage(apache)
        transport = stage.open()
        monkeypatch.setattr(type(transport._connection), "producers", [Fenced()])
        with pytest.raises(TransportError, match="fenced by a newer instance"):
            transport.flush()
        monkeypatch.undo()
        stage.close()

    def test_a_limit_that_is_lowered_meanwhile_sends_the_batch_back_and_is_known_then(self, apache: str) -> None:
        stage = KafkaStage(apache)
        topic = stage.topic(limit=2_000_000)
        transport = stage.open()
        assert transport.limit(topic) == 2_000_000
        resource = ConfigResource("topic", topic)
        resource.add_incremental_config(ConfigEntry("max.message.bytes", "3000", incremental_operation=SET))
        stage.admin.incremental_alter_configs([resource])[resource].result(10)
        transport.produce(topic, None, os.urandom(100_000))
        with pytest.raises(RecordRefusedError, match=rf"{topic}.*max\.message\.bytes"):
            transport.flush()
        assert stage.open().limit(topic) == 3_000
        stage.close()

    def test_a_record_too_large_for_the_client_is_refused_and_the_transport_goes_on(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open(whole=[topic])
        with pytest.raises(TransportError, match=f"{topic}.*not accepted"):
            transport.produce(topic, None, bytes(MOST_RECORD_BYTES + 1))
        transport.produce(topic, None, b"small")
        transport.flush()
        assert values(stage.drain(transport, 1)) == [b"small"]

    def test_a_commit_before_anything_was_assigned_says_so(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open([topic])
        with pytest.raises(PartitionLostError, match=topic):
            transport.commit({Partition(topic, 0): 1})

    def test_a_waiting_topic_does_not_slow_a_busy_one(self, stage: Stage) -> None:
        """With an idle whole topic beside it, a record is there within milliseconds of its delivery."""
        events, feedback, out = stage.topic(), stage.topic(), stage.topic()
        transport = stage.open([events], {Partition(feedback, 0): 0})
        echo = stage.open(whole=[out])
        transport.produce(events, None, b"first")
        transport.flush()
        assert len(stage.drain(transport, 1)) == 1
        waits = []
        for _ in range(20):
            transport.produce(events, None, b"x")
            transport.flush()
            start = time.monotonic()
            assert len(stage.drain(transport, 1)) == 1
            waits.append(time.monotonic() - start)
        assert sorted(waits)[10] < 0.15
        assert not echo.poll(1, 0)


def test_an_unreachable_broker_is_an_error_that_names_address_and_setting() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(TransportError, match=rf"{address}.*kafka.bootstrap.*TOCSIN_KAFKA__BOOTSTRAP"):
        KafkaTransport(KafkaSettings(bootstrap=address), group="g", shared=["events"], terms=Terms(0.5))


def test_no_secret_shows_when_options_are_printed() -> None:
    security = SecuritySettings(
        protocol="sasl_ssl",
        username="alice",
        password=SecretStr("hush"),
        key=Path("k.pem"),
        key_password=SecretStr("hush"),
    )
    for options in (client_options(KafkaSettings(security=security)), admin_options(KafkaSettings(security=security))):
        assert "hush" not in repr(options)
        assert "hush" in options.values()


@pytest.mark.acceptance
def test_a_crash_of_the_broker_loses_and_doubles_nothing(own_apache: ApacheKafka) -> None:
    stage = KafkaStage(own_apache.bootstrap)
    stage.patience = 60.0
    stage.settings = stage.settings.model_copy(update={"delivery_timeout_ms": 60_000, "session_timeout_ms": 60_000})
    try:
        topic, out = stage.topic(2), stage.topic()
        transport = stage.open([topic], [out])
        for i in range(1000):
            transport.produce(topic, b"%d" % i, b"%d" % i)
        transport.flush()
        seen = stage.drain(transport, 1000, batch=100)
        own_apache.kill()
        for i in range(500):
            transport.produce(out, None, b"%d" % i)
        assert transport.poll(10, 0.5) == []
        own_apache.restart()
        transport.flush()
        next_offsets = {Partition(topic, i): 1 + max(r.offset for r in seen if r.partition == i) for i in (0, 1)}
        transport.commit(next_offsets)
        assert values(list(transport.read(Partition(out, 0), 0, 500))) == numbers(0, 500)
        transport.produce(topic, b"1", b"after")
        transport.flush()
        later = stage.drain(transport, 501)
        assert values([r for r in later if r.topic == topic]) == [b"after"]
        assert values([r for r in later if r.topic == out]) == numbers(0, 500)
    finally:
        stage.close()


@pytest.mark.parametrize("read", ["shared", "whole"])
def test_the_markers_of_transactions_are_no_lag(apache: str, read: str) -> None:
    stage = KafkaStage(apache)
    topic = stage.topic()
    producer = Producer({"bootstrap.servers": apache, "transactional.id": f"id-{topic}"})
    producer.init_transactions(30)
    for _ in range(2):
        producer.begin_transaction()
        producer.produce(topic, b"x")
        producer.commit_transaction(30)
    transport = stage.open([topic], rebalance=Owner()) if read == "shared" else stage.open(whole=[topic])
    try:
        assert len(stage.drain(transport, 2)) == 2
        deadline = time.monotonic() + stage.patience
        while time.monotonic() < deadline and lags(transport) != {Partition(topic, 0): 0}:
            assert transport.poll(10, 0.2) == []
        assert transport.end_offsets(topic) == {Partition(topic, 0): 4}
        assert lags(transport) == {Partition(topic, 0): 0}
    finally:
        stage.close()
        producer.close()
