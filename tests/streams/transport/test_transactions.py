"""What only a real broker shows of transactions: open ones, ids, time that is over, and lost answers."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import (
    BatchFailedError,
    Partition,
    PartitionLostError,
    Record,
    RecordRefusedError,
    TransactionFailedError,
    Transport,
    TransportError,
)
from tocsin.streams.transport.guarantee import is_exactly_once
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.transport.kafka.transactions import Transactions

from ...brokers import ApacheKafka
from .stage import numbers, values
from .test_kafka import KafkaStage
from .transaction_behaviour import produce, seen

pytestmark = pytest.mark.broker


@pytest.fixture
def stage(apache: str) -> Iterator[KafkaStage]:
    stage = KafkaStage(apache)
    stage.settings = stage.settings.model_copy(update={"transaction_timeout_ms": 5_000})
    yield stage
    stage.close()


def test_a_reader_waits_for_a_transaction_that_is_open_below_the_end(stage: KafkaStage) -> None:
    """Whoever takes a partition over would not see what its owner before had all but committed."""
    topic = stage.topic()
    transport, reader = stage.open(writes=[topic]), stage.open()
    produce(transport, topic, b"1")
    transport.commit({})
    produce(transport, topic, b"2")
    end = reader.end_offsets(topic)[Partition(topic, 0)]
    assert end == 3, "the record of the open transaction has its place already"
    found: list[Record] = []
    thread = threading.Thread(target=lambda: found.extend(reader.read(Partition(topic, 0), 0, end)))
    thread.start()
    time.sleep(1)
    assert thread.is_alive()
    transport.commit({})
    thread.join(10)
    assert values(found) == [b"1", b"2"]


def test_what_a_killed_worker_left_open_its_next_process_ends_at_once(stage: KafkaStage) -> None:
    stage.settings = stage.settings.model_copy(update={"transaction_timeout_ms": 600_000})
    topic = stage.topic()
    killed = opened(stage, TransactionalId(topic, "place"), topic)
    produce(killed, topic, b"left open")
    began = time.monotonic()
    again = opened(stage, TransactionalId(topic, "place"), topic)
    assert seen(stage, topic) == []
    assert time.monotonic() - began < 20
    with pytest.raises(TransactionFailedError):
        killed.commit({})
    produce(again, topic, b"new")
    again.commit({})
    assert seen(stage, topic) == [b"new"]


def test_a_transaction_that_takes_too_long_fails_the_batch_and_names_the_setting(stage: KafkaStage) -> None:
    stage.settings = stage.settings.model_copy(update={"transaction_timeout_ms": 1_000})
    topic = stage.topic()
    transport = stage.open(writes=[topic])
    produce(transport, topic, b"1")
    time.sleep(4)
    with pytest.raises(TransactionFailedError, match=r"kafka\.transaction_timeout_ms"):
        transport.commit({})
    assert seen(stage, topic) == []


def test_a_record_that_its_topic_refuses_fails_the_batch_only(stage: KafkaStage) -> None:
    topic = stage.topic(limit=3_000)
    transport = stage.open(writes=[topic])
    transport.produce(topic, None, bytes(100))
    transport.produce(topic, None, b"".join(b"%08d" % i for i in range(100_000)))
    with pytest.raises(RecordRefusedError, match=topic):
        transport.flush()
    transport.close()
    assert seen(stage, topic) == []


# The id


def opened(stage: KafkaStage, identity: TransactionalId, topic: str) -> Transport:
    how = Transactional(identity, [topic])
    transport = KafkaTransport(stage.settings, group="g", transactional=how)
    stage.transports.append(transport)
    return transport


def test_two_workers_with_copies_of_one_directory_do_not_end_each_other_for_ever(
    stage: KafkaStage, tmp_path: Path
) -> None:
    topic = stage.topic()
    one, two = (TransactionalId(topic, file=tmp_path / name) for name in ("one", "two"))
    (tmp_path / "two").write_text(one.value)
    two = TransactionalId(topic, file=tmp_path / "two")
    assert one.value == two.value
    first = opened(stage, one, topic)
    produce(first, topic, b"1")
    second = opened(stage, two, topic)
    produce(second, topic, b"2")
    second.commit({})
    with pytest.raises(BatchFailedError):
        first.commit({})
    first.close()
    first = opened(stage, one, topic)
    for transport in (first, second):
        produce(transport, topic, b"3")
        transport.commit({})
    assert seen(stage, topic) == [b"2", b"3", b"3"]
    assert TransactionalId(topic, file=tmp_path / "one").value == one.value != two.value


def test_the_id_stays_with_the_directory_or_the_instance_of_a_worker(tmp_path: Path) -> None:
    file = tmp_path / "state" / "transactional-id"
    first = TransactionalId("g", file=file)
    assert TransactionalId("g", file=file).value == first.value
    assert TransactionalId("another", file=file).value != first.value, "the group has changed"
    file.unlink()
    assert TransactionalId("g", file=file).value != first.value
    assert TransactionalId("g", "worker-0", file).value == "g-worker-0"
    file.unlink()
    file.mkdir()
    with pytest.raises(TransportError, match=r"state\.directory"):
        TransactionalId("g", file=file)


# The flags of errors


class Answers:
    """A producer whose calls are answered as a test says: with an error, or None for success."""

    def __init__(self, **answers: list[KafkaError | None]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            self.calls.append(name)
            left = self.answers.get(name, [])
            if left and (error := left.pop(0)) is not None:
                raise KafkaException(error)

        return call


class StubConnection:
    """Just what `Transactions` asks of a connection."""

    def __init__(self, producer: Answers) -> None:
        self.producer = producer
        self.settings = KafkaSettings(transaction_timeout_ms=1_000)
        self.terms = Terms(0.2)
        self.purged: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return {
            "batch_bytes": lambda topics: 1_000,
            "transactional_producer": lambda options: self.producer,
            "retry": lambda doing, call: call(),
            "serve": lambda seconds=0.0: time.sleep(seconds),
            "check": lambda: None,
            "error": lambda doing, error: TransportError(f"{doing}: {error.str()}"),
        }[name]


def lost_answer() -> KafkaError:
    return KafkaError(KafkaError._TIMED_OUT, "no answer", False, True, False)


def transactions(producer: Answers) -> Transactions:
    connection: Any = StubConnection(producer)
    return Transactions(connection, Transactional(TransactionalId("g"), ["t"]))


@pytest.mark.parametrize("step", ["send_offsets_to_transaction", "commit_transaction"])
def test_a_lost_answer_is_asked_for_again_by_the_same_call(step: str) -> None:
    producer = Answers(**{step: [lost_answer(), lost_answer(), None]})
    transactions(producer).commit([object()], "metadata")  # type: ignore[list-item]
    assert producer.calls.count(step) == 3
    assert producer.calls[-1] == "commit_transaction"
    assert "abort_transaction" not in producer.calls


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KafkaError(KafkaError._TIMED_OUT, "x", False, False, True), TransactionFailedError),
        (KafkaError(KafkaError._FENCED, "x", True, False, False), TransactionFailedError),
        (KafkaError(KafkaError.ILLEGAL_GENERATION, "x", False, False, True), PartitionLostError),
        (KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "x", False, False, True), PartitionLostError),
        (KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "x", False, False, True), TransportError),
    ],
    ids=lambda value: value.name() if isinstance(value, KafkaError) else "",
)
def test_the_flags_of_an_error_decide_what_becomes_of_the_batch(error: KafkaError, raised: type[Exception]) -> None:
    producer = Answers(send_offsets_to_transaction=[error])
    subject = transactions(producer)
    with pytest.raises(raised) as found:
        subject.commit([object()], "metadata")  # type: ignore[list-item]
    assert type(found.value) is raised
    assert "commit_transaction" not in producer.calls


def test_a_transaction_is_never_reported_as_committed_before_the_broker_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tocsin.streams.transport.kafka.transactions._MORE_SECONDS", 0.1)
    producer = Answers(commit_transaction=[lost_answer()] * 1_000)
    with pytest.raises(TransactionFailedError, match="there is no answer"):
        transactions(producer).commit([], None)


def test_a_call_that_never_returns_fails_the_batch_and_not_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """librdkafka's own limit does not always hold where the broker went away in the middle of a call."""
    monkeypatch.setattr("tocsin.streams.transport.kafka.transactions._MORE_SECONDS", 0.1)
    monkeypatch.setattr("tocsin.streams.transport.kafka.transactions._ABORT_SECONDS", 0.1)
    producer, for_ever = Answers(), threading.Event()
    subject = transactions(producer)
    producer.commit_transaction = lambda seconds: for_ever.wait()  # type: ignore[attr-defined]
    with pytest.raises(TransactionFailedError, match="there is no answer"):
        subject.commit([], None)
    subject.close()
    for_ever.set()


