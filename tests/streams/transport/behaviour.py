"""What every transport does: one suite, inherited by the test of each implementation."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence

import pytest

from tocsin.streams.transport.base import Partition, PartitionLostError, Record, TransportError

from .stage import MURMUR2, Owner, Stage, numbers, values
from .topic_behaviour import TopicBehaviour
from .transaction_behaviour import TransactionBehaviour


class TransportBehaviour(TopicBehaviour, TransactionBehaviour):
    """Inherit it and give it a `stage`."""

    @pytest.fixture
    def stage(self) -> Stage:
        raise NotImplementedError

    # Records

    def test_a_record_comes_back_as_it_was_produced(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open([topic])
        before = time.time() * 1000
        transport.produce(topic, b"key", b"value", [("traceparent", b"00-1"), ("x", b"")])
        transport.produce(topic, None, b"")
        transport.flush()
        first, second = stage.drain(transport, 2)
        assert first[:3] == (topic, 0, 0)
        assert first[4:] == (b"key", b"value", (("traceparent", b"00-1"), ("x", b"")))
        assert before - 1000 <= first.timestamp <= time.time() * 1000 + 1000
        assert (second.offset, second.key, second.value, second.headers) == (1, None, b"", ())

    def test_order_in_a_partition_survives_small_polls(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 500)
        transport = stage.open([topic])
        records: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while len(records) < 500 and time.monotonic() < deadline:
            batch = transport.poll(7, 0.2)
            assert len(batch) <= 7
            records += batch
        assert values(records) == numbers(0, 500)
        assert [r.offset for r in records] == list(range(500))

    @pytest.mark.parametrize("key", MURMUR2)
    def test_a_key_never_lands_where_javas_client_would_not_put_it(self, stage: Stage, key: bytes) -> None:
        partitions = 7
        topic = stage.topic(partitions)
        transport = stage.open(whole=[topic])
        transport.produce(topic, key, b"x")
        transport.flush()
        (record,) = stage.drain(transport, 1)
        assert record.partition == (MURMUR2[key] & 0x7FFFFFFF) % partitions

    def test_keyless_records_do_not_pile_up_in_one_partition(self, stage: Stage) -> None:
        topic = stage.topic(2)
        transport = stage.open(whole=[topic])
        for _ in range(30):
            transport.produce(topic, None, b"x")
            transport.flush()
            time.sleep(0.012)  # librdkafka stays with one partition for 10 ms
        assert {r.partition for r in stage.drain(transport, 30)} == {0, 1}

    # Positions of shared topics

    def test_committed_work_is_not_done_again(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 10)
        transport = stage.open([topic], group=(group := f"g-{topic}"))
        assert len(stage.drain(transport, 10)) == 10
        transport.commit({Partition(topic, 0): 6})
        transport.close()
        assert values(stage.drain(stage.open([topic], group=group), 4)) == numbers(6, 10)

    def test_uncommitted_work_is_done_again(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open([topic], group=(group := f"g-{topic}"))
        assert len(stage.drain(transport, 5)) == 5
        transport.close()
        assert values(stage.drain(stage.open([topic], group=group), 5)) == numbers(0, 5)

    def test_the_owners_position_wins_over_the_committed_one(self, stage: Stage) -> None:
        topic = stage.topic(2)
        partition, other = Partition(topic, 0), Partition(topic, 1)
        feeder = stage.open()
        for i in range(100):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        owner = Owner()
        transport = stage.open([topic], group=(group := f"g-{topic}"), rebalance=owner)
        assert len(stage.drain(transport, 100)) == 100
        assert owner.committed == [{partition: None, other: None}]
        transport.commit({partition: 20, other: 10})
        transport.close()

        owner = Owner({partition: 5})
        again = stage.drain(stage.open([topic], group=group, rebalance=owner), 85)
        assert owner.committed == [{partition: 20, other: 10}]
        assert min(r.offset for r in again if r.partition == 0) == 5
        assert min(r.offset for r in again if r.partition == 1) == 10

    def test_a_position_beyond_the_end_starts_over_rather_than_reads_nothing_for_ever(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 3)
        transport = stage.open([topic], rebalance=Owner({Partition(topic, 0): 1000}))
        assert values(stage.drain(transport, 3)) == numbers(0, 3)

    # Whole topics

    def test_every_member_reads_the_whole_of_a_whole_topic(self, stage: Stage) -> None:
        events, feedback = stage.topic(2), stage.topic(2)
        feeder = stage.open()
        for i in range(20):
            feeder.produce(feedback, b"%d" % i, b"%d" % i)
        feeder.flush()
        group = f"g-{events}"
        for _ in range(2):
            transport = stage.open([events], [feedback], group)
            assert sorted(r.value or b"" for r in stage.drain(transport, 20)) == sorted(numbers(0, 20))

    def test_a_whole_topic_starts_where_its_owner_says(self, stage: Stage) -> None:
        feedback = stage.topic()
        stage.fill(feedback, 10)
        transport = stage.open(whole={Partition(feedback, 0): 7})
        assert values(stage.drain(transport, 3)) == numbers(7, 10)
        assert not transport.poll(10, 0.2)

    def test_it_is_not_caught_up_before_the_end_was_read(self, stage: Stage) -> None:
        feedback = stage.topic()
        stage.fill(feedback, 100)
        transport = stage.open(whole=[feedback])
        assert not transport.caught_up()
        records = []
        deadline = time.monotonic() + stage.patience
        while not transport.caught_up() and time.monotonic() < deadline:
            records += transport.poll(10, 0.2)
        assert transport.caught_up()
        assert len(records) == 100

    def test_an_empty_whole_topic_does_not_hold_a_worker_up_for_ever(self, stage: Stage) -> None:
        transport = stage.open(whole=[stage.topic()])
        deadline = time.monotonic() + stage.patience
        while not transport.caught_up() and time.monotonic() < deadline:
            assert not transport.poll(10, 0.05)
        assert transport.caught_up()

    def test_without_whole_topics_a_transport_is_caught_up(self, stage: Stage) -> None:
        assert stage.open([stage.topic()]).caught_up()

    def test_a_busy_topic_does_not_starve_another(self, stage: Stage) -> None:
        events, feedback = stage.topic(), stage.topic()
        stage.fill(events, 300)
        stage.fill(feedback, 300)
        transport = stage.open([events], [feedback])
        records: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while len(records) < 600 and time.monotonic() < deadline:
            records += transport.poll(10, 0.2)
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

        transport = stage.open()
        for partition_key in range(40):
            transport.produce(topic, b"%d" % partition_key, b"x")
        transport.flush()
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

    def test_a_rebalance_never_takes_away_what_stays(self, stage: Stage) -> None:
        topic = stage.topic(4)
        group = f"g-{topic}"
        a, b = Owner(), Owner()
        first = stage.open([topic], group=group, rebalance=a)
        stage.settle([first], a, total=4)
        stage.fill(topic, 40)
        assert len(stage.drain(first, 40)) == 40
        second = stage.open([topic], group=group, rebalance=b)
        deadline = time.monotonic() + stage.patience
        seen: list[Record] = []
        while not (b.held and len(a.held) + len(b.held) == 4) and time.monotonic() < deadline:
            assert not first.poll(100, 0.1)  # it goes on where it was
            seen += second.poll(100, 0.1)
        assert set(a.given_up) == b.held
        assert len(b.held) == 2
        assert len(a.committed) == 1
        stage.fill(topic, 40, start=40)
        fresh = [r for r in [*stage.drain(first, 4), *seen, *stage.drain(second, 4)] if int(r.value or b"") >= 40]
        assert {Partition(r.topic, r.partition) for r in fresh} & a.held
        second.close()
        deadline = time.monotonic() + stage.patience
        while len(a.held) < 4 and time.monotonic() < deadline:
            first.poll(100, 0.1)
        assert len(a.held) == 4
        assert set(a.given_up) & a.held == set(a.committed[-1])

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
        next_offsets = {Partition(topic, i): 1 + max(r.offset for r in done if r.partition == i) for i in (0, 1)}

        def finish(partitions: Sequence[Partition]) -> None:
            first.produce(out, None, b"last record")
            first.flush()
            first.commit({p: next_offsets[p] for p in partitions})

        a.at_revoke = finish
        second = stage.open([topic], group=group, rebalance=b)
        stage.settle([first, second], a, b, total=2)
        assert dict(b.committed[-1]) == {p: next_offsets[p] for p in b.held}
        assert values(list(first.read(Partition(out, 0), 0, 1))) == [b"last record"]

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

    # Reading a range, end offsets

    def test_read_gives_the_range_and_nothing_else(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 50)
        transport = stage.open()
        partition = Partition(topic, 0)
        assert values(list(transport.read(partition, 10, 13))) == numbers(10, 13)
        assert values(list(transport.read(partition, 48, 99))) == numbers(48, 50)
        assert list(transport.read(partition, 50, 60)) == []
        assert list(transport.read(partition, 7, 7)) == []

    def test_read_moves_no_position(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open([topic])
        assert len(list(transport.read(Partition(topic, 0), 0, 5))) == 5
        assert values(stage.drain(transport, 5)) == numbers(0, 5)

    def test_a_reader_that_is_dropped_half_way_leaves_the_transport_usable(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open([topic])
        assert next(iter(transport.read(Partition(topic, 0), 2, 5))).value == b"2"
        assert len(stage.drain(transport, 5)) == 5

    def test_end_offsets_are_the_next_to_be_written(self, stage: Stage) -> None:
        topic = stage.topic(3)
        transport = stage.open()
        assert transport.end_offsets(topic) == {Partition(topic, i): 0 for i in range(3)}
        for i in range(30):
            transport.produce(topic, b"%d" % i, b"x")
        transport.flush()
        ends = transport.end_offsets(topic)
        assert sum(ends.values()) == 30
        for partition, end in ends.items():
            assert [r.offset for r in transport.read(partition, 0, 1000)] == list(range(end))

    # Waiting and failing

    def test_an_empty_poll_waits_as_long_as_it_was_asked_to(self, stage: Stage) -> None:
        transport = stage.open([stage.topic()], [stage.topic()])
        transport.poll(1, 1.0)
        transport.poll(1, 1.0)
        start = time.monotonic()
        assert transport.poll(10, 0.0) == []
        assert time.monotonic() - start < 0.2
        start = time.monotonic()
        cpu = time.process_time()
        assert transport.poll(10, 0.5) == []
        assert 0.4 < time.monotonic() - start < 1.0
        assert time.process_time() - cpu < 0.3, "it spun instead of waiting"

    def test_a_record_from_another_thread_ends_the_wait(self, stage: Stage) -> None:
        topic, feedback = stage.topic(), stage.topic()
        transport, other = stage.open([topic], [feedback]), stage.open()

        def deliver(target: str) -> None:
            other.produce(target, None, b"x")
            other.flush()

        for target in (feedback, topic):
            assert not transport.poll(1, 1.0)
            timer = threading.Timer(0.3, deliver, [target])
            timer.start()
            deadline = time.monotonic() + stage.patience
            records: list[Record] = []
            start = time.monotonic()
            while not records and time.monotonic() < deadline:
                records = transport.poll(10, stage.patience)
            timer.join()
            assert [r.topic for r in records] == [target]
            assert time.monotonic() - start < stage.patience * 0.9

    def test_a_missing_topic_is_an_error_that_names_it(self, stage: Stage) -> None:
        transport = stage.open()
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):
            transport.end_offsets(missing)
        with pytest.raises(TransportError, match=missing):
            list(transport.read(Partition(missing, 0), 0, 1))
        with pytest.raises(TransportError, match=missing):
            stage.open(whole=[missing])

    def test_a_record_for_a_missing_topic_is_not_lost_in_silence(self, stage: Stage) -> None:
        transport = stage.open()
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):  # noqa: PT012  (it may be noticed at once or at the flush)
            transport.produce(missing, None, b"x")
            transport.flush()

    def test_closing_twice_is_closing_once(self, stage: Stage) -> None:
        transport = stage.open([stage.topic()])
        transport.poll(1, 0.1)
        transport.close()
        transport.close()
        with pytest.raises(TransportError):
            transport.poll(1, 0.0)
