"""The transport that reads the shared topics through Faust, and does all else as the one on Kafka does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError
from functools import partial
from pathlib import Path

import aiokafka
from aiokafka import errors
from aiokafka.structs import OffsetAndMetadata

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    BrokerAwayError,
    Committed,
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Progress,
    Rebalance,
    Record,
    TransportError,
    Whole,
)
from tocsin.streams.transport.faust.application import AgentApp
from tocsin.streams.transport.faust.host import Host
from tocsin.streams.transport.faust.membership import Membership
from tocsin.streams.transport.kafka import KafkaTransport, Terms

_TURN_SECONDS = 0.004
"""How long the whole topics are waited for before the shared ones are asked: the most that they may delay them by."""
_COMMIT_SECONDS = 30.0
_END_OF_NOTE = "\0"
"""confluent-kafka writes a note as C does, and reads on beyond one that does not end so."""


class FaustTransport:
    """One worker's view of a Kafka cluster, whose shared topics a Faust agent reads; implements `Transport`.

    It never writes in transactions. Belongs to one thread; Faust runs in two others.
    """

    concurrent = False
    """See `Transport.concurrent`."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        directory: Path,
        client_id: str = "tocsin",
        shared: Sequence[str] = (),
        whole: Whole = (),
        rebalance: Rebalance | None = None,
        terms: Terms | None = None,
    ) -> None:
        """Connect, join `group` for the `shared` topics, and read the `whole` ones. `directory` is Faust's own folder.

        Raises TransportError as `KafkaTransport` does.
        """
        self._settings = settings
        self._group = group
        self._terms = terms or Terms()
        self._kafka = KafkaTransport(settings, group=group, client_id=client_id, whole=whole, terms=self._terms)
        self._member: Membership | None = None
        self._host: Host | None = None
        self._reads_whole = bool(whole)
        self._whole_first = False
        try:
            if shared:
                for topic in shared:
                    self._kafka.first_offsets(topic)  # which says clearly that a topic does not exist
                read_elsewhere = {p.topic for p in whole} if isinstance(whole, Mapping) else set(whole)
                member = self._member = Membership(self._kafka, rebalance, read_elsewhere, self._end_of)
                self._host = Host(partial(self._application, member, client_id, directory, list(shared)))
        except BaseException:
            self.close()
            raise

    def _application(self, member: Membership, client_id: str, directory: Path, topics: list[str]) -> AgentApp:
        app = AgentApp(self._settings, member, self._group, client_id, directory)
        app.read(topics)
        return app

    def close(self) -> None:
        """See `Transport.close`."""
        if self._member is not None:
            self._member.close()
        if self._host is not None:
            self._host.stop()
        self._host = None
        self._kafka.close()

    # Reading

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See `Transport.poll`."""
        if self._member is None or self._host is None:
            return self._kafka.poll(max_records, timeout)
        deadline = time.monotonic() + timeout
        records: list[Record] = []
        while True:
            self._host.check()
            # Whichever is asked first may fill the whole batch, so they take turns at being first.
            self._whole_first = not self._whole_first
            for whole in (self._whole_first, not self._whole_first):
                room = max_records - len(records)
                if room:
                    records += self._kafka.poll(room, 0) if whole else self._member.poll(room)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            if self._reads_whole:
                records = self._kafka.poll(max_records, min(_TURN_SECONDS, left))
            else:
                self._member.wait(min(0.1, left))

    def attend(self) -> None:
        """See `Transport.attend`. There is nothing to do."""

    def caught_up(self) -> bool:
        """See `Transport.caught_up`."""
        return self._kafka.caught_up()

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """See `Transport.read`."""
        return self._kafka.read(partition, start, stop)

    def committed(self, topic: str) -> dict[Partition, Committed]:
        """See `Transport.committed`."""
        return self._kafka.committed(topic)

    def add_new_partitions(self) -> None:
        """See `Transport.add_new_partitions`."""
        self._kafka.add_new_partitions()

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """See `Transport.topic_ids`."""
        return self._kafka.topic_ids(topics)

    def first_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.first_offsets`."""
        return self._kafka.first_offsets(topic)

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.end_offsets`."""
        return self._kafka.end_offsets(topic)

    def progress(self) -> dict[Partition, Progress]:
        """See `Transport.progress`."""
        progress = self._kafka.progress()
        for partition, following in self._member.following().items() if self._member is not None else ():
            end = self._end_of(partition)
            if end is not None and end > following and self._host is not None:
                following = self._host.read_to(partition, following)
            progress[partition] = Progress(following, end)
        return progress

    def _end_of(self, partition: Partition) -> int | None:
        """Where a partition of this member ended at the last fetch; None where none was fetched from it yet."""
        if self._host is None:
            return None
        try:
            end: int | None = self._host.client.last_stable_offset(aiokafka.TopicPartition(*partition))
        except errors.IllegalStateError:  # it is another member's by now
            return None
        return end

    # Writing

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """See `Transport.produce`."""
        self._kafka.produce(topic, key, value, headers)

    def limit(self, topic: str) -> int:
        """See `Transport.limit`."""
        return self._kafka.limit(topic)

    def flush(self) -> None:
        """See `Transport.flush`."""
        self._kafka.flush()

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
        """See `Transport.commit`. Raises PartitionLostError for a partition that another member may own by now."""
        if self._member is None or self._host is None:
            self._kafka.commit(offsets, notes)
            return
        self._host.check()
        self._member.require_owned(offsets, self._group)
        if offsets:
            written = {partition: note + _END_OF_NOTE for partition, note in (notes or {}).items() if note}
            wanted = {
                aiokafka.TopicPartition(*partition): OffsetAndMetadata(offset, written.get(partition, ""))
                for partition, offset in offsets.items()
            }
            self._commit(self._host, wanted)

    def _commit(self, host: Host, wanted: Mapping[aiokafka.TopicPartition, OffsetAndMetadata]) -> None:
        """Commit, and wait for it as long as the terms say."""
        began, committing = time.monotonic(), host.begin(host.client.commit(wanted))
        while True:
            try:
                committing.result(0.5)
                return
            except TimeoutError:
                host.check()
                if not self._terms.wait_on("the offsets are not committed", began, _COMMIT_SECONDS):
                    committing.cancel()
                    raise BrokerAwayError(f"the offsets were not committed in {_COMMIT_SECONDS:.0f} s") from None
            except (errors.CommitFailedError, errors.IllegalStateError) as error:
                # The client's own words name no partition.
                names = ", ".join(sorted(f"{p.topic}-{p.partition}" for p in wanted))
                raise PartitionLostError(f"the offsets of {names} were not committed: {error}") from error
            except errors.KafkaError as error:
                where = faults.where(self._settings.bootstrap, "kafka.security")
                raise TransportError(f"the offsets were not committed: {error!r} {where}") from error
