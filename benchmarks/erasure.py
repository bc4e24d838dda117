"""What does sealing cost a service: how fast is a worker with `erasure.enabled` beside one without?

A worker with the experts of `service.py` decides, joins and learns batches of 1,000 events on the broker in memory:
each batch of events, then its labels, then the feedback that comes of them. Two workers, one that seals and one that
does not, take turns at the same batches, so that both meet the same disturbances. Printed are events a second of each
(CPU time of the process, the median batch), their ratio, and the bytes of what is written. Subjects are either few, so
that their keys are in memory, or each event has one of its own, so that each brings a new key: a record more.

    python benchmarks/erasure.py [--batches 20] [--warm 10] [--text]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
from parts.service.config import PARTITIONS, Scenario, write_config
from parts.service.events import Events

from tocsin.config import Settings
from tocsin.config.erasure import ErasureSettings
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.transport.topics import ONE_PARTITION
from tocsin.streams.worker.worker import Worker

BATCH, FEW = 1_000, 1_000
"""Events of a batch, and how many subjects there are where there are few."""
SECRET = "a secret that is of no use to anybody"


class Bench:
    """One worker on a broker of its own."""

    def __init__(self, worker: Worker, broker: MemoryBroker, settings: Settings, events: Events, few: bool) -> None:
        self._worker, self._broker, self._settings, self._events, self._few = worker, broker, settings, events, few
        self._producer = MemoryTransport(broker)
        self._next = 0

    def round(self) -> float:
        """Decide, join and learn one batch; returns the seconds of CPU time."""
        topics, first = self._settings.topics, self._next
        some = self._events.take(first, BATCH)
        self._next += BATCH
        for n, past in enumerate(some, first):
            subject = f"s{n % FEW if self._few else n}"
            value = orjson.dumps({**orjson.loads(past.event), "subject": subject})
            self._producer.produce(topics.events, subject.encode(), value)
        seconds = self._work()
        for past in some:
            self._producer.produce(topics.labels, past.key, self._events.label(past))
        return seconds + self._work() + self._work()

    def _work(self) -> float:
        began, handled = time.process_time(), 0
        while handled < BATCH:
            handled += self._worker.step(0)
        return time.process_time() - began

    def sizes(self) -> str:
        """Mean bytes of the records of three topics, and of a pending entry."""
        names = self._settings.topics
        written = {"decision": names.decisions, "feedback": names.feedback, "key": names.keys}
        found = [f"{name} {self._mean(topic):,.0f}" for name, topic in written.items()]
        with self._worker._state.transaction() as t:
            sizes = [len(key) + len(value) for key, value in t.entries.walk("events")]
        return ", ".join([*found, f"pending entry {statistics.mean(sizes):,.0f}"])

    def _mean(self, topic: str) -> float:
        ends = self._producer.end_offsets(topic)
        records = [one for partition, end in ends.items() for one in self._producer.read(partition, 0, end)]
        return statistics.mean([len(one.value or b"") for one in records]) if records else 0.0


@contextmanager
def bench(sealed: bool, few: bool, text: bool) -> Iterator[Bench]:
    """A worker, with erasure or without."""
    broker = MemoryBroker()
    with tempfile.TemporaryDirectory() as temporary:
        _, settings = write_config(Scenario("erasure", None, text), "127.0.0.1:9092", Path(temporary))
        schema = settings.schema_.model_copy(update={"subject": "subject"})
        erasure = ErasureSettings(enabled=True, secret=SECRET) if sealed else ErasureSettings()
        settings = settings.model_copy(update={"erasure": erasure, "schema_": schema})
        one = {settings.topics.by_role()[role] for role in ONE_PARTITION}
        for topic in settings.topics.names():
            broker.create(topic, 1 if topic in one else PARTITIONS)

        def open_transport(
            shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None
        ) -> Transport:
            return MemoryTransport(broker, shared=shared, whole=whole, group=settings.group, rebalance=rebalance)

        with Worker(settings, open_transport) as worker:
            yield Bench(worker, broker, settings, Events(settings, text), few)


def compare(few: bool, text: bool, warm: int, batches: int) -> None:
    """Time both workers in turns, and print what it comes to."""
    with ExitStack() as stack:
        plain, sealed = (stack.enter_context(bench(one, few, text)) for one in (False, True))
        for _ in range(warm):
            plain.round()
            sealed.round()
        took = [(plain.round(), sealed.round()) for _ in range(batches)]
        rates = [BATCH / statistics.median(column) for column in zip(*took, strict=True)]
        ratio = statistics.median(a / b for a, b in took)
        who = f"{FEW:,} subjects" if few else "a subject for each event"
        print(f"{who}: {rates[0]:,.0f} events/s without, {rates[1]:,.0f} with erasure: {ratio:.2f} of the rate")
        print(f"  bytes without: {plain.sizes()}\n  bytes with:    {sealed.sizes()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--warm", type=int, default=10, help="batches by which both workers are warmed")
    parser.add_argument("--text", action="store_true", help="with a text in each event, and an expert that reads it")
    arguments = parser.parse_args()
    for few in (True, False):
        compare(few, arguments.text, arguments.warm, arguments.batches)


if __name__ == "__main__":
    main()
