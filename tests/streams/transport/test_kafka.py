from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.base import (
    Partition,
    PartitionLostError,
    Transport,
    TransportError,
)
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.security import admin_options, client_options

from ...brokers import ApacheKafka, NoBrokerError
from .behaviour import LogBehaviour, Owner, Stage, numbers, values

pytestmark = pytest.mark.broker


class KafkaStage(Stage):
    patience = 30.0

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self.bootstrap = bootstrap
        # Tansu lets the first member of a group wait for half the session timeout.
        self.settings = KafkaSettings(bootstrap=bootstrap, session_timeout_ms=6000, delivery_timeout_ms=10_000)
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, topic: str, partitions: int) -> None:
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)

    def make(
        self,
        shared: Sequence[str],
        whole: Mapping[Partition, int] | Sequence[str],
        group: str,
        rebalance: Owner | None,
    ) -> Transport:
        return KafkaTransport(self.settings, group=group, shared=shared, whole=whole, rebalance=rebalance)


class TestKafkaLog(LogBehaviour):
    @pytest.fixture
    def stage(self, broker: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
        if "beyond_the_end" in request.node.name and "tansu" in request.node.name:
            pytest.skip("Tansu answers a position beyond the end with silence")
        stage = KafkaStage(broker)
        yield stage
        stage.close()

    def test_a_record_that_the_broker_refuses_is_not_lost_in_silence(self, apache: str) -> None:
        stage = KafkaStage(apache)
        topic = stage.topic()
        log = stage.open()
        log.produce(topic, None, os.urandom(3 << 20))
        with pytest.raises(TransportError, match=rf"{topic}.*not delivered.*MSG_SIZE_TOO_LARGE.*{apache}"):
            log.flush()
        with pytest.raises(TransportError, match=topic):
            log.poll(1, 0)
        stage.close()

    def test_a_record_too_large_for_the_client_is_refused_and_the_log_goes_on(self, stage: Stage) -> None:
        topic = stage.topic()
        log = stage.open(whole=[topic])
        with pytest.raises(TransportError, match=f"{topic}.*not accepted"):
            log.produce(topic, None, b"x" * (9 << 20))
        log.produce(topic, None, b"small")
        log.flush()
        assert values(stage.drain(log, 1)) == [b"small"]

    def test_a_commit_before_anything_was_assigned_says_so(self, stage: Stage) -> None:
        topic = stage.topic()
        log = stage.open([topic])
        with pytest.raises(PartitionLostError, match=topic):
            log.commit({Partition(topic, 0): 1})

    def test_a_waiting_topic_does_not_slow_a_busy_one(self, stage: Stage) -> None:
        """With an idle whole topic beside it, a record is there within milliseconds of its delivery."""
        events, feedback, out = stage.topic(), stage.topic(), stage.topic()
        log = stage.open([events], {Partition(feedback, 0): 0})
        echo = stage.open(whole=[out])
        log.produce(events, None, b"first")
        log.flush()
        assert len(stage.drain(log, 1)) == 1
        waits = []
        for _ in range(20):
            log.produce(events, None, b"x")
            log.flush()
            start = time.monotonic()
            assert len(stage.drain(log, 1)) == 1
            waits.append(time.monotonic() - start)
        assert sorted(waits)[10] < 0.15
        assert not echo.poll(1, 0)


def test_an_unreachable_broker_is_an_error_that_names_address_and_setting() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(TransportError, match=rf"{address}.*kafka.bootstrap.*TOCSIN_KAFKA__BOOTSTRAP"):
        KafkaTransport(KafkaSettings(bootstrap=address), group="g", shared=["events"], patience=0.5)


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


@pytest.mark.proof
def test_a_crash_of_the_broker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    try:
        broker = ApacheKafka(tmp_path)
    except NoBrokerError as error:
        pytest.skip(str(error))
    broker.start()
    stage = KafkaStage(broker.bootstrap)
    stage.patience = 60.0
    stage.settings = stage.settings.model_copy(update={"delivery_timeout_ms": 60_000, "session_timeout_ms": 60_000})
    try:
        topic, out = stage.topic(2), stage.topic()
        log = stage.open([topic], [out])
        for i in range(1000):
            log.produce(topic, b"%d" % i, b"%d" % i)
        log.flush()
        seen = stage.drain(log, 1000, batch=100)
        broker.kill()
        for i in range(500):
            log.produce(out, None, b"%d" % i)
        assert log.poll(10, 0.5) == []
        broker.restart()
        log.flush()
        at = {Partition(topic, i): 1 + max(r.offset for r in seen if r.partition == i) for i in (0, 1)}
        log.commit(at)
        assert values(list(log.read(Partition(out, 0), 0, 500))) == numbers(0, 500)
        log.produce(topic, b"1", b"after")
        log.flush()
        later = stage.drain(log, 501)
        assert values([r for r in later if r.topic == topic]) == [b"after"]
        assert values([r for r in later if r.topic == out]) == numbers(0, 500)
    finally:
        stage.close()
        broker.stop()
