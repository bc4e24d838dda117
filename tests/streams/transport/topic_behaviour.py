"""The part of the behaviour suite about topics: how large records are, whole and shared ones, and changed ones."""

from __future__ import annotations

import os
import time
import uuid

import pytest

from tocsin.streams.transport.base import (
    Partition,
    Progress,
    TopicReplacedError,
    Transport,
    TransportError,
    record_size,
)

from .stage import Owner, Stage, lags, numbers, values


class TopicBehaviour:
    """Inherited by `TransportBehaviour`."""

    # How large a record may be

    def test_a_record_of_a_topics_limit_is_delivered(self, stage: Stage) -> None:
        topic = stage.topic(limit=3_000)
        transport = stage.open(whole=[topic])
        assert transport.limit(topic) == 3_000
        headers = [("trace", bytes(200)), ("more", b"")]
        room = 3_000 - record_size(b"key", b"", headers)
        value = os.urandom(room)
        assert record_size(b"key", value, headers) == 3_000
        transport.produce(topic, b"key", value, headers)
        transport.flush()
        assert values(stage.drain(transport, 1)) == [value]

    def test_small_records_do_not_add_up_to_a_batch_that_their_topic_refuses(self, stage: Stage) -> None:
        small, large = stage.topic(limit=3_000), stage.topic()
        transport = stage.open(whole=[small, large])
        sent = [os.urandom(500) for _ in range(100)]
        for value in sent:
            transport.produce(small, None, value)
            transport.produce(large, None, value)
        transport.flush()
        records = stage.drain(transport, 200)
        assert values([r for r in records if r.topic == small]) == sent
        assert values([r for r in records if r.topic == large]) == sent

    def test_the_limit_of_a_missing_topic_is_an_error_that_names_it(self, stage: Stage) -> None:
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):
            stage.open().limit(missing)

    # Topics that are deleted or made anew

    def test_a_topic_that_is_made_anew_has_another_id(self, stage: Stage) -> None:
        topic, other = stage.topic(), stage.topic()
        before = stage.open().topic_ids([topic, other])
        assert len(set(before.values())) == 2
        assert stage.open().topic_ids([topic, other]) == before
        stage.delete(topic)
        time.sleep(1.0)  # Kafka deletes in the background
        stage.create(topic, 1, None)
        after = stage.open().topic_ids([topic, other])
        assert after[topic] != before[topic]
        assert after[other] == before[other]

    def test_a_kept_topic_that_is_made_anew_ends_the_reading(self, stage: Stage) -> None:
        topic, other = stage.topic(), stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic, other], kept=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        time.sleep(1.0)  # Kafka deletes in the background
        stage.create(topic, 1, None)
        with pytest.raises(TopicReplacedError, match=rf"{topic}.*deleted, or made anew"):
            self.poll_on(stage, transport)

    def test_a_kept_topic_that_is_deleted_ends_the_reading(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic], kept=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        with pytest.raises(TopicReplacedError, match=topic):
            self.poll_on(stage, transport)

    def test_any_other_topic_that_is_made_anew_is_read_from_its_new_beginning(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        time.sleep(1.0)
        stage.create(topic, 1, None)
        time.sleep(1.0)
        stage.fill(topic, 3, start=100)
        assert values(stage.drain(transport, 3)) == numbers(100, 103)

    def poll_on(self, stage: Stage, transport: Transport) -> None:
        deadline = time.monotonic() + stage.patience + 10
        while time.monotonic() < deadline:
            transport.poll(10, 0.1)

    # Topics that are read whole and shared as well

    def test_a_topic_that_is_whole_and_shared_is_read_once_and_assigned(self, stage: Stage) -> None:
        topic = stage.topic(2)
        feeder = stage.open()
        for i in range(20):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        owner = Owner()
        transport = stage.open([topic], whole=[topic], group=f"g-{topic}", rebalance=owner)
        records = stage.drain(transport, 21)
        assert sorted(values(records)) == sorted(numbers(0, 20))
        assert owner.held == {Partition(topic, 0), Partition(topic, 1)}

    def test_what_was_committed_beside_reading_whole_comes_back_with_its_note(self, stage: Stage) -> None:
        topic = stage.topic(2)
        owner = Owner()
        transport = stage.open([topic], whole=[topic], group=(group := f"g-{topic}"), rebalance=owner)
        stage.settle([transport], owner, total=2)
        noted, plain = Partition(topic, 0), Partition(topic, 1)
        transport.commit({noted: 3, plain: 4}, {noted: "17"})
        transport.close()

        found = stage.open(group=group).committed(topic)
        assert {partition: committed.offset for partition, committed in found.items()} == {noted: 3, plain: 4}
        assert stage.open(group=f"other-{topic}").committed(topic) == {}

        owner = Owner()
        transport = stage.open([topic], whole=[topic], group=group, rebalance=owner)
        stage.settle([transport], owner, total=2)
        assert owner.committed[-1] == {noted: 3, plain: 4}
        if stage.keeps_notes:
            assert owner.notes[-1] == {noted: "17", plain: ""}

    def test_partitions_added_to_a_whole_topic_are_not_left_unread(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 2)
        transport = stage.open(whole=[topic])
        assert len(stage.drain(transport, 2)) == 2
        stage.add_partitions(topic, 3)
        # A client learns of new partitions in its own time.
        feeder = stage.open()
        deadline = time.monotonic() + stage.patience
        while time.monotonic() < deadline and len(feeder.end_offsets(topic)) < 3:
            time.sleep(0.1)
        for i in range(30):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        transport.add_new_partitions()
        records = stage.drain(transport, 30)
        assert {record.partition for record in records} == {0, 1, 2}
        assert sorted(values(records)) == sorted(numbers(0, 30))
        transport.add_new_partitions()
        assert transport.poll(100, 0.2) == []

    def test_lag_is_what_lies_between_the_position_and_the_end(self, stage: Stage) -> None:
        shared, whole = stage.topic(2), stage.topic()
        stage.fill(shared, 30)
        stage.fill(whole, 20)
        owner = Owner()
        transport = stage.open([shared], whole={Partition(whole, 0): 5}, rebalance=owner)
        filled = {p for topic in (shared, whole) for p, end in transport.end_offsets(topic).items() if end}
        left = 30 + 15
        read: set[Partition] = set()
        while left:
            records = transport.poll(4, stage.patience)
            left -= len(records)
            read |= {Partition(record.topic, record.partition) for record in records}
            # A partition that was not fetched from yet counts as read to its end.
            lag = sum(lags(transport).values())
            assert lag == left if read == filled else lag <= left
        assert read == filled
        nothing = {Partition(shared, 0): 0, Partition(shared, 1): 0, Partition(whole, 0): 0}
        assert lags(transport) == nothing
        stage.fill(shared, 3)
        stage.fill(whole, 2)
        assert len(stage.drain(transport, 5)) == 5
        assert lags(transport) == nothing
        assert transport.progress()[Partition(whole, 0)] == Progress(22, 22)

    def test_a_whole_topic_that_is_deleted_ends_no_look_for_new_partitions(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 2)
        transport = stage.open(whole=[topic])
        assert len(stage.drain(transport, 2)) == 2
        stage.delete(topic)
        transport.add_new_partitions()

    def test_the_first_offsets_tell_what_retention_has_deleted(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open()
        assert transport.first_offsets(topic) == {Partition(topic, 0): 0}
        stage.fill(topic, 5)
        assert transport.first_offsets(topic) == {Partition(topic, 0): 0}
        stage.delete_before(Partition(topic, 0), 3)
        assert transport.first_offsets(topic) == {Partition(topic, 0): 3}
        stage.delete_before(Partition(topic, 0), 5)
        assert transport.first_offsets(topic) == {Partition(topic, 0): 5}
