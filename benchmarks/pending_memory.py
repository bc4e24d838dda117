"""What do a million events take that wait for their labels?

A worker with twelve experts decides events of the electricity market that have no labels, a batch of 5,000 after the
other, on a broker in memory that keeps nothing of what it has passed on. So whatever is held is the worker's. Printed
are the anonymous memory of the process (`RssAnon`: the state is a map of a file, whose pages the system may drop) and
the size of that file. The aims are 600 MB and 1.5 GB.

    python benchmarks/pending_memory.py [--events 1000000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from parts.service.config import PARTITIONS, Scenario, write_config
from parts.service.events import Events
from parts.service.memory import anonymous_megabytes

from tocsin.config import Settings
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.worker import Worker

BATCH, TOLD = 5_000, 100_000
"""Events of a batch, and those after which a line is printed."""


class Bench:
    """A worker, and a broker that forgets what was read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._broker = MemoryBroker()
        for topic in settings.topics.names():
            self._broker.create(topic, 1 if topic == settings.topics.feedback else PARTITIONS)
        self._producer = MemoryTransport(self._broker)
        self._events = Events(settings, False)

    def open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """See `tocsin.streams.worker.worker.OpenTransport`."""
        group = self._settings.group
        return MemoryTransport(self._broker, shared=shared, whole=whole, group=group, rebalance=rebalance)

    def run(self, count: int) -> None:
        """Have so many events decided, and print what is held on the way."""
        data = self._settings.state.directory / self._settings.name / "lmdb" / "data.mdb"
        with Worker(self._settings, self.open) as worker:
            worker.step(0)
            began = time.process_time()
            for start in range(0, count, BATCH):
                for past in self._events.take(start, min(BATCH, count - start)):
                    self._producer.produce(self._settings.topics.events, past.key, past.event)
                while worker.step(0):
                    pass
                self._forget()
                if (start + BATCH) % TOLD == 0:
                    each = 1e6 * (time.process_time() - began) / worker.counts.events
                    print(
                        f"{worker.counts.events:>9,} events wait: {anonymous_megabytes():4.0f} MB of anonymous memory, "
                        f"{data.stat().st_size / 1e6:5.0f} MB of map, {each:.0f} us each",
                        flush=True,
                    )

    def _forget(self) -> None:
        for topic in self._settings.topics.names():
            for partition, end in self._producer.end_offsets(topic).items():
                self._broker.expire(partition, end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _, settings = write_config(Scenario("pending", None, False), "127.0.0.1:9092", Path(folder))
        batching = settings.batching.model_copy(update={"max_events": BATCH})
        bench = Bench(settings.model_copy(update={"batching": batching}))
        print(f"{anonymous_megabytes():.0f} MB before the first event")
        bench.run(arguments.events)


if __name__ == "__main__":
    main()
