from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from tocsin.streams.transport.base import Partition, Transport, TransportError, Whole
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.transport.memory.partitioner import murmur2

from .behaviour import TransportBehaviour
from .stage import MURMUR2, Owner, Stage, numbers, values


class MemoryStage(Stage):
    patience = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.broker = MemoryBroker()

    def create(self, topic: str, partitions: int, limit: int | None) -> None:
        self.broker.create(topic, partitions)
        if limit is not None:
            self.broker.set_limit(topic, limit)

    def delete(self, topic: str) -> None:
        self.broker.delete(topic)

    def add_partitions(self, topic: str, count: int) -> None:
        self.broker.add_partitions(topic, count)

    def delete_before(self, partition: Partition, offset: int) -> None:
        self.broker.expire(partition, offset)

    def make(
        self,
        shared: Sequence[str],
        whole: Whole,
        group: str,
        rebalance: Owner | None,
        kept: Sequence[str] = (),
        writes: Sequence[str] | None = None,
    ) -> Transport:
        return MemoryTransport(
            self.broker,
            shared=shared,
            whole=whole,
            group=group,
            rebalance=rebalance,
            kept=kept,
            transactional=writes is not None,
        )

    def evict(self, transport: Transport, group: str) -> None:
        assert isinstance(transport, MemoryTransport)
        self.broker.evict(group, transport)


class TestMemoryTransport(TransportBehaviour):
    @pytest.fixture
    def stage(self) -> Iterator[Stage]:
        stage = MemoryStage()
        yield stage
        stage.close()


@pytest.mark.parametrize(("key", "expected"), MURMUR2.items())
def test_murmur2_is_javas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected


def test_the_injected_clock_stamps_the_records() -> None:
    broker = MemoryBroker(clock=lambda: 1234)
    broker.create("t")
    transport = MemoryTransport(broker, shared=["t"])
    transport.produce("t", None, b"x")
    assert transport.poll(1, 0)[0].timestamp == 1234


def test_expired_records_are_skipped_by_readers_and_cursors() -> None:
    broker = MemoryBroker()
    broker.create("t")
    transport = MemoryTransport(broker, shared=["t"], group="g")
    for i in range(10):
        transport.produce("t", None, b"%d" % i)
    assert len(transport.poll(2, 0)) == 2
    broker.expire(Partition("t", 0), 6)
    assert values(transport.poll(2, 0)) == numbers(6, 8)
    assert values(list(transport.read(Partition("t", 0), 0, 8))) == numbers(6, 8)
    assert transport.end_offsets("t") == {Partition("t", 0): 10}
    broker.expire(Partition("t", 0), 100)
    transport.produce("t", None, b"10")
    assert [(r.offset, r.value) for r in transport.poll(10, 0)] == [(10, b"10")]


def test_making_a_topic_twice_does_not_empty_it() -> None:
    broker = MemoryBroker()
    broker.create("t", 2)
    MemoryTransport(broker).produce("t", b"k", b"x")
    broker.create("t", 2)
    assert sum(MemoryTransport(broker).end_offsets("t").values()) == 1
    with pytest.raises(TransportError, match="2 partitions, not 3"):
        broker.create("t", 3)
    with pytest.raises(ValueError, match="at least one"):
        broker.create("u", 0)


def test_a_new_member_waits_until_the_old_one_has_given_up() -> None:
    broker = MemoryBroker()
    broker.create("t", 2)
    a, b = Owner(), Owner()
    first = MemoryTransport(broker, shared=["t"], group="g", rebalance=a)
    first.poll(1, 0)
    second = MemoryTransport(broker, shared=["t"], group="g", rebalance=b)
    second.poll(1, 0)
    assert not b.held
    first.commit({Partition("t", 1): 0})
    first.poll(1, 0)
    second.poll(1, 0)
    assert (a.held, b.held) == ({Partition("t", 0)}, {Partition("t", 1)})


def test_a_member_waiting_in_a_poll_gives_up_at_once() -> None:
    broker = MemoryBroker()
    broker.create("t", 2)
    a, b = Owner(), Owner()
    first = MemoryTransport(broker, shared=["t"], group="g", rebalance=a)
    first.poll(1, 0)
    thread = threading.Thread(target=first.poll, args=(1, 2.0))
    thread.start()
    second = MemoryTransport(broker, shared=["t"], group="g", rebalance=b)
    start = time.monotonic()
    while not b.held and time.monotonic() - start < 1.5:
        second.poll(1, 0.1)
    assert time.monotonic() - start < 1.0
    MemoryTransport(broker).produce("t", b"21", b"x")
    MemoryTransport(broker).produce("t", b"abc", b"x")
    thread.join(3)
    assert not thread.is_alive()


def test_many_threads_lose_and_double_nothing() -> None:
    broker = MemoryBroker()
    broker.create("t", 4)
    got: list[bytes | None] = []

    def write(start: int) -> None:
        transport = MemoryTransport(broker)
        for i in range(start, start + 2000):
            transport.produce("t", b"%d" % i, b"%d" % i)

    transport = MemoryTransport(broker, whole=["t"])
    writers = [threading.Thread(target=write, args=(i * 2000,)) for i in range(3)]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 10
    while len(got) < 6000 and time.monotonic() < deadline:
        got += values(transport.poll(100, 0.1))
    for writer in writers:
        writer.join()
    assert sorted(got, key=lambda v: int(v or b"")) == numbers(0, 6000)
