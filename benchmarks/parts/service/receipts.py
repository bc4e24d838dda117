"""A read_committed reader of decisions in a process of its own, which notes when it received each.

    python -m parts.service.receipts BOOTSTRAP TOPIC COUNT OFFSETS RESULT.json

It prints a line when it reads, and ends with the last decision, or when none came for long.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import orjson
from confluent_kafka import Consumer, TopicPartition

from parts.service.broker import reading

PATIENCE = 30.0
"""Seconds without a decision after which it ends."""


def main() -> None:
    bootstrap, topic, count, offsets, result = sys.argv[1:]
    consumer = Consumer(reading(bootstrap))
    consumer.assign([TopicPartition(topic, int(p), offset) for p, offset in json.loads(offsets).items()])
    consumer.poll(0.5)
    print("reading", flush=True)
    received: list[tuple[bytes, float]] = []
    last = time.monotonic()
    while len(received) < int(count) and time.monotonic() - last < PATIENCE:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            received.append((message.value() or b"", time.time()))
            last = time.monotonic()
    consumer.close()
    at = {orjson.loads(value)["event"]: 1000 * when for value, when in received}
    Path(result).write_bytes(orjson.dumps(at))


if __name__ == "__main__":
    main()
