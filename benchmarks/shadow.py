"""What does a shadow cost? Events a second with one beside the model that decides, and without.

A worker with the experts of `service.py` and a warm model works off batches of 1,000 on the broker in memory: 1,000
events, then their labels, then their feedback. The shadow is the same pool with another seed, so that it costs what a
model of that size costs; the worker does both, one after the other. Printed are CPU seconds, of deciding alone and with
every label learnt, by the batch in the middle of all.

    python benchmarks/shadow.py [--batches 20] [--warm 10]

`its own labels`: the shadow differs in its explanations alone, so that it learns from what the other model saw of each
event. `another model`: it scores each event once more when its label comes. `... and decisions`: what it would decide
is written to a topic of its own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parts.service.config import PARTITIONS, Scenario, write_config
from parts.service.events import Events

from tocsin.config import Settings
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.worker import Worker

BATCH = 1_000
SHADOWS: dict[str, tuple[dict[str, Any], bool] | None] = {
    "without a shadow": None,
    "its own labels": ({"explanation": {"experts": 4}}, False),
    "another model": ({"seed": 1}, False),
    "another model, and decisions": ({"seed": 1}, True),
}


class Spent(NamedTuple):
    """CPU seconds."""

    deciding: float
    learning: float


class Bench:
    """A worker, with a broker in memory and events of the electricity market."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._broker = MemoryBroker()
        for topic in settings.topics.names():
            self._broker.create(topic, 1 if topic == settings.topics.feedback else PARTITIONS)
        self._producer = MemoryTransport(self._broker)
        self._events = Events(settings, False)
        self._sent = 0

    def open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """See `tocsin.streams.worker.worker.OpenTransport`."""
        group = self._settings.group
        return MemoryTransport(self._broker, shared=shared, whole=whole, group=group, rebalance=rebalance)

    def round(self, worker: Worker) -> Spent:
        """A thousand events, and then their labels."""
        taken = list(self._events.take(self._sent, BATCH))
        self._sent += BATCH
        topics, spent = self._settings.topics, list[float]()
        events, labels = [one.event for one in taken], [self._events.label(one) for one in taken]
        for topic, values in ((topics.events, events), (topics.labels, labels)):
            for one, value in zip(taken, values, strict=True):
                self._producer.produce(topic, one.key, value)
            began = time.process_time()
            while worker.step(0):
                pass
            spent.append(time.process_time() - began)
        return Spent(*spent)


def measured(shadow: tuple[dict[str, Any], bool] | None, warm: int, batches: int) -> Spent:
    """CPU seconds of a batch: the median of those that are timed."""
    with tempfile.TemporaryDirectory() as temporary:
        _, settings = write_config(Scenario("shadow", None, False), "127.0.0.1:9092", Path(temporary), "brief")
        if shadow is not None:
            changes, told = shadow
            tree = settings.without_secrets()
            tree["topics"]["shadow"] = "beside" if told else None
            settings = Settings(**tree).with_shadow(Settings(**{**tree, **_merged(tree, changes)}))
        bench = Bench(settings)
        with Worker(settings, bench.open) as worker:
            for _ in range(warm):
                bench.round(worker)
            spent = [bench.round(worker) for _ in range(batches)]
            assert worker.counts.feedback == BATCH * (warm + batches)
    return Spent(*(statistics.median(part) for part in zip(*spent, strict=True)))


def _merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: {**tree[key], **value} if isinstance(value, dict) else value for key, value in changes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--warm", type=int, default=10, help="batches by which the models are warmed")
    arguments = parser.parse_args()
    print(f"{arguments.batches * BATCH:,} events and their labels, in batches of {BATCH:,}; events in a CPU second")
    print(f"{'':32}{'deciding':>10}{'of that':>9}{'and learning':>14}{'of that':>9}")
    usual: tuple[float, float] | None = None
    for name, shadow in SHADOWS.items():
        spent = measured(shadow, arguments.warm, arguments.batches)
        rates = BATCH / spent.deciding, BATCH / (spent.deciding + spent.learning)
        usual = usual or rates
        shares = [rate / whole for rate, whole in zip(rates, usual, strict=True)]
        print(f"{name:32}{rates[0]:>10,.0f}{shares[0]:>9.2f}{rates[1]:>14,.0f}{shares[1]:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
