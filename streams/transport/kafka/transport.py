"""The transport on Kafka as its owner sees it.

One consumer is a member of the group and reads the shared topics; a second one, outside of every group, reads the
whole topics; one idempotent producer writes, which may be a transactional one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    Committed,
    Headers,
    Offsets,
    Partition,
    Progress,
    Rebalance,
    Record,
    TopicReplacedError,
    TransportError,
    Whole,
)
from tocsin.streams.transport.kafka.connection import RETRY_SECONDS, Connection
from tocsin.streams.transport.kafka.group_offsets import read_committed
from tocsin.streams.transport.kafka.kept import KeptTopics, read_topic_ids
from tocsin.streams.transport.kafka.member import GroupMember, require_owned
from tocsin.streams.transport.kafka.messages import partition_of, record_of
from tocsin.streams.transport.kafka.options import reader_options
from tocsin.streams.transport.kafka.patient import close
from tocsin.streams.transport.kafka.progress import progress_of
from tocsin.streams.transport.kafka.reading import read_end_offsets, read_first_offsets, read_range
from tocsin.streams.transport.kafka.terms import Terms
from tocsin.streams.transport.kafka.transactions import Transactional, Transactions

_log = logging.getLogger(__name__)

OTHER_ASSIGNOR = (
    "group {group!r} cannot be joined: other workers of the group divide its partitions in another way; move over as "
    "Rolling over to another assignor in docs/operations.md says"
)
_TURN_SECONDS = 0.004
"""How long one consumer is waited for before the other one is asked: the most that one may delay the other by."""


class KafkaTransport:
    """One worker's view of a Kafka cluster; implements `Transport`."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        client_id: str = "tocsin",
        shared: Sequence[str] = (),
        whole: Whole = (),
        rebalance: Rebalance | None = None,
        terms: Terms | None = None,
        transactional: Transactional | None = None,
    ) -> None:
        """Connect, join `group` for the `shared` topics at the first poll, and read the `whole` ones.

        A `transactional` one first ends what an earlier process left open.

        Raises TransportError where the broker does not answer within the patience of the terms (10 s where there are
        none), or a topic does not exist.
        """
        terms = terms or Terms()
        self._group = group
        self._consumers: list[Consumer] = []
        self._member: GroupMember | None = None
        self._unread: set[Partition] = set()
        """Partitions of whole topics whose end was not reached yet."""
        self._reader: Consumer | None = None
        """Reads the whole topics."""
        self._whole: dict[str, int] = {}
        """The whole topics, and how many partitions of each are read."""
        self._read_to: dict[Partition, int] = {}
        """The partitions of the whole topics, and to where at least each is read; see `progress_of`."""
        self._connection = Connection(settings, client_id, terms)
        self._sends: dict[str, Callable[..., None]] = {}
        """By topic, what hands a record to the producer of that topic."""
        self._kept: KeptTopics | None = None
        self._transactions: Transactions | None = None
        try:
            # Before anything is read: what is open is seen or known to be aborted then.
            if transactional is not None:
                self._transactions = Transactions(self._connection, transactional)
            self._open(shared, whole, rebalance)
        except BaseException:
            self.close()
            raise

    def _open(self, shared: Sequence[str], whole: Whole, rebalance: Rebalance | None) -> None:
        connection = self._connection
        starts = whole if isinstance(whole, Mapping) else {}
        topics = {p.topic for p in whole} if isinstance(whole, Mapping) else set(whole)
        connection.partitions(shared)
        if kept := [topic for topic in connection.terms.kept if topic in topics]:
            self._kept = KeptTopics(connection.admin, kept)
        if topics:
            partitions = connection.partitions(sorted(topics))
            self._unread = set(partitions)
            self._whole = dict(Counter(partition.topic for partition in partitions))
            self._reader = connection.consumer(reader_options(connection.settings, self._group))
            self._consumers.append(self._reader)
            self._read_to = {p: starts.get(p, OFFSET_BEGINNING) for p in partitions}
            self._reader.assign([TopicPartition(p.topic, p.index, start) for p, start in self._read_to.items()])
        if shared:
            self._member = GroupMember(connection, self._group, shared, topics, rebalance)
            self._consumers.append(self._member.consumer)

    def close(self) -> None:
        """See `Transport.close`."""
        if self._connection.closed:
            return
        self._connection.closed = True
        for consumer in self._consumers:
            if self._member is not None and consumer is self._member.consumer:
                self._member.close()
            else:
                close(consumer)
        self._sends = {}
        if self._transactions is not None:
            self._transactions.close()
        self._connection.close()

    @property
    def concurrent(self) -> bool:
        """See `Transport.concurrent`. A commit without transactions would wait for a rebalance that `poll` is in."""
        return self._transactions is not None

    # Reading

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See `Transport.poll`. A record that could not be delivered is reported here, too."""
        self._connection.check()
        if self._kept is not None:
            self._kept.check()
        self._connection.serve()
        self.attend()
        records: list[Record] = []
        # The consumer that is asked first may fill the whole batch, so they take turns at being first.
        self._consumers.reverse()
        for consumer in self._consumers:
            if len(records) < max_records:
                self._begin_call()
                records += self._records(consumer.consume(max_records - len(records), 0))
        if not records and timeout > 0:
            records = self._wait(max_records, time.monotonic() + timeout)
        self._connection.check()
        return records

    def attend(self) -> None:
        """See `Transport.attend`. The generation of the group may have grown, and only this thread may ask for it."""
        if self._member is not None and self._transactions is not None:
            self._member.proof.renew()

    def caught_up(self) -> bool:
        """See `Transport.caught_up`."""
        return not self._unread

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """See `Transport.read`. A record that comes after the end was reached is not waited for."""
        self._connection.check()
        self._connection.partitions([partition.topic])
        return read_range(self._connection, self._group, partition, start, stop) if start < stop else iter(())

    def committed(self, topic: str) -> dict[Partition, Committed]:
        """See `Transport.committed`."""
        self._connection.check()
        return read_committed(self._connection, self._group, self._connection.partitions([topic]))

    def add_new_partitions(self) -> None:
        """See `Transport.add_new_partitions`."""
        self._connection.check()
        if self._reader is None:
            return
        known = self._whole
        try:
            found = self._connection.partitions(sorted(known))
        except TransportError:
            return  # a topic that is gone is noticed where it is read, and said in other words there
        added = [partition for partition in found if partition.index >= known[partition.topic]]
        if added:
            _log.info("partitions were added: %s", ", ".join(partition.name for partition in added))
            self._reader.incremental_assign([TopicPartition(p.topic, p.index, OFFSET_BEGINNING) for p in added])
            self._unread.update(added)
            self._read_to.update(dict.fromkeys(added, OFFSET_BEGINNING))
            self._whole = dict(Counter(partition.topic for partition in found))

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """See `Transport.topic_ids`."""
        self._connection.check()
        return read_topic_ids(self._connection, topics)

    def first_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.first_offsets`."""
        self._connection.check()
        return read_first_offsets(self._connection, self._group, self._connection.partitions([topic]))

    def progress(self) -> dict[Partition, Progress]:
        """See `Transport.progress`."""
        self._connection.check()
        progress = {} if self._reader is None else progress_of(self._reader, self._read_to)
        if self._member is not None:
            progress |= progress_of(self._member.consumer, self._member.read_to)
        return progress

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.end_offsets`."""
        self._connection.check()
        return read_end_offsets(self._connection, self._group, self._connection.partitions([topic]))

    def _wait(self, limit: int, deadline: float) -> list[Record]:
        """Wait for whichever consumer has a record first; `consume` would wait until it has `limit` of them."""
        step = _TURN_SECONDS if len(self._consumers) > 1 else 0.1
        while (left := deadline - time.monotonic()) > 0:
            for consumer in self._consumers:
                self._begin_call()
                message = consumer.poll(min(step, left))
                if message is not None:
                    records = self._records([message, *consumer.consume(limit - 1, 0)])
                    if records:
                        return records
            if not self._consumers:
                time.sleep(min(0.1, left))
            self._connection.serve()
            self._connection.check()
        return []

    def _begin_call(self) -> None:
        """From here on a rebalance concerns the messages that the next call of a consumer returns."""
        if self._member is not None:
            self._member.moved = False

    def _records(self, messages: Sequence[Message]) -> list[Record]:
        """The records among the messages, without those of partitions that were given up meanwhile."""
        records = []
        for message in messages:
            if (error := message.error()) is None:
                records.append(record_of(message))
            else:
                self._on_message_error(message, error)
        if self._member is not None and self._member.moved:
            owned = self._member.owned
            return [r for r in records if Partition(r.topic, r.partition) in owned]
        return records

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        partition = partition_of(message)
        if error.code() == KafkaError._PARTITION_EOF:
            self._unread.discard(partition)
            read_to = self._read_to if partition in self._read_to or self._member is None else self._member.read_to
            if partition in read_to:
                read_to[partition] = message.offset() or 0
        elif error.code() in faults.PASSING or (error.retriable() and not error.fatal()):
            self._connection.terms.say(f"reading {partition.name}: {error.str()}")
        elif error.code() in faults.MISSING and partition.topic in self._connection.terms.kept:
            raise TopicReplacedError(partition.topic)
        elif error.code() == KafkaError.INCONSISTENT_GROUP_PROTOCOL:
            raise self._connection.error(OTHER_ASSIGNOR.format(group=self._group), error)
        else:
            raise self._connection.error(f"{partition.name} cannot be read", error)

    # Writing

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """See `Transport.produce`. Raises TransportError for a missing topic or a record that cannot be queued."""
        send = self._sends.get(topic)
        if send is None:
            send = self._sends[topic] = self._sender(topic)
        if self._transactions is not None:
            self._transactions.begin()
        began = time.monotonic()
        while True:
            try:
                if headers:
                    send(topic, value, key, headers=list(headers))
                else:
                    send(topic, value, key)
                return
            except BufferError:
                # The queue drains as the broker acknowledges, or delivery_timeout_ms turns it into failures.
                self._wait_for_room(began)
            except KafkaException as error:
                doing = f"a record for topic {topic!r} was not accepted"
                if self._transactions is not None:
                    raise self._transactions.not_accepted(doing, error.args[0]) from error
                raise self._connection.error(doing, error.args[0]) from error

    def _sender(self, topic: str) -> Callable[..., None]:
        """What hands a record to the producer of a topic. Raises TransportError where the topic does not exist."""
        self._connection.check()
        if self._transactions is None:
            return self._connection.producer_for(topic).produce
        self._connection.require(topic)
        return self._transactions.send

    def _wait_for_room(self, began: float) -> None:
        connection = self._connection
        connection.serve(0.05)
        connection.check()
        # Whatever it says: where the terms are not endless, records that wait too long fail one by one.
        connection.terms.wait_on("the queue of records to send is full", began, RETRY_SECONDS)

    def limit(self, topic: str) -> int:
        """See `Transport.limit`. Where the broker does not say it, that of the terms, else Kafka's default."""
        self._connection.check()
        self._connection.require(topic)
        return self._connection.limits(topic)

    def flush(self) -> None:
        """See `Transport.flush`. After a failed delivery every later flush and poll fails, too."""
        connection, settings = self._connection, self._connection.settings
        connection.check()
        began, seconds = time.monotonic(), settings.delivery_timeout_ms / 1000 + 5
        while left := self._unacknowledged():
            connection.check()
            if not connection.terms.wait_on(f"{left} records are not acknowledged", began, seconds):
                where = faults.where(settings.bootstrap, "kafka.delivery_timeout_ms")
                raise TransportError(f"{left} records were not acknowledged in time {where}")
        connection.check()

    def _unacknowledged(self) -> int:
        """How many records wait for the broker's word after a moment. Raises TransportError."""
        connection = self._connection
        try:
            return sum(producer.flush(0.5) for producer in connection.producers if len(producer))
        except (KafkaException, SystemError) as raised:
            # A fatal error, as that of a fenced producer, is raised from within. Where a delivery report is called
            # meanwhile, Python's own SystemError hides it.
            connection.check()
            reason = raised.__cause__ if isinstance(raised, SystemError) and raised.__cause__ else raised
            raise TransportError(f"records were not acknowledged: {reason}") from raised

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
        """See `Transport.commit`. Raises PartitionLostError for a partition that another member may own by now."""
        self._connection.check()
        if self._member is None:
            require_owned(offsets, set(), self._group)
            if self._transactions is not None and self._transactions.open:
                self.flush()
                self._transactions.commit([], None)
        elif self._transactions is None:
            self._member.commit(offsets, notes or {})
        elif offsets or self._transactions.open:
            # Once the offsets are sent, whoever has the partitions next relies on all records standing in their topics.
            self.flush()
            self._member.commit_with(self._transactions, offsets, notes or {})
