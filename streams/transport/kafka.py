"""A log on Kafka, through librdkafka (`confluent-kafka`).

One consumer is a member of the group and reads the shared topics; a second one, outside every group, reads
the whole topics; one idempotent producer writes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    Record,
    TransportError,
)
from tocsin.streams.transport.security import client_options

_log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.client")
"""What librdkafka says of itself, which is the same line a hundred times where a broker is gone."""
_T = TypeVar("_T")

_PATIENCE = 30.0
"""Seconds for which a call is repeated that failed for a passing reason."""
_SILENCE = 10.0
"""Seconds between two warnings about the same error."""
_SLICE = 0.004
"""Seconds to wait for one consumer before looking at the other: what one may delay the other by."""
_CHUNK = 1_000
"""Records a reader takes at a time."""
_MAX_RECORD = 8 << 20
"""Bytes of the largest record that is sent; the topic's own limit may be lower."""

_HURRY = {"fetch.wait.max.ms": 10}
"""For a reader that wants to know soon that it is at the end."""

# A Record without NamedTuple's own constructor, which costs more than all the calls that fill it.
_record = cast("Callable[[tuple[object, ...]], Record]", partial(tuple.__new__, Record))


class KafkaTransport:
    """One worker's view of a Kafka cluster; implements `Log`. Belongs to one thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        client_id: str = "tocsin",
        shared: Sequence[str] = (),
        whole: Mapping[Partition, int] | Sequence[str] = (),
        rebalance: Rebalance | None = None,
        patience: float = 10.0,
    ) -> None:
        """Connect, join `group` for the `shared` topics at the first poll, and read the `whole` ones.

        `whole` names topics, or maps partitions to the offset to start at; a partition left out starts at its
        beginning. Raises LogError where the broker does not answer within `patience` seconds, or a topic does
        not exist.
        """
        self._settings = settings
        self._group = group
        self._client_id = client_id
        self._rebalance = rebalance
        self._patience = patience
        self._warned: dict[int, float] = {}
        self._failure: TransportError | None = None
        self._closed = False
        self._owned: dict[Partition, int] = {}
        self._moved = False
        self._consumers: list[Consumer] = []
        self._member: Consumer | None = None
        self._unread: set[Partition] = set()
        self._producer = Producer(self._producer_options(), logger=_client_log)
        self._produce: Callable[..., None] = self._producer.produce
        self._known: set[str] = set()
        try:
            self._open(shared, whole)
        except BaseException:
            self.close()
            raise

    # Reading

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See `Log.poll`. A record that could not be delivered is reported here, too."""
        self._check()
        self._producer.poll(0)
        records: list[Record] = []
        # The one that comes first may fill the whole poll, so each comes first in its turn.
        self._consumers.reverse()
        for consumer in self._consumers:
            if len(records) < max_records:
                records += self._take(consumer, max_records - len(records))
        if not records and timeout > 0:
            records = self._wait(max_records, time.monotonic() + timeout)
        self._check()
        return records

    def caught_up(self) -> bool:
        """See `Log.caught_up`."""
        return not self._unread

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """See `Log.read`. What is read once the end was seen is not waited for."""
        self._check()
        self._partitions([partition.topic])
        return self._range(partition, start, stop) if start < stop else iter(())

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Log.ends`.

        The end is the one that comes along with fetched records: the only one that every broker tells right.
        """
        self._check()
        partitions = self._partitions([topic])
        consumer = self._reader(_HURRY | {"fetch.message.max.bytes": 1024, "queued.min.messages": 1})
        try:
            consumer.assign([TopicPartition(p.topic, p.index, 0) for p in partitions])
            return self._seen_ends(consumer, partitions)
        finally:
            consumer.close()

    # Writing

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        """See `Log.emit`. Raises LogError for a missing topic or a record that cannot even be queued."""
        if topic not in self._known:
            # Left to the producer, this would take seconds to fail, or make a topic of the wrong shape.
            self._partitions([topic])
        while True:
            try:
                if headers:
                    self._produce(topic, value, key, headers=list(headers))
                else:
                    self._produce(topic, value, key)
                return
            except BufferError:
                # The queue drains as the broker acknowledges, or delivery_timeout_ms turns it into failures.
                self._producer.poll(0.05)
                self._check()
            except KafkaException as error:
                raise self._error(f"a record for topic {topic!r} was not accepted", error.args[0]) from error

    def flush(self) -> None:
        """See `Log.flush`. After a failed delivery every later flush and poll fails, too."""
        self._check()
        deadline = time.monotonic() + self._settings.delivery_timeout_ms / 1000 + 5
        while (left := self._producer.flush(0.5)) and time.monotonic() < deadline:
            self._check()
        self._check()
        if left:
            where = faults.where(self._settings.bootstrap, "kafka.delivery_timeout_ms")
            raise TransportError(f"{left} records were not acknowledged in time {where}")

    def commit(self, offsets: Offsets) -> None:
        """See `Log.commit`. Raises PartitionLostError for a partition that another member may own by now."""
        self._check()
        lost = [p for p in offsets if p not in self._owned]
        if lost:
            raise PartitionLostError(f"{_name(lost[0])} does not belong to this member of group {self._group!r}")
        if offsets and self._member is not None:
            wanted = [TopicPartition(p.topic, p.index, offset) for p, offset in offsets.items()]
            self._insist("the offsets were not committed", partial(self._commit, self._member, wanted))

    def close(self) -> None:
        """See `Log.close`."""
        if self._closed:
            return
        self._closed = True
        for consumer in self._consumers:
            consumer.close()
        self._produce = self._refuse
        self._producer.purge()
        self._producer.close()

    # Opening

    def _open(self, shared: Sequence[str], whole: Mapping[Partition, int] | Sequence[str]) -> None:
        starts = whole if isinstance(whole, Mapping) else {}
        topics = {p.topic for p in whole} if isinstance(whole, Mapping) else set(whole)
        self._partitions(shared)
        if topics:
            partitions = self._partitions(sorted(topics))
            self._unread = set(partitions)
            consumer = self._reader({})
            self._consumers.append(consumer)
            consumer.assign([TopicPartition(p.topic, p.index, starts.get(p, OFFSET_BEGINNING)) for p in partitions])
        if shared:
            self._member = Consumer(self._member_options(), logger=_client_log)
            self._consumers.append(self._member)
            self._member.subscribe(
                list(shared), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )

    def _common_options(self) -> dict[str, Any]:
        return client_options(self._settings) | {"client.id": self._client_id, "error_cb": self._on_error}

    def _producer_options(self) -> dict[str, Any]:
        return self._common_options() | {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": _MAX_RECORD,
            "queue.buffering.max.kbytes": 262_144,
            "delivery.timeout.ms": self._settings.delivery_timeout_ms,
            # Topics are made before a worker starts: one that is missing for longer is missing.
            "topic.metadata.propagation.max.ms": 5_000,
            "on_delivery": self._on_delivery,
            # A call for each record that arrived would cost as much as sending it.
            "delivery.report.only.error": True,
        }

    def _consumer_options(self) -> dict[str, Any]:
        return self._common_options() | {
            "group.id": self._group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            # With its queue full, librdkafka would sleep a second before it fetches again.
            "fetch.queue.backoff.ms": 5,
            # Tansu does not wake a waiting fetch when a record comes.
            "fetch.wait.max.ms": self._settings.fetch_wait_ms,
        }

    def _member_options(self) -> dict[str, Any]:
        session = self._settings.session_timeout_ms
        options = self._consumer_options() | {
            "session.timeout.ms": session,
            "heartbeat.interval.ms": min(3_000, session // 3),
            # Equal partitions of two topics meet in one worker.
            "partition.assignment.strategy": "range",
        }
        return options | ({"group.instance.id": self._settings.instance} if self._settings.instance else {})

    def _reader(self, options: dict[str, Any]) -> Consumer:
        """A consumer that belongs to no group and says when it is at a partition's end."""
        return Consumer(
            self._consumer_options() | {"enable.partition.eof": True} | options,
            logger=_client_log,
        )

    def _partitions(self, topics: Sequence[str]) -> list[Partition]:
        """All partitions of the topics. Raises LogError where one is still missing after a moment."""
        deadline = time.monotonic() + 1
        while True:
            # Asking for all topics, because asking for one by name may create it.
            ask = partial(self._producer.list_topics, timeout=min(5.0, self._patience))
            known = self._insist("the broker did not answer", ask, self._patience).topics
            missing = [topic for topic in topics if topic not in known or not known[topic].partitions]
            if not missing:
                self._known.update(topics)
                return [Partition(topic, index) for topic in topics for index in sorted(known[topic].partitions)]
            if time.monotonic() > deadline:
                fix = f"create it with `tocsin topics` {faults.where(self._settings.bootstrap, 'topics')}"
                raise TransportError(f"topic {missing[0]!r} does not exist: {fix}")
            time.sleep(0.1)

    # Taking what consumers hold

    def _take(self, consumer: Consumer, limit: int) -> list[Record]:
        self._moved = False
        return self._records(consumer.consume(limit, 0))

    def _wait(self, limit: int, deadline: float) -> list[Record]:
        """Wait for whichever consumer is first; `consume` would wait until it has all the records."""
        step = _SLICE if len(self._consumers) > 1 else 0.1
        while (left := deadline - time.monotonic()) > 0:
            for consumer in self._consumers:
                self._moved = False
                message = consumer.poll(min(step, left))
                if message is not None:
                    records = self._records([message, *consumer.consume(limit - 1, 0)])
                    if records:
                        return records
            if not self._consumers:
                time.sleep(min(0.1, left))
            self._producer.poll(0)
            self._check()
        return []

    def _records(self, messages: Sequence[Message]) -> list[Record]:
        records = []
        for m in messages:
            if (error := m.error()) is None:
                records.append(_from_message(m))
            else:
                self._on_message_error(m, error)
        if self._moved:
            # Partitions came or went while these were being taken.
            return [r for r in records if Partition(r.topic, r.partition) in self._owned]
        return records

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        partition = Partition(message.topic() or "", message.partition() or 0)
        if error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard(partition)
        elif error.code() in faults.PASSING or (error.retriable() and not error.fatal()):
            _log.warning("reading %s: %s", _name(partition), error.str())
        else:
            raise self._error(f"{_name(partition)} cannot be read", error)

    # Reading apart

    def _range(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        consumer = self._reader(_HURRY)
        try:
            consumer.assign([TopicPartition(partition.topic, partition.index, start)])
            for message in self._messages(consumer, f"{_name(partition)} cannot be read"):
                if message.error() is not None:
                    return
                record = _from_message(message)
                # Below the start is where a reader lands that starts beyond the end.
                if not start <= record.offset < stop:
                    return
                yield record
                if record.offset == stop - 1:
                    return
        finally:
            consumer.close()

    def _messages(self, consumer: Consumer, doing: str) -> Iterator[Message]:
        """What a reader gets, ends of partitions included; passing errors are sat out."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            message = consumer.poll(0.1)
            self._check()
            for m in [message, *consumer.consume(_CHUNK, 0)] if message is not None else ():
                error = m.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    deadline = time.monotonic() + _PATIENCE
                    yield m
                elif error.code() not in faults.PASSING and not error.retriable():
                    raise self._error(doing, error)
        raise TransportError(f"{doing}: nothing came for {_PATIENCE:.0f} s {faults.where(self._settings.bootstrap)}")

    def _seen_ends(self, consumer: Consumer, partitions: Sequence[Partition]) -> dict[Partition, int]:
        ends: dict[Partition, int] = {}
        for message in self._messages(consumer, "the ends of the partitions are not known"):
            partition = Partition(message.topic() or "", message.partition() or 0)
            if partition not in ends:
                target = TopicPartition(partition.topic, partition.index)
                ends[partition] = consumer.get_watermark_offsets(target, cached=True)[1]
                consumer.pause([target])
            if len(ends) == len(partitions):
                break
        return {p: ends[p] for p in partitions}

    # The group

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._closed:
            consumer.unassign()
            return
        names = [Partition(p.topic, p.partition) for p in partitions]
        committed = self._committed(consumer, partitions)
        self._owned = dict.fromkeys(names, 0)
        self._moved = True
        starts = self._rebalance.assigned(committed) if self._rebalance is not None else {}
        first = {p: starts.get(p, committed[p]) for p in names}
        consumer.assign(
            [
                TopicPartition(p.topic, p.index, OFFSET_BEGINNING if offset is None else offset)
                for p, offset in first.items()
            ]
        )

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [Partition(p.topic, p.partition) for p in partitions]
        try:
            if names and self._rebalance is not None and not self._closed:
                self._rebalance.revoked(names)
        finally:
            self._owned = {}
            self._moved = True
            consumer.unassign()

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> dict[Partition, int | None]:
        if not partitions:
            return {}
        found = self._insist("the group's offsets are not known", partial(self._ask_committed, consumer, partitions))
        return {Partition(p.topic, p.partition): p.offset if p.offset >= 0 else None for p in found}

    @staticmethod
    def _ask_committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        found = consumer.committed(partitions, timeout=5)
        _raise_first(found)
        return found

    @staticmethod
    def _commit(consumer: Consumer, offsets: list[TopicPartition]) -> None:
        _raise_first(consumer.commit(offsets=offsets, asynchronous=False))

    # Failing

    def _insist(self, doing: str, call: Callable[[], _T], patience: float = _PATIENCE) -> _T:
        """Repeat a call as long as it fails for a passing reason. Raises LogError."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return call()
            except KafkaException as failed:
                error = failed.args[0]
                # _TIMED_OUT says that it is not retriable, and is.
                passing = error.code() in faults.PASSING or error.retriable()
                if error.code() in faults.LOST or not passing or time.monotonic() > deadline:
                    raise self._error(doing, error) from failed
            # Lets the producer's callbacks say why, for instance that the password is wrong.
            self._producer.poll(0.1)
            self._check()

    def _on_error(self, error: KafkaError) -> None:
        """What librdkafka says outside of any call: most of it passes, some of it never will."""
        if error.fatal() or error.code() in faults.REFUSED:
            self._failure = self._failure or self._error("the broker cannot be used", error)
        elif time.monotonic() >= self._warned.get(error.code(), 0.0) + _SILENCE:
            # Three clients try to reconnect several times a second: once says it all.
            self._warned[error.code()] = time.monotonic()
            _log.warning("%s (broker %s)", error.str(), self._settings.bootstrap)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None and not self._closed:
            self._failure = self._error(f"a record for topic {message.topic()!r} was not delivered", error)

    def _refuse(self, *_: object, **__: object) -> None:
        self._check()

    def _check(self) -> None:
        if self._closed:
            raise TransportError("this log is closed")
        if self._failure is not None:
            raise self._failure

    def _error(self, doing: str, error: KafkaError) -> TransportError:
        return faults.error(doing, error, self._settings.bootstrap)


def _from_message(m: Message) -> Record:
    """A message's record. The hot path: few calls."""
    try:
        headers = m.headers()
    except (SystemError, UnicodeDecodeError):
        # The client cannot give a header whose name is not UTF-8. The record is good without it.
        _log.warning("%s %d: offset %d has a header with an unreadable name", m.topic(), m.partition(), m.offset())
        headers = None
    return _record(
        (
            m.topic(),
            m.partition(),
            m.offset(),
            m.timestamp()[1],
            m.key(),
            m.value(),
            tuple(headers) if headers else (),
        )
    )


def _raise_first(partitions: Sequence[TopicPartition]) -> None:
    """A call for many partitions may fail for one of them."""
    for partition in partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)


def _name(partition: Partition) -> str:
    return f"{partition.topic}-{partition.index}"
