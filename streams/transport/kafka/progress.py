"""Progress: how far a consumer is in what it reads."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from tocsin.streams.transport.base import Partition, Progress


def progress_of(consumer: Consumer, read_to: Mapping[Partition, int]) -> dict[Partition, Progress]:
    """The progress of one consumer as of its last fetches. Asks no broker.

    `read_to` are its partitions, with offsets that it has read to at least: where it began, and where it last met the
    end. The markers of transactions are no records, and the consumer's own position is that after its last record. An
    offset below 0 stands for the beginning.
    """
    targets = [TopicPartition(p.topic, p.index) for p in read_to]
    progress: dict[Partition, Progress] = {}
    for target, (partition, least) in zip(consumer.position(targets), read_to.items(), strict=True):
        position = max(target.offset, least, 0)  # below 0 where no record came yet
        end = consumer.get_watermark_offsets(target, cached=True)[1]
        progress[partition] = Progress(position, end if end >= 0 else None)
    return progress
