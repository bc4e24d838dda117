"""How many events a second does the whole path carry (broker, decision, broker), beside a bare loop of the same client?

The bare loop consumes, decodes the JSON, encodes it again and produces; the whole path is a worker that decides,
explains and remembers each event, first without labels, then with a label for every event to join and learn from. All
three read the same events from the same broker in one run: read the ratios, the machine is noisy.

    python benchmarks/service.py [--events 20000] [--bootstrap host:port]

Without --bootstrap it starts Apache Kafka where the tests would find it, else the embedded broker.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from tocsin.config import Settings, load
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Offsets, Partition, Transport
from tocsin.streams.transport.embedded import EmbeddedBroker
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.worker.service import kafka_transports
from tocsin.streams.worker.telemetry import latencies
from tocsin.streams.worker.worker import Worker

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "config" / "presets" / "data" / "electricity.csv.gz"
BATCH = 1_000


@contextmanager
def broker(address: str | None, directory: Path) -> Iterator[tuple[str, str]]:
    """The broker's name and address."""
    if address:
        yield "the broker given", address
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from brokers import ApacheKafka, NoBrokerError

    try:
        home = directory / "kafka"
        home.mkdir()
        kafka = ApacheKafka(home)
        kafka.start()
    except NoBrokerError as error:
        print(f"Apache Kafka is not here ({error}); the embedded broker stands in", file=sys.stderr)
        with EmbeddedBroker() as embedded:
            yield "Tansu (embedded)", embedded.bootstrap
        return
    try:
        yield "Apache Kafka", kafka.bootstrap
    finally:
        kafka.stop()


def settings_of(bootstrap: str, run: str, directory: Path) -> Settings:
    """The electricity preset with topics of its own; the events topic is shared by all runs."""
    preset = load(ROOT / "config" / "presets" / "electricity.yaml")
    names = {n: f"{run}-{n}" for n in ("decisions", "feedback", "alerts", "review", "dead_letters", "telemetry")}
    labels = {"labels": "labels" if run == "labelled" else f"{run}-labels"}
    return preset.model_copy(
        update={
            "name": run,
            "kafka": preset.kafka.model_copy(update={"bootstrap": bootstrap, "group": run}),
            "topics": preset.topics.model_copy(update=names | labels),
            "state": preset.state.model_copy(update={"directory": directory / run}),
        }
    )


class FromTheStart:
    """Has a member of a group start at the beginning of every partition."""

    def assigned(self, committed: Mapping[Partition, int | None]) -> Offsets:
        return dict.fromkeys(committed, 0)

    def revoked(self, partitions: object) -> None:
        pass


def bare(settings: Settings, count: int) -> float:
    """Consume, decode, encode, produce and commit all events; returns events a second."""
    transport = KafkaTransport(settings.kafka, group="bare", shared=[settings.topics.events], rebalance=FromTheStart())
    done, started = 0, 0.0
    try:
        while done < count:
            before = time.perf_counter()
            records = transport.poll(BATCH, 1.0)
            if records and not started:  # the time that joining the group takes is not measured
                started = before
            for record in records:
                transport.produce(
                    settings.topics.decisions, record.key, orjson.dumps(orjson.loads(record.value or b""))
                )
            transport.flush()
            if records:
                transport.commit({Partition(r.topic, r.partition): r.offset + 1 for r in records})
            done += len(records)
        return done / (time.perf_counter() - started)
    finally:
        transport.close()


def whole_path(settings: Settings, count: int, labelled: bool) -> tuple[float, dict[str, float]]:
    """Run a worker until every event is decided, and every label learnt where there are labels.

    Returns events a second, and the latencies of the batches in milliseconds.
    """
    with Worker(settings, kafka_transports(settings)) as worker:
        started = 0.0
        while worker.counts.events < count or (labelled and worker.counts.feedback < count):
            before = time.perf_counter()
            worker.step(1.0)
            if worker.counts.events and not started:
                started = before
        return count / (time.perf_counter() - started), latencies(worker.counts)


def fill(settings: Settings, source: list[PastEvent]) -> None:
    """Put all events, and all labels, into their topics."""
    transport = KafkaTransport(settings.kafka, group="fill")
    for past in source:
        transport.produce(settings.topics.events, past.id.encode(), past.event)
        transport.produce(settings.topics.labels, past.id.encode(), label_record(settings, past))
    transport.flush()
    transport.close()


def no_transport() -> Transport:
    raise AssertionError("a file is read without a broker")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, broker(arguments.bootstrap, Path(temporary)) as (name, address):
        runs = {run: settings_of(address, run, Path(temporary)) for run in ("bare", "unlabelled", "labelled")}
        for settings in runs.values():
            topics.create(settings)
        source = list(itertools.islice(read_source(runs["labelled"], str(DATA), no_transport), arguments.events))
        fill(runs["labelled"], source)
        count = len(source)
        base = bare(runs["bare"], count)
        deciding, deciding_ms = whole_path(runs["unlabelled"], count, labelled=False)
        learning, learning_ms = whole_path(runs["labelled"], count, labelled=True)
    print(f"{count:,} events of {len(source[0].event)} bytes on {name}, batches of at most {BATCH:,}")
    print(f"{'':44}{'events/s':>10}{'of bare':>9}{'batch p50':>11}{'p99':>9}")
    print(f"{'bare consume, decode, encode, produce':44}{base:>10,.0f}{1:>9.3f}")
    for what, rate, ms in (
        ("decide (no labels)", deciding, deciding_ms),
        ("decide, join and learn (all labelled)", learning, learning_ms),
    ):
        print(f"{what:44}{rate:>10,.0f}{rate / base:>9.3f}{ms['p50']:>8.0f} ms{ms['p99']:>6.0f} ms")


if __name__ == "__main__":
    main()