@pytest.mark.acceptance
def test_a_broker_that_crashes_in_the_middle_of_a_transaction_commits_all_of_it_or_nothing(
    own_apache: ApacheKafka,
) -> None:
    stage = KafkaStage(own_apache.bootstrap)
    stage.patience, stage.broker_patience = 60.0, math.inf
    try:
        topic, out = stage.topic(), stage.topic()
        stage.fill(topic, 4)
        group = f"g-{topic}"
        for seconds in (0.0, 0.01, 0.05):
            transport = stage.open([topic], group=group, writes=[out])
            [record] = stage.drain(transport, 1, batch=1)
            produce(transport, out, record.value or b"")
            failed: list[BaseException] = []
            thread = threading.Thread(target=commit, args=(transport, topic, record.offset + 1, failed))
            thread.start()
            time.sleep(seconds)
            own_apache.kill()
            time.sleep(1)
            own_apache.restart()
            thread.join(60)
            assert all(isinstance(error, BatchFailedError) for error in failed)
            transport.close()
            found = stage.open(group=group).committed(topic)
            position = found[Partition(topic, 0)].offset if found else 0
            assert seen(stage, out) == numbers(0, position)
            assert position == record.offset + 1 or failed
    finally:
        stage.close()


def commit(transport: Transport, topic: str, offset: int, failed: list[BaseException]) -> None:
    try:
        transport.commit({Partition(topic, 0): offset})
    except BaseException as error:
        failed.append(error)


# Which guarantee


def test_a_broker_without_transactions_is_said_once_and_an_explicit_wish_is_refused(
    tansu: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="tocsin"):
        assert not is_exactly_once(KafkaSettings(bootstrap=tansu))
    assert caplog.text.count("kafka.guarantee") == 1
    assert "decided twice" in caplog.text
    caplog.clear()
    assert not is_exactly_once(KafkaSettings(bootstrap=tansu, guarantee="at-least-once"))
    assert not caplog.text
    with pytest.raises(TransportError, match=r"kafka\.guarantee.*at-least-once.*TOCSIN_KAFKA__GUARANTEE"):
        is_exactly_once(KafkaSettings(bootstrap=tansu, guarantee="exactly-once"))


def test_apache_kafka_gets_exactly_once_unless_the_config_says_otherwise(
    apache: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_exactly_once(KafkaSettings(bootstrap=apache))
    assert is_exactly_once(KafkaSettings(bootstrap=apache, guarantee="exactly-once"))
    assert not is_exactly_once(KafkaSettings(bootstrap=apache, guarantee="at-least-once"))
    assert not caplog.text
