"""What the tests of the monitor share: telemetry, records, a monitor on topics of its own, and what it serves."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.service import MonitorSettings
from tocsin.config.settings import Settings
from tocsin.streams.monitor import Monitor
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker.reporting.counts import BatchTimes

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def batch_seconds(*seconds: float) -> dict[str, Any]:
    """A histogram of these batches, as telemetry has it."""
    times = BatchTimes()
    for one in seconds:
        times.add(one)
    return {"at_most": times.at_most(), "total": times.seconds}


def telemetry(worker: str = "w1", started_at: int = 1_000, **more: Any) -> dict[str, Any]:
    return {
        "service": "tocsin", "worker": worker, "time": milliseconds(), "started_at": started_at,
        "feedback_offset": 7, "backend": "numba",
        "counts": {"events": 10, "decided": 8, "abstained": 2, "feedback": 7, "alerts": 1, "duplicates": 3,
                   "quick_labels": 4, "decided_twice": 1, "rebuilt": 0, "expired": 0, "forgotten": 0,
                   "batches": 4},
        "reasons": {"uncertain": 2}, "dead_letters": {"not-json": 1}, "labels": {"joined": 7},
        "classes": {"ham": 6, "spam": 2},
        "experts": {"tree": {"accuracy": 0.8, "reliability": 0.7, "engaged": 0.5, "share": 0.6, "nodes": 1_237,
                             "engaged_accuracy": 0.85, "consistency": 0.9, "age": 2_345, "lifecycle": {"regrown": 2},
                             "rules": {"big": {"confidence": 0.8, "precision": 0.7, "events": 9.0,
                                               "turned_bad": False}}}},
        "engaged": 1.5,
        "promise": {"state": "cannot be kept", "target": 0.1, "reason": "drifts come every 3000 labels", "error": 0.2,
                    "drifts_every": 3_000.0, "delay": 500.0, "silent": True},
        "novel_groups": {"groups": 3, "largest": 21},
        "scoring": {"asked": "cuda", "place": "cuda:0", "reason": "", "failures": 0, "bytes_per_label": 900.0},
        "threshold": 0.9, "alpha": 0.1, "latency_ms": {"p50": 2.0, "p99": 9.0, "max": 20.0},
        "batch_seconds": batch_seconds(0.002, 0.002, 0.009, 40.0),
        "pending": 5, "labelled": 3, "waiting": 2, "lag": {"events": 11, "labels": 0, "feedback": 4},
        "partition_lag": {"events": {"0": 11}, "labels": {"0": 0}, "feedback": {"0": 4}},
        "config": "0123456789abcdef",
        "shadow": shadow(),
        "judged": {"events": 8, "classes": {"spam": {"labels": 4, "named": 4, "right": 3}}, "rare": "spam",
                   "found": [0] * 40 + [4] + [0] * 16, "every": [4] + [0] * 39 + [4] + [0] * 16,
                   "alerts": 4, "hits": 3, "cost": 7.5, "confusion": {"spam": {"spam": 3, "ham": 1}}},
    } | more  # fmt: skip


def shadow(tally: str = "t1", both: int = 700, **more: Any) -> dict[str, Any]:
    """Two configs on a thousand labelled events, of which the second finds a few more."""
    right = {"both": both, "first": 40, "second": 120}
    return {
        "first": "a" * 16, "second": "b" * 16, "decides": "a" * 16, "state": "scores", "scored": 2_000,
        "passed_over": 5, "feedback_offset": 7,
        "compared": {
            "tally": tally, "events": 1_000, "right": right, "decided": {"both": 600, "first": 100, "second": 50},
            "wrong": {"both": 30, "first": 20, "second": 10},
            "classes": {"ham": {"labels": 800, "found": {"both": both - 100, "first": 40, "second": 20}},
                        "spam": {"labels": 200, "found": {"both": 100, "first": 0, "second": 100}}},
        },
    } | more  # fmt: skip


def parsed(record: dict[str, Any]) -> Telemetry:
    """The telemetry record that the monitor makes of this JSON."""
    return msgspec.convert(record, Telemetry)


def record(value: Any, headers: Sequence[tuple[str, bytes]] = ()) -> Record:
    return Record("t", 0, 0, 0, None, json.dumps(value).encode(), tuple(headers))


class Stage:
    """A monitor on topics of its own, and a producer that plays the workers."""

    def __init__(self, bootstrap: str, **changes: Any) -> None:
        """`changes` replace the usual settings."""
        mark = uuid.uuid4().hex[:8]
        names = {n: f"{n}-{mark}" for n in TopicsSettings.model_fields if isinstance(getattr(TopicsSettings(), n), str)}
        usual = {"schema_": SchemaSettings(text="text"), "monitor": MonitorSettings(port=0)}
        self.settings = Settings(
            kafka=KafkaSettings(bootstrap=bootstrap),
            topics=TopicsSettings(**names, partitions=2),
            **(usual | changes),
        )
        topics.create(self.settings)
        self.producer = Producer({"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 500})
        self.sent = 0

    def report(self, **fields: Any) -> None:
        record = telemetry(**fields)
        self.send(self.settings.topics.telemetry, json.dumps(record).encode(), record["worker"])

    def decide(self, *events: str) -> None:
        for event in events:
            value = json.dumps({"event": event, "status": "decided"}).encode()
            self.send(self.settings.topics.decisions, value, event)

    def put_aside(self, kind: str) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("__streams.errors.exception", kind.encode()),
            ("__streams.errors.topic", b"events"),
        ]
        self.send(self.settings.topics.dead_letters, b"\xff", "k", headers)

    def send(
        self, topic: str, value: bytes | None, key: str, headers: list[tuple[str, str | bytes | None]] | None = None
    ) -> None:
        self.producer.produce(topic, value, key, headers=headers or [])
        assert self.producer.flush(30) == 0
        self.sent += 1

    def drain(self, monitor: Monitor, records: int | None = None, seconds: float = 20.0) -> None:
        """Step until the monitor has read everything sent (or so many records)."""
        left = self.sent if records is None else records
        deadline = time.monotonic() + seconds
        while left > 0 and time.monotonic() < deadline:
            left -= monitor.step(0.1)
        assert left == 0
        self.sent = 0

    def close(self) -> None:
        self.producer.close()


def get(address: str, path: str) -> str:
    with urllib.request.urlopen(address + path, timeout=10) as answer:
        return str(answer.read().decode())


def scrape(monitor: Monitor) -> Scrape:
    found: Scrape = {}
    for family in text_string_to_metric_families(get(monitor.address, "/metrics")):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def value(found: Scrape, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def samples(metrics: Metrics, name: str) -> list[Any]:
    return [s for family in metrics.registry.collect() for s in family.samples if s.name == name]
