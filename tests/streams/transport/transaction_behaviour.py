"""The part of the behaviour suite about transactions: outputs and offsets, together or not at all."""

from __future__ import annotations

import time

import pytest

from tocsin.streams.transport.base import BatchFailedError, Partition, PartitionLostError, Transport, TransportError

from .stage import Owner, Stage, numbers, values


def seen(stage: Stage, topic: str, partition: int = 0) -> list[bytes | None]:
    """What a reader of committed records finds in a partition."""
    reader = stage.open()
    where = Partition(topic, partition)
    return values(list(reader.read(where, 0, reader.end_offsets(topic)[where])))


def produce(transport: Transport, topic: str, *contents: bytes) -> None:
    for content in contents:
        transport.produce(topic, None, content)
    transport.flush()


class TransactionBehaviour:
    """Inherited by `TransportBehaviour`."""

    def test_a_transaction_is_seen_by_nobody_before_it_is_committed(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open(writes=[topic])
        watcher = stage.open(whole=[topic])
        produce(transport, topic, b"1", b"2")
        assert watcher.poll(10, 1.0) == []
        transport.commit({})
        assert values(stage.drain(watcher, 2)) == [b"1", b"2"]

    def test_an_aborted_transaction_leaves_nothing_to_readers(self, stage: Stage) -> None:
        topic, out = stage.topic(), stage.topic()
        stage.fill(topic, 3)
        group = f"g-{topic}"
        transport = stage.open([topic], group=group, writes=[out])
        assert len(stage.drain(transport, 3)) == 3
        produce(transport, out, b"of the aborted one")
        transport.close()
        again = stage.open([topic], group=group, writes=[out])
        assert values(stage.drain(again, 3)) == numbers(0, 3), "its offsets were not committed either"
        produce(again, out, b"of the next one")
        again.commit({Partition(topic, 0): 3})
        assert seen(stage, out) == [b"of the next one"]

    def test_outputs_offsets_and_notes_of_a_transaction_are_committed_together(self, stage: Stage) -> None:
        topic, labels, out = stage.topic(), stage.topic(), stage.topic(2)
        stage.fill(topic, 3)
        group = f"g-{topic}"
        transport = stage.open([topic, labels], [labels], group, writes=[out])
        assert len(stage.drain(transport, 3)) == 3
        for key in (b"21", b"abc"):
            transport.produce(out, key, b"x")
        transport.flush()
        assert transport.committed(topic) == {}
        transport.commit({Partition(topic, 0): 3, Partition(labels, 0): 0}, {Partition(labels, 0): "7"})
        assert transport.committed(topic)[Partition(topic, 0)].offset == 3
        assert transport.committed(labels)[Partition(labels, 0)] == (0, "7")
        assert sorted([*seen(stage, out, 0), *seen(stage, out, 1)]) == [b"x", b"x"]

    def test_transactions_follow_each_other_in_order(self, stage: Stage) -> None:
        topic, out = stage.topic(), stage.topic()
        stage.fill(topic, 30)
        transport = stage.open([topic], writes=[out])
        done = 0
        deadline = time.monotonic() + stage.patience
        while done < 30 and time.monotonic() < deadline:
            for record in transport.poll(4, 0.2):
                transport.produce(out, None, record.value or b"")
                done = record.offset + 1
            transport.commit({Partition(topic, 0): done} if done else {})
        assert seen(stage, out) == numbers(0, 30)

    @pytest.mark.parametrize("holds", ["offsets", "outputs"])
    def test_the_transaction_of_a_member_that_was_replaced_unawares_is_refused(self, stage: Stage, holds: str) -> None:
        """Whatever it holds: an output alone may rest on a partition that is another member's by now."""
        topic, out = stage.topic(2), stage.topic()
        group = f"g-{topic}"
        zombie, owner = Owner(), Owner()
        first = stage.open([topic], group=group, rebalance=zombie, writes=[out])
        stage.settle([first], zombie, total=2)
        first.commit({Partition(topic, 0): 0})
        produce(first, out, b"of the zombie")
        stage.evict(first, group)
        second = stage.open([topic], group=group, rebalance=owner, writes=[out])
        deadline = time.monotonic() + stage.patience
        while len(owner.held) < 2 and time.monotonic() < deadline:
            second.poll(1, 0.1)
        assert owner.held == zombie.held
        with pytest.raises(PartitionLostError):
            first.commit({Partition(topic, 1): 1} if holds == "offsets" else {})
        first.close()
        produce(second, out, b"of the owner")
        second.commit({Partition(topic, 0): 0})
        assert seen(stage, out) == [b"of the owner"]

    def test_a_transaction_with_nothing_in_it_is_none(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open(writes=[topic])
        transport.commit({})
        produce(transport, topic, b"x")
        transport.commit({})
        transport.commit({})
        assert seen(stage, topic) == [b"x"]

    def test_a_transaction_for_a_missing_topic_is_an_error_that_names_it(self, stage: Stage) -> None:
        topic = stage.topic()
        transport = stage.open(writes=[topic])
        with pytest.raises(TransportError, match="missing-topic") as raised:
            transport.produce("missing-topic", None, b"x")
        assert not isinstance(raised.value, BatchFailedError), "it would fail again and again"
