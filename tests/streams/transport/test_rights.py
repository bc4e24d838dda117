"""A right that is missing is named at the start; the documented rights are enough."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tocsin.config.kafka import KafkaSettings
from tocsin.config.settings import Settings
from tocsin.streams.monitor import Monitor
from tocsin.streams.transport import rights, topics
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.worker import service

from ...brokers import NoBrokerError
from ...secure_kafka import PASSWORD, SecureKafka
from ..support import settings

pytestmark = [pytest.mark.broker, pytest.mark.acceptance]

READ, WRITE, CREATE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE, AclOperation.DESCRIBE
TOPIC, GROUP, TRANSACTIONAL_ID = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    try:
        broker = SecureKafka(tmp_path_factory.mktemp("secure"))
        broker.start()
    except NoBrokerError as error:
        pytest.skip(str(error))
    yield broker
    broker.stop()


def of_user(secure: SecureKafka, kafka: KafkaSettings, directory: Path, **topic_settings: object) -> Settings:
    """A service with names of its own, reached as one user."""
    mark = uuid.uuid4().hex[:8]
    names = {role: f"{role}-{mark}" for role in settings(directory).topics.by_role()}
    return settings(directory, name=f"s{mark}", kafka=kafka, topics={**names, "partitions": 1, **topic_settings})


def allow_worker(secure: SecureKafka, config: Settings, user: str) -> None:
    """The rights of a worker, as docs/operations.md lists them."""
    names = config.topics
    for topic in (names.events, names.labels, names.feedback, names.decisions):
        secure.allow(user, TOPIC, topic, READ)
    for topic in (names.decisions, names.feedback, names.alerts, names.review, names.dead_letters, names.telemetry):
        secure.allow(user, TOPIC, topic, WRITE, AclOperation.DESCRIBE_CONFIGS)
    secure.allow(user, TOPIC, names.configs, WRITE)
    secure.allow(user, GROUP, config.group, READ)
    secure.allow(user, TRANSACTIONAL_ID, f"{config.group}-", WRITE, pattern=ResourcePatternType.PREFIXED)


def owned(secure: SecureKafka, config: Settings) -> Settings:
    """The same service as the owner of the broker reaches it."""
    return config.model_copy(update={"kafka": KafkaSettings(bootstrap=secure.bootstrap)})


def run_until(config: Settings, done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Run a worker in a thread until something is done; raises what the worker raises."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            service.run(config, stop.is_set)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + seconds
    while thread.is_alive() and not done() and time.monotonic() < deadline:
        time.sleep(0.2)
    reached = done()
    stop.set()
    thread.join(60)
    if failed:
        raise failed[0]
    assert reached


@pytest.fixture(params=["scram", "mutual_tls"])
def user(request: pytest.FixtureRequest, secure: SecureKafka) -> tuple[str, KafkaSettings, str]:
    """A principal, how it reaches the broker, and what messages call it."""
    if request.param == "scram":
        return "User:alice", secure.scram, "User:alice"
    return "User:CN=client", secure.mutual_tls, "the user of certificate"


def test_a_worker_with_the_documented_rights_decides(
    secure: SecureKafka, user: tuple[str, KafkaSettings, str], tmp_path: Path
) -> None:
    principal, kafka, _ = user
    config = of_user(secure, kafka, tmp_path, create=False)
    owner = owned(secure, config)
    topics.create(owner)
    allow_worker(secure, config, principal)
    feeder = KafkaTransport(owner.kafka, group="feeder")
    feeder.produce(config.topics.events, b"s", b'{"id": "e", "subject": "s", "time": 1, "features": {"a": 1, "b": 2}}')
    feeder.flush()
    run_until(config, lambda: sum(feeder.end_offsets(config.topics.decisions).values()) >= 1)
    feeder.close()


def test_a_worker_that_creates_its_topics_needs_create_and_what_it_uses(secure: SecureKafka, tmp_path: Path) -> None:
    config = of_user(secure, secure.scram, tmp_path)
    allow_worker(secure, config, "User:alice")
    with pytest.raises(TransportError, match=rf"User:alice lacks.*Create on topic '{config.topics.events}'"):
        service.run(config, lambda: True)
    unused = config.topics.snapshots  # without `state.snapshots`
    for topic in config.topics.names():
        if topic != unused:
            secure.allow("User:alice", TOPIC, topic, CREATE)
    assert service.run(config, lambda: True).events == 0
    assert topics.missing(owned(secure, config)) == []
    assert unused not in {row.topic for row in topics.describe(owned(secure, config))}


def test_every_missing_right_is_named_in_one_line_at_the_start(
    secure: SecureKafka, user: tuple[str, KafkaSettings, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    principal, kafka, called = user
    config = of_user(secure, kafka, tmp_path, create=False)
    topics.create(owned(secure, config))
    allow_worker(secure, config, principal)
    names = config.topics
    taken = [
        (TOPIC, names.events, READ, f"Read on topic '{names.events}'"),
        (TOPIC, names.feedback, WRITE, f"Write on topic '{names.feedback}'"),
        (TOPIC, names.telemetry, WRITE, f"Write on topic '{names.telemetry}'"),
        (GROUP, config.group, READ, f"Read on group '{config.group}'"),
    ]
    for kind, name, operation, said in taken:
        secure.forbid(principal, kind, name, operation)
        with pytest.raises(TransportError, match="lacks") as failed, caplog.at_level(logging.INFO):
            run_until(config, lambda: False, 30)
        message = str(failed.value)
        assert message.startswith(called)
        assert said in message
        assert "\n" not in message
        assert "ready" not in caplog.text
        assert PASSWORD not in message + caplog.text
    assert all(said in message for *_, said in taken)


def test_a_worker_without_a_right_on_transactions_says_which_and_how_to_do_without(
    secure: SecureKafka, tmp_path: Path
) -> None:
    config = of_user(secure, secure.scram, tmp_path, create=False)
    topics.create(owned(secure, config))
    allow_worker(secure, config, "User:alice")
    secure.forbid("User:alice", TRANSACTIONAL_ID, f"{config.group}-", WRITE, pattern=ResourcePatternType.PREFIXED)
    said = rf"Write on transactional ids that begin with '{config.group}-'.*kafka\.guarantee"
    with pytest.raises(TransportError, match=said) as failed:
        run_until(config, lambda: False, 30)
    assert "\n" not in str(failed.value)
    without = config.kafka.model_copy(update={"guarantee": "at-least-once"})
    assert service.run(config.model_copy(update={"kafka": without}), lambda: True).events == 0


def test_a_right_that_is_taken_away_while_a_worker_runs_ends_it_in_one_line(
    secure: SecureKafka, tmp_path: Path
) -> None:
    config = of_user(secure, secure.scram, tmp_path, create=False)
    owner = owned(secure, config)
    topics.create(owner)
    allow_worker(secure, config, "User:alice")
    feeder = KafkaTransport(owner.kafka, group="feeder")
    gone = []

    def take_away() -> bool:
        if not gone and sum(feeder.end_offsets(config.topics.telemetry).values()):
            gone.append(secure.forbid("User:alice", TOPIC, config.topics.telemetry, WRITE))
        return False

    with pytest.raises(TransportError, match=rf"{config.topics.telemetry}.*AUTHORIZATION.*kafka\.security"):
        run_until(config, take_away, 60)
    feeder.close()


def test_a_monitor_with_the_documented_rights_reads(secure: SecureKafka, tmp_path: Path) -> None:
    config = of_user(secure, secure.mutual_tls, tmp_path)
    owner = owned(secure, config)
    topics.create(owner)
    read = (config.topics.telemetry, config.topics.decisions, config.topics.dead_letters)
    with pytest.raises(TransportError, match=rf"lacks.*Read on topic '{read[0]}'.*Describe on group"), Monitor(config):
        pass
    for topic in read:
        secure.allow("User:CN=client", TOPIC, topic, READ)
    secure.allow("User:CN=client", GROUP, f"{config.group}-monitor", DESCRIBE)
    feeder = KafkaTransport(owner.kafka, group="feeder")
    feeder.produce(config.topics.decisions, b"s", b'{"event": "e", "status": "decided"}')
    feeder.flush()
    feeder.close()
    with Monitor(config) as monitor:
        deadline = time.monotonic() + 20
        while monitor.step(0.2) == 0:
            assert time.monotonic() < deadline


def test_a_monitor_that_may_not_look_at_the_workers_group_says_so_and_looks_once_it_may(
    secure: SecureKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tocsin.streams.monitor.standstill._LOOK_SECONDS", 0.2)
    config = of_user(secure, secure.mutual_tls, tmp_path)
    config = config.model_copy(
        update={"monitor": config.monitor.model_copy(update={"stalled_seconds": 1.0, "port": 0})}
    )
    owner = owned(secure, config)
    topics.create(owner)
    for topic in (config.topics.telemetry, config.topics.decisions, config.topics.dead_letters):
        secure.allow("User:CN=client", TOPIC, topic, READ)
    secure.allow("User:CN=client", GROUP, f"{config.group}-monitor", DESCRIBE)
    feeder = KafkaTransport(owner.kafka, group="feeder")
    feeder.produce(config.topics.events, b"s", b"{}")
    feeder.flush()
    feeder.close()
    with Monitor(config) as monitor:

        def until(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 30
            while not condition():
                monitor.step(0.2)
                assert time.monotonic() < deadline

        until(lambda: "the monitor cannot tell whether every partition has a worker" in caplog.text)
        for topic in (config.topics.events, config.topics.labels):
            secure.allow("User:CN=client", TOPIC, topic, DESCRIBE)
            assert not monitor.unattended
        secure.allow("User:CN=client", GROUP, config.group, DESCRIBE)
        until(lambda: len(monitor.unattended) == 1)


def test_check_names_what_is_missing(secure: SecureKafka, tmp_path: Path) -> None:
    config = of_user(secure, secure.scram, tmp_path)
    lacking = rights.missing(config.kafka, rights.of_worker(config))
    assert f"Read on topic '{config.topics.events}'" in lacking
    assert f"Read on group '{config.group}'" in lacking
