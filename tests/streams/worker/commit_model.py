"""A model of Apache Kafka's transactions, and of everything that may happen between two calls of a client.

One seed is one history. What the model knows of the broker:

- Records of a transaction have their place in the log at once, and are shown once it is committed.
- Readers of committed records stop before the first open transaction.
- Offsets of a group that stand in an open transaction are not told.
- A generation of the group that is over is refused, while a producer that names none is not.
- A member that keeps its partitions in a rebalance is told the new generation without noticing; one that was removed
  knows none any more.
- A younger producer of the same id, or the end of its time, ends a transaction.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Committed, Partition, TransactionFailedError, TransportError

NO_GENERATION = -1


class Crash(BaseException):
    """SIGKILL of the worker whose call it is."""


class Transaction:
    """One transaction of one producer."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.state = "open"
        self.offsets: dict[Partition, Committed] = {}


class Entry(NamedTuple):
    """A record in a log."""

    value: bytes
    transaction: Transaction | None = None


class Member(NamedTuple):
    """What a client knows of its place in the group."""

    generation: int


class ModelBroker:
    """Logs, transactions and one group."""

    def __init__(self) -> None:
        self.logs: defaultdict[Partition, list[Entry]] = defaultdict(list)
        self.open: dict[str, Transaction] = {}
        self.committed: dict[Partition, Committed] = {}
        self.generation = 0
        self.assigned: dict[int, list[Partition]] = {}
        """By worker, in this generation."""

    def stable_end(self, partition: Partition) -> int:
        log = self.logs[partition]
        return next((i for i, e in enumerate(log) if e.transaction and e.transaction.state == "open"), len(log))

    def read(self, partition: Partition, start: int, stop: int) -> list[tuple[int, bytes]]:
        """What readers of committed records see."""
        entries = self.logs[partition][start : min(stop, self.stable_end(partition))]
        shown = [e.transaction is None or e.transaction.state == "committed" for e in entries]
        return [(start + i, e.value) for i, e in enumerate(entries) if shown[i]]

    def abort(self, transaction: Transaction) -> None:
        assert transaction.state == "open"
        transaction.state = "aborted"
        del self.open[transaction.identity]

    def end_open(self, concerns: Callable[[Transaction], bool]) -> None:
        """The time of transactions is over that somebody waits for."""
        for transaction in [t for t in self.open.values() if concerns(t)]:
            self.abort(transaction)

    def commit(self, transaction: Transaction) -> None:
        if transaction.state == "open":
            transaction.state = "committed"
            del self.open[transaction.identity]
            self.committed |= transaction.offsets
        elif transaction.state == "aborted":
            raise failure(KafkaError._FENCED, fatal=True)


def failure(code: int, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "as the model says", fatal, retriable, abort))


