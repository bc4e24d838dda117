"""What every log does, whoever stands behind it: one suite, inherited by the test of each implementation."""

from __future__ import annotations

import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import pytest

from tocsin.streams.transport.base import (
    Offsets,
    Partition,
    PartitionLostError,
    Record,
    Transport,
    TransportError,
)

# The test vectors of Java's own client: keys and their murmur2, unsigned.
MURMUR2 = {
    b"21": 0xFFFFFFFF & -973932308,
    b"foobar": 0xFFFFFFFF & -790332482,
    b"a-little-bit-long-string": 0xFFFFFFFF & -985981536,
    b"a-little-bit-longer-string": 0xFFFFFFFF & -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 0xFFFFFFFF & -58897971,
    b"abc": 479470107,
}


class Owner:
    """A `Rebalance` that remembers what it was told, and starts where it was asked to."""

    def __init__(self, starts: Offsets | None = None) -> None:
        self.starts = starts or {}
        self.held: set[Partition] = set()
        self.committed: list[Mapping[Partition, int | None]] = []
        self.given_up: list[Partition] = []
        self.at_revoke: Callable[[Sequence[Partition]], None] = lambda partitions: None

    def assigned(self, committed: Mapping[Partition, int | None]) -> Offsets:
        self.committed.append(dict(committed))
        self.held |= set(committed)
        return {p: offset for p, offset in self.starts.items() if p in committed}

    def revoked(self, partitions: Sequence[Partition]) -> None:
        self.at_revoke(partitions)
        self.given_up += partitions
        self.held -= set(partitions)


