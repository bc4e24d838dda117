"""Do memory, lag and latency of a worker at full rate stay what they are?

A worker with twelve experts decides and learns as fast as it can: a feeder keeps so many events under way that there is
always something to do, and sends each event's label once it is decided. Every ten seconds the worker's anonymous memory
is read, and how many events are under way, how many were decided, and how long every fiftieth took from its sending to
the receipt of its decision. What comes before the last two thirds is left out of the slopes: until then the model grows
to its bounds.

    python benchmarks/soak.py [--minutes 30] [--under-way 4000] [--bootstrap host:port] [--plot docs/soak.png]

It prints a line for each sample and, at the end, by how much each figure rises in ten minutes. The plot needs
matplotlib. The disk of the broker needs some gigabytes, because feedback is kept.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from parts.service import children
from parts.service.broker import PRODUCER, broker, reading
from parts.service.config import APPEND_TIME, PARTITIONS, Scenario, write_config
from parts.service.events import Events
from parts.service.memory import anonymous_megabytes

from tocsin.config import load
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.transport import topics

SAMPLE_SECONDS = 10.0
TIMED = 50
"""Of so many events one is timed."""
SETTLED_FROM = 1 / 3
PATIENCE = 120.0
"""Seconds without a decision after which it gives up; the worker compiles first."""
BOUNDED = {"segment.bytes": 64 << 20, "retention.bytes": 256 << 20}
"""Events and decisions are not kept for long: the disk would be full."""


class Sample(NamedTuple):
    """What was seen in one interval."""

    seconds: float
    """Since the first decision."""
    memory_mb: float
    """Anonymous memory of the worker (RssAnon)."""
    under_way: float
    """Events that were sent and not decided, on average."""
    decided: float
    """A second."""
    p50: float
    """Milliseconds, as p99."""
    p99: float


class Feeder:
    """Keeps events under way, and sends the labels of those that are decided."""

    def __init__(self, bootstrap: str, config: Path, under_way: int) -> None:
        settings = load(config)
        self._topics = settings.topics
        self._events = Events(settings, text=False)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **PRODUCER})
        self._consumer = Consumer(reading(bootstrap))
        self._consumer.assign([TopicPartition(self._topics.decisions, p, 0) for p in range(PARTITIONS)])
        self._most = under_way
        self._sent = 0
        self._waiting: dict[str, PastEvent] = {}
        self._timed: dict[str, float] = {}
        self.waits: list[float] = []
        self.under_way: list[int] = []
        self.decided = 0

    def turn(self) -> int:
        """Take decisions, send their labels and as many new events; returns how many decisions came."""
        messages = self._consumer.consume(2_000, 0.01)
        now = time.perf_counter()
        for message in messages:
            if message.error() is not None:
                raise SystemExit(f"decisions cannot be read: {message.error()}")
            identity = orjson.loads(message.value() or b"{}")["event"]
            past = self._waiting.pop(identity)
            if (sent := self._timed.pop(identity, None)) is not None:
                self.waits.append(1000 * (now - sent))
            self._producer.produce(self._topics.labels, self._events.label(past), past.key)
        for past in self._events.take(self._sent, self._most - len(self._waiting)):
            self._producer.produce(self._topics.events, past.event, past.key)
            self._waiting[past.id] = past
            if self._sent % TIMED == 0:
                self._timed[past.id] = time.perf_counter()
            self._sent += 1
        self._producer.poll(0)
        self.decided += len(messages)
        self.under_way.append(len(self._waiting))
        return len(messages)


def soak(feeder: Feeder, worker: subprocess.Popen[bytes], seconds: float) -> list[Sample]:
    """Feed for so long from the first decision on, and print what is seen."""
    samples: list[Sample] = []
    last = time.monotonic()
    while not feeder.turn():
        if time.monotonic() - last > PATIENCE or worker.poll() is not None:
            raise SystemExit("the worker does not decide")
    began = time.monotonic()
    print("seconds, memory MB, under way, decided a second, p50 ms, p99 ms")
    while (now := time.monotonic()) < began + seconds:
        until = now + SAMPLE_SECONDS
        before = feeder.decided
        feeder.waits.clear()
        feeder.under_way.clear()
        while time.monotonic() < until:
            feeder.turn()
        p50, p99 = np.percentile(feeder.waits, [50, 99]) if feeder.waits else (np.nan, np.nan)
        decided = (feeder.decided - before) / (time.monotonic() - now)
        under_way = float(np.mean(feeder.under_way))
        samples.append(
            Sample(
                now - began, anonymous_megabytes(worker.pid) or float("nan"), under_way, decided, float(p50), float(p99)
            )
        )
        print(", ".join(f"{value:.1f}" for value in samples[-1]), flush=True)
    return samples


def rises(samples: list[Sample]) -> dict[str, float]:
    """By how many percent of its mean each figure rises in ten minutes, by least squares."""
    settled = np.array(samples[int(SETTLED_FROM * len(samples)) :])
    slopes = np.polyfit(settled[:, 0], settled[:, 1:], 1)[0]
    percents = 100 * 600 * slopes / settled[:, 1:].mean(axis=0)
    return dict(zip(Sample._fields[1:], percents.tolist(), strict=True))


def plot(samples: list[Sample], file: Path) -> None:
    """Draw every figure against time."""
    import matplotlib.pyplot as plt  # not needed without a plot

    table = np.array(samples)
    figure, axes = plt.subplots(len(Sample._fields) - 1, 1, sharex=True, figsize=(8, 9), layout="constrained")
    for column, (axis, name) in enumerate(zip(axes, Sample._fields[1:], strict=True), start=1):
        axis.plot(table[:, 0] / 60, table[:, column], linewidth=1)
        axis.set_ylim(bottom=0)
        axis.set_ylabel(name.replace("_", " "))
    axes[-1].set_xlabel("minutes")
    figure.savefig(file, dpi=100)


def with_bounded_topics(config: Path) -> None:
    """Have the topics of a config keep no more than they must."""
    raw = yaml.safe_load(config.read_text())
    raw["topics"]["options"] = dict.fromkeys(("events", "decisions", "labels"), APPEND_TIME | BOUNDED)
    config.write_text(yaml.safe_dump(raw, sort_keys=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--under-way", type=int, default=4_000)
    parser.add_argument("--bootstrap")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, broker(arguments.bootstrap, Path(temporary)) as (name, address):
        print(f"on {name}, one worker, 4 partitions, 12 experts, brief explanations", flush=True)
        config, _ = write_config(Scenario("soak", None, False), address, Path(temporary))
        with_bounded_topics(config)
        topics.create(load(config))
        with children.running("worker", config, Path(temporary) / "soak.json", 0, 0) as worker:
            samples = soak(Feeder(address, config, arguments.under_way), worker, 60 * arguments.minutes)
    for what, percent in rises(samples).items():
        print(f"{what}: {percent:+.2f}% in ten minutes")
    if arguments.plot is not None:
        plot(samples, arguments.plot)


if __name__ == "__main__":
    main()