class Chance:
    """What happens, and when."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.calm = False
        """Whether nothing bad happens any more."""

    def happens(self, likelihood: float) -> bool:
        return not self.calm and self.random.random() < likelihood


class ModelProducer:
    """A transactional producer of confluent-kafka on the model. What is produced reaches the broker with `flush`."""

    def __init__(self, broker: ModelBroker, chance: Chance, identity: str, pause: Callable[[], None]) -> None:
        self._broker = broker
        self._chance = chance
        self._identity = identity
        self._pause = pause
        self._queue: list[tuple[str, bytes]] = []
        self._transaction: Transaction | None = None
        self.failed = False

    def __len__(self) -> int:
        return len(self._queue)

    def init_transactions(self, seconds: float) -> None:
        self._broker.end_open(lambda t: t.identity == self._identity)

    def begin_transaction(self) -> None:
        self._transaction = Transaction(self._identity)

    def produce(self, topic: str, value: bytes, key: bytes | None, headers: object = None) -> None:
        if self.failed:
            raise failure(KafkaError._FATAL)
        self._queue.append((topic, value))
        if self._chance.random.random() < 0.1:
            self._send_in_background()
        self._pause()

    def flush(self, seconds: float) -> int:
        self._pause()
        self._send_in_background()
        return 0

    def _send_in_background(self) -> None:
        """Failures are reported to callbacks."""
        try:
            self._send()
        except KafkaException:
            self.failed = True
            self._queue.clear()

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], member: Member, seconds: float) -> None:
        with_answers = self._answers()
        next(with_answers)
        if member.generation not in (NO_GENERATION, self._broker.generation):
            raise failure(KafkaError.ILLEGAL_GENERATION, abort=True)
        transaction = self._registered()
        for p in offsets:
            transaction.offsets[Partition(p.topic, p.partition)] = Committed(p.offset, p.metadata or "")
        next(with_answers)

    def commit_transaction(self, seconds: float) -> None:
        with_answers = self._answers()
        next(with_answers)
        if self.failed:
            raise failure(KafkaError._FENCED, fatal=True)
        for _ in 3 * self._queue:  # what was not flushed is sent now, which takes its time
            self._pause()
        self._send()
        assert self._transaction is not None
        self._broker.commit(self._transaction)
        next(with_answers)

    def abort_transaction(self, seconds: float) -> None:
        if self._transaction is not None and self._transaction.state == "open":
            self._broker.end_open(lambda t: t is self._transaction)

    def _answers(self) -> Iterator[None]:
        """Before and after what a call does at the broker: either way its answer may be lost."""
        for _ in range(2):
            self._pause()
            if self._chance.happens(0.08):
                raise failure(KafkaError._TIMED_OUT, retriable=True)
            yield

    def _registered(self) -> Transaction:
        """The transaction as the broker knows it, from its first record or offset on."""
        transaction = self._transaction
        assert transaction is not None
        mine = self._broker.open.setdefault(self._identity, transaction)
        if mine is not transaction or transaction.state != "open":
            if transaction.state == "aborted" and mine is transaction:
                del self._broker.open[self._identity]
            raise failure(KafkaError._FENCED, fatal=True)
        return transaction

    def _send(self) -> None:
        while self._queue:
            topic, value = self._queue[0]
            partition = Partition(topic, 0)
            self._broker.logs[partition].append(Entry(value, self._registered()))
            self._queue.pop(0)


class ModelConsumer:
    """The member of the group as its client knows it, which takes part in rebalances in the background."""

    def __init__(self, identity: str | None = None, generation: int = NO_GENERATION) -> None:
        self.identity = identity
        self.generation = generation

    def memberid(self) -> str | None:
        return self.identity

    def consumer_group_metadata(self) -> Member:
        return Member(self.generation)

    def hear(self, broker: ModelBroker) -> None:
        """Time passes: a client that has no part in the present generation hears that it was removed."""
        if self.generation != broker.generation:
            self.forget()

    def forget(self) -> None:
        """The client has heard that it was removed from the group."""
        self.identity, self.generation = None, NO_GENERATION


class ModelConnection:
    """What the transport asks of its connection, on the model."""

    def __init__(self, broker: ModelBroker, chance: Chance, pause: Callable[[], None]) -> None:
        self.settings = KafkaSettings()
        self.terms = self
        self.producers: list[ModelProducer] = []
        self.closed = False
        self.purged: set[str] = set()
        self._broker = broker
        self._chance = chance
        self._pause = pause

    def wait_on(self, doing: str, began: float, seconds: float) -> bool:
        """Once in a while no answer comes at all."""
        return not self._chance.happens(0.3)

    def transactional_producer(self, options: dict[str, Any]) -> ModelProducer:
        self.producers.append(ModelProducer(self._broker, self._chance, options["transactional.id"], self._pause))
        return self.producers[-1]

    def batch_bytes(self, topics: object) -> int:
        return 1_000

    def require(self, topic: str) -> None:
        pass

    def retry(self, doing: str, call: Callable[[], object]) -> None:
        call()

    def serve(self, seconds: float = 0.0) -> None:
        pass

    def check(self) -> None:
        if any(producer.failed for producer in self.producers):
            raise TransactionFailedError("a record was not delivered")

    def close(self) -> None:
        pass

    def error(self, doing: str, error: KafkaError) -> TransportError:
        return TransportError(f"{doing}: {error.str()}")