class Stage(ABC):
    """What a test needs of one implementation: topics, logs, and an end to all of them."""

    patience = 10.0
    """Seconds after which a record that should come is given up."""

    def __init__(self) -> None:
        self.logs: list[Transport] = []

    @abstractmethod
    def create(self, topic: str, partitions: int) -> None: ...

    @abstractmethod
    def make(
        self,
        shared: Sequence[str],
        whole: Mapping[Partition, int] | Sequence[str],
        group: str,
        rebalance: Owner | None,
    ) -> Transport: ...

    def topic(self, partitions: int = 1) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        self.create(name, partitions)
        return name

    def open(
        self,
        shared: Sequence[str] = (),
        whole: Mapping[Partition, int] | Sequence[str] = (),
        group: str | None = None,
        rebalance: Owner | None = None,
    ) -> Transport:
        log = self.make(shared, whole, group or f"g-{uuid.uuid4().hex[:12]}", rebalance)
        self.logs.append(log)
        return log

    def close(self) -> None:
        for log in self.logs:
            log.close()

    def fill(self, topic: str, count: int, key: bytes | None = None, start: int = 0) -> None:
        log = self.open()
        for i in range(start, start + count):
            log.produce(topic, key, b"%d" % i)
        log.flush()

    def drain(self, log: Transport, count: int, batch: int = 1000) -> list[Record]:
        """Poll until so many records came; fewer only when patience is at its end."""
        records: list[Record] = []
        deadline = time.monotonic() + self.patience
        while len(records) < count and time.monotonic() < deadline:
            records += log.poll(batch, 0.2)
        return records

    def settle(self, logs: Sequence[Transport], *owners: Owner, total: int) -> None:
        """Poll all members until every one of `total` partitions is held by exactly one and all hold some."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            for log in logs:
                assert not log.poll(100, 0.1)
            if all(o.held for o in owners) and sum(len(o.held) for o in owners) == total:
                return
        raise AssertionError(f"the group did not settle: {[sorted(o.held) for o in owners]}")


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [r.value for r in records]


def numbers(start: int, stop: int) -> list[bytes]:
    return [b"%d" % i for i in range(start, stop)]


class LogBehaviour:
    """Inherit it and give it a `stage`."""

    @pytest.fixture
    def stage(self) -> Stage:
        raise NotImplementedError

    # Records

    def test_a_record_comes_back_as_it_was_emitted(self, stage: Stage) -> None:
        topic = stage.topic()
        log = stage.open([topic])
        before = time.time() * 1000
        log.produce(topic, b"key", b"value", [("traceparent", b"00-1"), ("x", b"")])
        log.produce(topic, None, b"")
        log.flush()
        first, second = stage.drain(log, 2)
        assert first[:3] == (topic, 0, 0)
        assert first[4:] == (b"key", b"value", (("traceparent", b"00-1"), ("x", b"")))
        assert before - 1000 <= first.timestamp <= time.time() * 1000 + 1000
        assert (second.offset, second.key, second.value, second.headers) == (1, None, b"", ())

    def test_order_in_a_partition_survives_small_polls(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 500)
        log = stage.open([topic])
        records: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while len(records) < 500 and time.monotonic() < deadline:
            batch = log.poll(7, 0.2)
            assert len(batch) <= 7
            records += batch
        assert values(records) == numbers(0, 500)
        assert [r.offset for r in records] == list(range(500))

    @pytest.mark.parametrize("key", MURMUR2)
    def test_a_key_never_lands_where_javas_client_would_not_put_it(self, stage: Stage, key: bytes) -> None:
        partitions = 7
        topic = stage.topic(partitions)
        log = stage.open(whole=[topic])
        log.produce(topic, key, b"x")
        log.flush()
        (record,) = stage.drain(log, 1)
        assert record.partition == (MURMUR2[key] & 0x7FFFFFFF) % partitions

    def test_keyless_records_do_not_pile_up_in_one_partition(self, stage: Stage) -> None:
        topic = stage.topic(2)
        log = stage.open(whole=[topic])
        for _ in range(30):
            log.produce(topic, None, b"x")
            log.flush()
            time.sleep(0.012)  # librdkafka stays with one partition for 10 ms
        assert {r.partition for r in stage.drain(log, 30)} == {0, 1}

    # Positions of shared topics

    def test_committed_work_is_not_done_again(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 10)
        log = stage.open([topic], group=(group := f"g-{topic}"))
        assert len(stage.drain(log, 10)) == 10
        log.commit({Partition(topic, 0): 6})
        log.close()
        assert values(stage.drain(stage.open([topic], group=group), 4)) == numbers(6, 10)

    def test_uncommitted_work_is_done_again(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        log = stage.open([topic], group=(group := f"g-{topic}"))
        assert len(stage.drain(log, 5)) == 5
        log.close()
        assert values(stage.drain(stage.open([topic], group=group), 5)) == numbers(0, 5)

    def test_the_owners_position_wins_over_the_committed_one(self, stage: Stage) -> None:
        topic = stage.topic(2)
        partition, other = Partition(topic, 0), Partition(topic, 1)
        feeder = stage.open()
        for i in range(100):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        owner = Owner()
        log = stage.open([topic], group=(group := f"g-{topic}"), rebalance=owner)
        assert len(stage.drain(log, 100)) == 100
        assert owner.committed == [{partition: None, other: None}]
        log.commit({partition: 20, other: 10})
        log.close()

        owner = Owner({partition: 5})
        again = stage.drain(stage.open([topic], group=group, rebalance=owner), 85)
        assert owner.committed == [{partition: 20, other: 10}]
        assert min(r.offset for r in again if r.partition == 0) == 5
        assert min(r.offset for r in again if r.partition == 1) == 10

    def test_a_position_beyond_the_end_starts_over_rather_than_reads_nothing_for_ever(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 3)
        log = stage.open([topic], rebalance=Owner({Partition(topic, 0): 1000}))
        assert values(stage.drain(log, 3)) == numbers(0, 3)

    # Whole topics

    def test_every_member_reads_the_whole_of_a_whole_topic(self, stage: Stage) -> None:
        events, feedback = stage.topic(2), stage.topic(2)
        feeder = stage.open()
        for i in range(20):
            feeder.produce(feedback, b"%d" % i, b"%d" % i)
        feeder.flush()
        group = f"g-{events}"
        for _ in range(2):
            log = stage.open([events], [feedback], group)
            assert sorted(r.value or b"" for r in stage.drain(log, 20)) == sorted(numbers(0, 20))

    def test_a_whole_topic_starts_where_its_owner_says(self, stage: Stage) -> None:
        feedback = stage.topic()
        stage.fill(feedback, 10)
        log = stage.open(whole={Partition(feedback, 0): 7})
        assert values(stage.drain(log, 3)) == numbers(7, 10)
        assert not log.poll(10, 0.2)

    def test_caught_up_is_not_said_before_the_end_was_read(self, stage: Stage) -> None:
        feedback = stage.topic()
        stage.fill(feedback, 100)
        log = stage.open(whole=[feedback])
        assert not log.caught_up()
        records = []
        deadline = time.monotonic() + stage.patience
        while not log.caught_up() and time.monotonic() < deadline:
            records += log.poll(10, 0.2)
        assert log.caught_up()
        assert len(records) == 100

    def test_an_empty_whole_topic_does_not_hold_a_worker_up_for_ever(self, stage: Stage) -> None:
        log = stage.open(whole=[stage.topic()])
        deadline = time.monotonic() + stage.patience
        while not log.caught_up() and time.monotonic() < deadline:
            assert not log.poll(10, 0.05)
        assert log.caught_up()

    def test_without_whole_topics_a_log_is_caught_up(self, stage: Stage) -> None:
        assert stage.open([stage.topic()]).caught_up()

    def test_a_busy_topic_does_not_starve_another(self, stage: Stage) -> None:
        events, feedback = stage.topic(), stage.topic()
        stage.fill(events, 300)
        stage.fill(feedback, 300)
        log = stage.open([events], [feedback])
        records: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while len(records) < 600 and time.monotonic() < deadline:
            records += log.poll(10, 0.2)
        assert values([r for r in records if r.topic == events]) == numbers(0, 300)
        assert values([r for r in records if r.topic == feedback]) == numbers(0, 300)

    # Members

    def test_members_share_partitions_and_hand_them_over(self, stage: Stage) -> None:
        topic = stage.topic(4)
        group = f"g-{topic}"
        a, b = Owner(), Owner()
        first = stage.open([topic], group=group, rebalance=a)
        stage.settle([first], a, total=4)
        second = stage.open([topic], group=group, rebalance=b)
        stage.settle([first, second], a, b, total=4)
        assert set(a.given_up) >= b.held
        assert not a.held & b.held

        log = stage.open()
        for partition_key in range(40):
            log.produce(topic, b"%d" % partition_key, b"x")
        log.flush()
        got: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while len(got) < 40 and time.monotonic() < deadline:
            for member, owner in ((first, a), (second, b)):
                records = member.poll(100, 0.1)
                assert {Partition(r.topic, r.partition) for r in records} <= owner.held
                got += records
        assert len({(r.partition, r.offset) for r in got}) == len(got) == 40

        second.close()
        deadline = time.monotonic() + stage.patience
        while len(a.held) < 4 and time.monotonic() < deadline:
            first.poll(100, 0.1)
        assert len(a.held) == 4

    def test_work_finished_while_giving_up_is_not_done_again(self, stage: Stage) -> None:
        topic, out = stage.topic(2), stage.topic()
        group = f"g-{topic}"
        feeder = stage.open()
        for i in range(20):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        a, b = Owner(), Owner()
        first = stage.open([topic], group=group, rebalance=a)
        done = stage.drain(first, 20)
        assert len(done) == 20
        at = {Partition(topic, i): 1 + max(r.offset for r in done if r.partition == i) for i in (0, 1)}

        def finish(partitions: Sequence[Partition]) -> None:
            first.produce(out, None, b"last words")
            first.flush()
            first.commit({p: at[p] for p in partitions})

        a.at_revoke = finish
        second = stage.open([topic], group=group, rebalance=b)
        stage.settle([first, second], a, b, total=2)
        assert dict(b.committed[-1]) == {p: at[p] for p in b.held}
        assert values(list(first.read(Partition(out, 0), 0, 1))) == [b"last words"]

    def test_a_commit_that_comes_too_late_says_so(self, stage: Stage) -> None:
        topic = stage.topic(2)
        group = f"g-{topic}"
        a, b = Owner(), Owner()
        first = stage.open([topic], group=group, rebalance=a)
        stage.settle([first], a, total=2)
        second = stage.open([topic], group=group, rebalance=b)
        stage.settle([first, second], a, b, total=2)
        with pytest.raises(PartitionLostError, match=topic):
            first.commit({next(iter(b.held)): 1})

    # Reading apart, ends

    def test_read_gives_the_range_and_nothing_else(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 50)
        log = stage.open()
        partition = Partition(topic, 0)
        assert values(list(log.read(partition, 10, 13))) == numbers(10, 13)
        assert values(list(log.read(partition, 48, 99))) == numbers(48, 50)
        assert list(log.read(partition, 50, 60)) == []
        assert list(log.read(partition, 7, 7)) == []

    def test_read_moves_no_position(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        log = stage.open([topic])
        assert len(list(log.read(Partition(topic, 0), 0, 5))) == 5
        assert values(stage.drain(log, 5)) == numbers(0, 5)

    def test_a_reader_that_is_dropped_half_way_leaves_the_log_usable(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        log = stage.open([topic])
        assert next(iter(log.read(Partition(topic, 0), 2, 5))).value == b"2"
        assert len(stage.drain(log, 5)) == 5

    def test_ends_are_the_next_offsets(self, stage: Stage) -> None:
        topic = stage.topic(3)
        log = stage.open()
        assert log.end_offsets(topic) == {Partition(topic, i): 0 for i in range(3)}
        for i in range(30):
            log.produce(topic, b"%d" % i, b"x")
        log.flush()
        ends = log.end_offsets(topic)
        assert sum(ends.values()) == 30
        for partition, end in ends.items():
            assert [r.offset for r in log.read(partition, 0, 1000)] == list(range(end))

    # Waiting and failing

    def test_an_empty_poll_waits_as_long_as_it_was_told(self, stage: Stage) -> None:
        log = stage.open([stage.topic()], [stage.topic()])
        log.poll(1, 1.0)
        log.poll(1, 1.0)
        start = time.monotonic()
        assert log.poll(10, 0.0) == []
        assert time.monotonic() - start < 0.2
        start = time.monotonic()
        cpu = time.process_time()
        assert log.poll(10, 0.5) == []
        assert 0.4 < time.monotonic() - start < 1.0
        assert time.process_time() - cpu < 0.3, "it spun instead of waiting"

    def test_a_record_from_another_thread_ends_the_wait(self, stage: Stage) -> None:
        topic, feedback = stage.topic(), stage.topic()
        log, other = stage.open([topic], [feedback]), stage.open()

        def deliver(target: str) -> None:
            other.produce(target, None, b"x")
            other.flush()

        for target in (feedback, topic):
            assert not log.poll(1, 1.0)
            timer = threading.Timer(0.3, deliver, [target])
            timer.start()
            deadline = time.monotonic() + stage.patience
            records: list[Record] = []
            start = time.monotonic()
            while not records and time.monotonic() < deadline:
                records = log.poll(10, stage.patience)
            timer.join()
            assert [r.topic for r in records] == [target]
            assert time.monotonic() - start < stage.patience * 0.9

    def test_a_missing_topic_is_an_error_that_names_it(self, stage: Stage) -> None:
        log = stage.open()
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):
            log.end_offsets(missing)
        with pytest.raises(TransportError, match=missing):
            list(log.read(Partition(missing, 0), 0, 1))
        with pytest.raises(TransportError, match=missing):
            stage.open(whole=[missing])

    def test_a_record_for_a_missing_topic_is_not_lost_in_silence(self, stage: Stage) -> None:
        log = stage.open()
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):  # noqa: PT012  (a log may notice at once or at the flush)
            log.produce(missing, None, b"x")
            log.flush()

    def test_closing_twice_is_closing_once(self, stage: Stage) -> None:
        log = stage.open([stage.topic()])
        log.poll(1, 0.1)
        log.close()
        log.close()
        with pytest.raises(TransportError):
            log.poll(1, 0.0)
