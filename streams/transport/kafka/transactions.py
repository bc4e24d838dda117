"""The transactional producer of one worker, the id by which the broker knows it, and what it proves of its group.

Two things keep a worker out that was replaced without knowing it:

- The *generation* of the consumer group. Every transaction sends an offset of the group with the metadata of the last
  generation in which this client was the member that got its partitions, and the broker refuses those of an older one.
  So correctness does not depend on the transactional id (KIP-447).
- The *transactional id* stays with a worker's place (`kafka.instance`, else the state directory), so that a worker that
  starts again ends at once what it left open when it was killed. Otherwise readers of committed records would wait
  until `kafka.transaction_timeout_ms` is over. Where the broker says that another producer has the id, the worker takes
  a new one: two copies of one directory would end each other's transactions for ever.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    BatchFailedError,
    PartitionLostError,
    TransactionFailedError,
    TransportError,
)
from tocsin.streams.transport.calls import Calls
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.options import transactional_options

_log = logging.getLogger(__name__)

_CALL_SECONDS = 5.0
"""How long one call waits for its answer. A call that got none is repeated."""
_MORE_SECONDS = 5.0
"""How long an answer is waited for once the time of the transaction is over."""
_LOOK_SECONDS = 0.2
_ABORT_SECONDS = 2.0


class TransactionalId:
    """The transactional id of one worker."""

    def __init__(self, group: str, instance: str | None = None, file: Path | None = None) -> None:
        """The id is made of the group and, where there is one, the worker's static `instance`.

        Else it has a random part, which is kept in `file` for the next process. Raises TransportError where the file
        cannot be read or written.
        """
        self.group = group
        self._file = None if instance else file
        kept = self._read()
        self.value = f"{group}-{instance}" if instance else kept or self._random()
        if kept is None:
            self._write()

    def renew(self) -> None:
        """Take another id, because another producer has this one."""
        self.value = self._random()
        self._write()

    def _random(self) -> str:
        return f"{self.group}-{uuid.uuid4().hex}"

    def _read(self) -> str | None:
        try:
            kept = "" if self._file is None else self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise TransportError(f"state.directory: {self._file} cannot be read: {error}; remove it") from error
        return kept if kept.startswith(f"{self.group}-") else None

    def _write(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(self.value, encoding="utf-8")
        except OSError as error:
            raise TransportError(f"state.directory: {self._file} cannot be written: {error}") from error


class Transactional(NamedTuple):
    """That a transport writes in transactions, and how."""

    identity: TransactionalId
    topics: Sequence[str]
    """All topics that are written to."""


class Transactions:
    """One transactional producer. Belongs to one thread, which has one transaction after the other.

    After a failure it is of no use any more: the same id is initialised anew, which ends whatever was left open.
    """

    def __init__(self, connection: Connection, how: Transactional) -> None:
        """Make the producer, and end what an earlier one with its id left open. Raises TransportError."""
        self._connection = connection
        self._identity = how.identity
        self._began: float | None = None
        """When the transaction that is open began."""
        self._failed = False
        """Whether not even an abort can be tried."""
        self._calls = Calls("transactions")
        options = transactional_options(connection.settings, how.identity.value, connection.batch_bytes(how.topics))
        self._producer = connection.transactional_producer(options)
        self.send = self._producer.produce
        """Hands a record over; between `begin` and `commit`."""
        try:
            self._initialise()
        except BaseException:
            self._calls.end()
            raise

    def _initialise(self) -> None:
        connection, identity = self._connection, self._identity
        doing = f"transactional id {identity.value!r} was not initialised"
        try:
            connection.retry(doing, partial(self._producer.init_transactions, _CALL_SECONDS))
        except TransportError as failed:
            cause = failed.__cause__
            refused = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            if isinstance(cause, KafkaException) and cause.args[0].code() == refused:
                raise TransportError(
                    f"the user lacks Write on transactional ids that begin with '{identity.group}-'; without it the "
                    "worker can run with kafka.guarantee: at-least-once "
                    f"{faults.where(connection.settings.bootstrap, 'kafka.security')}"
                ) from failed
            raise

    @property
    def open(self) -> bool:
        """Whether a transaction has begun."""
        return self._began is not None

    def begin(self) -> None:
        """Begin a transaction, if none is open. Raises TransportError."""
        if self._began is None:
            try:
                self._producer.begin_transaction()
            except KafkaException as error:
                raise self._failure("the transaction did not begin", error) from error
            self._began = time.monotonic()

    def commit(self, offsets: list[TopicPartition], metadata: object) -> None:
        """Commit what was sent, all of which is acknowledged, with these offsets of a group.

        `metadata` are those of the member (`Consumer.consumer_group_metadata`). Raises PartitionLostError where a
        younger generation has its partitions, TransactionFailedError, TransportError.
        """
        self.begin()
        if offsets:
            self._call(
                "the offsets were not sent to the transaction",
                lambda seconds: self._producer.send_offsets_to_transaction(offsets, metadata, seconds),
            )
        self._call("the transaction was not committed", self._producer.commit_transaction)
        self._began = None

    def abort(self) -> None:
        """Abort the transaction that is open, after a commit that was refused. Raises TransportError."""
        self._call("the transaction was not aborted", self._producer.abort_transaction)
        self._began = None

    def not_accepted(self, doing: str, error: KafkaError) -> TransportError:
        """What to raise where the producer takes a record no more: its transaction is at an end, mostly."""
        if error.code() in faults.FENCED:
            self._identity.renew()
        if error.code() in faults.NEVER or error.code() == KafkaError._INVALID_ARG:
            return self._connection.error(doing, error)
        self._failed = True
        return TransactionFailedError(f"{doing} {self._for_so_long()}: {error.str()} ({error.name()})")

    def close(self) -> None:
        """Abort what is open, if the broker answers soon. Else the next producer of this id does so, or the broker."""
        producer, to_abort = self._producer, self._began is not None and not self._failed

        def leave() -> None:
            try:
                if to_abort:
                    producer.abort_transaction(_ABORT_SECONDS)
                producer.purge()
                producer.close()
            except KafkaException as error:
                _log.debug("closing a transactional producer: %s", error.args[0].str())

        # Behind a call that does not return, nothing can be done with this producer.
        wait([self._calls(leave)], 2 * _ABORT_SECONDS)
        self._calls.end()

    def _call(self, doing: str, call: Callable[[float], object]) -> None:
        """Repeat a call until the broker has answered it.

        Which error it is does not matter, only what the client says of it. A call without an answer may have taken
        place: only the same call again can tell.
        """
        began = time.monotonic()
        while True:
            try:
                self._wait_for(doing, began, self._calls(partial(call, _CALL_SECONDS)))
                return
            except KafkaException as raised:
                error = raised.args[0]
                if error.fatal() or error.txn_requires_abort() or not error.retriable():
                    raise self._failure(doing, raised) from raised
                self._be_patient(doing, began)
                self._connection.serve(0.02)

    def _wait_for(self, doing: str, began: float, call: Future[None]) -> None:
        """Wait for a call, which may return later than it was told to, or never where the broker went away."""
        while not wait([call], _LOOK_SECONDS).done:
            self._be_patient(doing, began)
        call.result()

    def _be_patient(self, doing: str, began: float) -> None:
        """Raise TransactionFailedError where what began then is not worth waiting for any more."""
        connection = self._connection
        connection.serve()
        connection.check()
        patience = connection.settings.transaction_timeout_ms / 1000 + _MORE_SECONDS
        if time.monotonic() > began + patience or not connection.terms.wait_on(doing, began, patience):
            self._failed = True
            raise TransactionFailedError(f"{doing} {self._for_so_long()}: there is no answer")

    def _failure(self, doing: str, raised: KafkaException) -> TransportError:
        """What to raise for an error after which the transaction cannot go on."""
        error = raised.args[0]
        self._failed = error.fatal()
        if error.code() in faults.FENCED:
            self._identity.renew()
        passes = error.fatal() or error.txn_requires_abort()  # with the next transaction
        if error.code() in faults.FORBIDDEN | faults.MISSING | faults.REPLACED or not passes:
            purged = ", ".join(map(repr, sorted(self._connection.purged)))
            return self._connection.error(f"{doing} (records for {purged})" if purged else doing, error)
        kind: type[BatchFailedError] = PartitionLostError if error.code() in faults.LOST else TransactionFailedError
        return kind(f"{doing} {self._for_so_long()}: {error.str()} ({error.name()})")

    def _for_so_long(self) -> str:
        """How long the transaction has been open, where that is longer than the broker lets it be."""
        seconds = 0.0 if self._began is None else time.monotonic() - self._began
        if seconds * 1000 < self._connection.settings.transaction_timeout_ms:
            return "in time"
        return f"in {seconds:.1f} s, which is more than kafka.transaction_timeout_ms"


class Proof:
    """The metadata of one member of a group, for the thread that commits.

    Where partitions move one by one, the client takes part in a rebalance in the background and keeps what it has, so
    that the generation grows between two polls. The metadata are read anew as long as the client is the member that got
    the partitions. A client that was removed from its group is not: it knows no generation, which the broker takes for
    a producer without a group, so that it must prove the generation in which it was a member last.

    Only the thread that polls may ask the client: any other one would wait until the poll returns, and for ever where
    the poll waits for a commit.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._identity: str | None = None
        """The id that the broker gave the member when its partitions came last."""
        self._readings = 0
        self._gone = False
        """Whether the client is that member no more."""
        self._changed = threading.Condition()
        self._polling = threading.get_ident()
        """The thread that polls."""
        self.metadata: object = None
        """What goes with offsets; see `Consumer.consumer_group_metadata`."""

    def take(self) -> None:
        """Partitions came. For the thread that polls."""
        self._polling = threading.get_ident()
        with self._changed:
            self._identity, self._gone = self._consumer.memberid(), False
            self._note(self._consumer.consumer_group_metadata())

    def renew(self) -> None:
        """Read the metadata anew. For the thread that polls."""
        metadata = self._consumer.consumer_group_metadata()
        with self._changed:
            if self.is_of_member():
                self._note(metadata)
            else:
                self._gone = True
                self._changed.notify_all()

    def is_of_member(self) -> bool:
        """Whether the client is the member that got the partitions, as far as it knows. For the thread that polls."""
        return self._identity is not None and self._consumer.memberid() == self._identity

    def newer(self, seconds: float) -> bool:
        """Wait until the metadata are read anew; False where the client is the member no more, or it took too long."""
        if threading.get_ident() == self._polling:
            self.renew()
            return not self._gone
        with self._changed:
            before = self._readings
            self._changed.wait_for(lambda: self._readings > before or self._gone, seconds)
            return self._readings > before and not self._gone

    def _note(self, metadata: object) -> None:
        self.metadata = metadata
        self._readings += 1
        self._changed.notify_all()
