"""A producer in a process of its own that sends events at an even pace.

    python -m parts.service.paced BOOTSTRAP TOPIC FILE RATE

FILE has one event a line; its id is its key.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import orjson
from confluent_kafka import Producer

from parts.service.broker import PRODUCER

TICK = 0.002
"""Seconds between two looks at the clock."""


def main() -> None:
    bootstrap, topic, file, pace = sys.argv[1:]
    values = Path(file).read_bytes().splitlines()
    keys = [orjson.loads(value)["id"].encode() for value in values]
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **PRODUCER})
    producer.list_topics(topic, timeout=30.0)
    began, sent, rate = time.perf_counter(), 0, float(pace)
    while sent < len(values):
        due = min(int((time.perf_counter() - began) * rate), len(values))
        for i in range(sent, due):
            producer.produce(topic, values[i], keys[i])
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(TICK)
    if producer.flush(60.0):
        raise SystemExit(f"{topic}: not all events were acknowledged")
    print(f"{sent / (time.perf_counter() - began):.0f}")


if __name__ == "__main__":
    main()
