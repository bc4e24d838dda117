from __future__ import annotations

from collections.abc import Iterator

from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.transport.faust.delivery import Delivery

P, Q = Partition("t", 0), Partition("t", 1)


def record(offset: int, partition: Partition = P) -> Record:
    return Record(partition.topic, partition.index, offset, 0, None, b"%d" % offset)


class Topic:
    """A topic that holds some offsets of each partition."""

    def __init__(self, offsets: set[int]) -> None:
        self.offsets = offsets
        self.end: int | None = max(offsets) + 1

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        return (record(offset, partition) for offset in sorted(self.offsets) if start <= offset < stop)

    def end_of(self, partition: Partition) -> int | None:
        return self.end


def delivery(topic: Topic) -> Delivery:
    return Delivery(topic.read, topic.end_of)


def offsets(records: list[Record]) -> list[int]:
    return [r.offset for r in records]


def test_what_faust_delivers_again_is_not_decided_again() -> None:
    d = delivery(Topic(set(range(10))))
    d.begin({P: 2})
    d.add([record(offset) for offset in (0, 1, 2, 3, 4, 2, 3, 4, 5)])
    assert offsets(d.next(100)) == [2, 3, 4, 5]
    assert d.following == {P: 6}


def test_what_faust_leaves_out_is_not_lost_and_keeps_its_place() -> None:
    d = delivery(Topic(set(range(20))))
    d.begin({P: 0, Q: 0})
    d.add([record(0), record(5), record(0, Q), record(6)])
    got = d.next(3)
    assert len(got) == 3
    got += d.next(100)
    assert offsets([r for r in got if r.partition == 0]) == [0, 1, 2, 3, 4, 5, 6]
    assert offsets([r for r in got if r.partition == 1]) == [0]
    assert d.held == 0


def test_a_marker_between_two_records_is_no_gap() -> None:
    d = delivery(Topic({0, 1, 3}))
    d.begin({P: 0})
    d.add([record(0), record(1), record(3)])
    assert offsets(d.next(100)) == [0, 1, 3]


def test_records_of_a_partition_that_was_given_up_are_not_delivered() -> None:
    d = delivery(Topic(set(range(10))))
    d.begin({P: 0, Q: 0})
    d.add([record(0), record(4)])
    assert offsets(d.next(2)) == [0, 1]
    d.begin({Q: 0})
    d.add([record(1), record(0, Q)])
    assert [(r.partition, r.offset) for r in d.next(100)] == [(1, 0)]


def test_a_partition_that_was_made_anew_is_read_on_rather_than_dropped_for_ever() -> None:
    topic = Topic(set(range(10)))
    d = delivery(topic)
    d.begin({P: 9})
    d.add([record(9)])
    assert offsets(d.next(100)) == [9]
    topic.end = 3
    d.add([record(0), record(1)])
    assert offsets(d.next(100)) == [0, 1]


def test_what_the_client_cannot_read_is_read_once_from_the_topic() -> None:
    d = delivery(Topic(set(range(10))))
    d.begin({P: 0})
    d.add([record(0), record(1)])
    assert offsets(d.next(1)) == [0]
    d.read_to(P, 4)
    d.add([record(2), record(4)])
    assert offsets([*d.next(2), *d.next(100)]) == [1, 2, 3, 4]
