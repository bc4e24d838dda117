"""Faust's own client reaches a broker that knows its clients, and says so where it may not."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.base import Partition, TransportError
from tocsin.streams.transport.faust.security import credentials
from tocsin.streams.transport.faust.transport import FaustTransport
from tocsin.streams.transport.kafka import KafkaTransport

from ....brokers import NoBrokerError
from ....secure_kafka import SecureKafka

pytestmark = [pytest.mark.broker, pytest.mark.acceptance]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    try:
        broker = SecureKafka(tmp_path_factory.mktemp("secure"))
        broker.start()
    except NoBrokerError as error:
        pytest.skip(str(error))
    yield broker
    broker.stop()


@pytest.fixture
def topic(secure: SecureKafka) -> str:
    """A topic with one record."""
    name = f"t{uuid.uuid4().hex[:8]}"
    admin = secure.admin
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    owner = KafkaTransport(KafkaSettings(bootstrap=secure.bootstrap), group="owner")
    owner.produce(name, None, b"x")
    owner.flush()
    owner.close()
    return name


@pytest.fixture(params=["alice", "CN=client"])
def user(request: pytest.FixtureRequest, secure: SecureKafka) -> tuple[str, KafkaSettings]:
    return f"User:{request.param}", secure.scram if request.param == "alice" else secure.mutual_tls


def test_the_documented_rights_are_enough_for_a_member(
    secure: SecureKafka, user: tuple[str, KafkaSettings], topic: str, tmp_path: Path
) -> None:
    name, settings = user
    secure.allow(name, ResourceType.TOPIC, topic, AclOperation.READ)
    secure.allow(name, ResourceType.GROUP, f"g-{topic}", AclOperation.READ)
    transport = FaustTransport(settings, group=f"g-{topic}", directory=tmp_path, shared=[topic])
    try:
        deadline = time.monotonic() + 30
        while not (records := transport.poll(10, 0.5)):
            assert time.monotonic() < deadline
        assert [record.value for record in records] == [b"x"]
        transport.commit({Partition(topic, 0): 1})
        assert transport.committed(topic)[Partition(topic, 0)].offset == 1
    finally:
        transport.close()


def test_a_certificate_that_is_not_there_is_named_by_its_setting_and_shows_no_secret(tmp_path: Path) -> None:
    security = SecuritySettings(
        protocol="ssl",
        certificate=tmp_path / "none.pem",
        key=tmp_path / "none.key",
        key_password=SecretStr("hush"),
    )
    with pytest.raises(TransportError, match=r"kafka\.security") as raised:
        credentials(security)
    assert "hush" not in repr(raised.value)


def test_no_secret_shows_when_credentials_are_printed(secure: SecureKafka) -> None:
    shown = credentials(secure.scram.security)
    assert "alice-secret" not in repr(shown)
    assert "alice" in repr(shown)
