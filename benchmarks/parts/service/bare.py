"""The bare loop of the same client in a process of its own: consume, decode, encode, produce.

    python -m parts.service.bare BOOTSTRAP FROM TO COUNT OFFSETS

OFFSETS is JSON, by partition the offset to begin at. Each batch is acknowledged before the next is consumed, as a
service's must be. No group is joined and no offset committed.
"""

from __future__ import annotations

import json
import sys

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from parts.service.broker import PRODUCER, reading

BATCH = 1_000


def main() -> None:
    bootstrap, source, target, count, offsets = sys.argv[1:]
    consumer = Consumer(reading(bootstrap))
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "batch.size": 1_000_000, **PRODUCER})
    consumer.assign([TopicPartition(source, int(p), offset) for p, offset in json.loads(offsets).items()])
    left = int(count)
    while left > 0:
        messages = consumer.consume(min(BATCH, left), 1.0)
        for message in messages:
            if message.error() is not None:
                raise SystemExit(f"{source} cannot be read: {message.error()}")
            producer.produce(target, orjson.dumps(orjson.loads(message.value() or b"")), message.key())
        if producer.flush(60.0):
            raise SystemExit(f"{target}: not all records were acknowledged")
        left -= len(messages)
    consumer.close()


if __name__ == "__main__":
    main()
