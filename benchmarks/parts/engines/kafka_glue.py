"""kafka-python and river, by hand: poll, decide, learn, send, flush, commit.

python -m parts.engines.kafka_glue BOOTSTRAP GROUP EVENTS LABELS DECISIONS LEARNT
"""

from __future__ import annotations

import json
import signal
import sys
import threading

from kafka import KafkaConsumer, KafkaProducer

from parts.engines.job import Job


def main() -> None:
    bootstrap, group, events, labels, decisions, learnt = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    consumer = KafkaConsumer(
        events,
        labels,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        value_deserializer=json.loads,
    )
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=5,
        compression_type="lz4",
        value_serializer=lambda value: json.dumps(value).encode(),
    )
    job = Job()
    while not stop.is_set():
        batches = consumer.poll(timeout_ms=100, max_records=1_000)
        for partition, records in batches.items():
            for record in records:
                if partition.topic == events:
                    producer.send(decisions, job.decide(record.value), key=record.key)
                    found = job.learn_early(record.value)
                else:
                    found = job.learn(record.value)
                if found is not None:
                    producer.send(learnt, found)
        if batches:
            producer.flush()
            consumer.commit()
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main()
