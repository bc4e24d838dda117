"""What does it cost a worker to go back, by how far back the feedback lies that is left out?

A worker with the experts of the electricity preset decides and learns all of its 45,312 events on the broker in memory.
Then one record after the other is left out, each farther back than the one before it, and what the worker needs to work
off the control record is timed. The first line is what deciding and learning took.

    python benchmarks/going_back.py [--every 2000] [--kept 8]
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tocsin.config.loading.file import load
from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.transport.topics import ONE_PARTITION
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.worker.worker import Worker

PRESETS = Path(__file__).resolve().parents[1] / "config" / "presets"
BATCH = 500
BACK = (100, 1_000, 4_000, 10_000, 20_000, 40_000)


class Told(logging.Handler):
    """Keeps how many records were learnt anew, as the log says it."""

    learnt = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if "went back" in record.msg and isinstance(record.args, tuple):
            self.learnt = int(str(record.args[3]))


def settings(directory: Path, every: int, kept: int) -> Settings:
    """The preset, with a state of its own."""
    preset = load(PRESETS / "electricity.yaml")
    state = {"directory": directory, "snapshot_every": every, "snapshots_back": kept}
    return preset.model_copy(update={"state": preset.state.model_copy(update=state)})


def taught(worker: Worker, broker: MemoryBroker, config: Settings) -> int:
    """Let a worker decide and learn all events; returns how many that are."""
    feeder, topics, events = MemoryTransport(broker), config.topics, 0
    for past in read_source(config, str(PRESETS / "data" / "electricity.csv.gz"), lambda: feeder):
        feeder.produce(topics.events, past.key, past.event)
        feeder.produce(topics.labels, past.key, label_record(config, past))
        events += 1
        if events % BATCH == 0:
            work(worker)
    work(worker)
    return events


def work(worker: Worker) -> None:
    """Let a worker do what there is to do."""
    while worker.step(0):
        pass


def measure(every: int, kept: int) -> None:
    """Print what learning took, and each going back."""
    broker, told = MemoryBroker(), Told()
    log = logging.getLogger("tocsin.streams.worker.model")
    log.setLevel(logging.INFO)
    log.addHandler(told)
    with tempfile.TemporaryDirectory() as temporary:
        config = settings(Path(temporary), every, kept)
        single = {config.topics.by_role()[role] for role in ONE_PARTITION}
        for topic in config.topics.names():
            broker.create(topic, 1 if topic in single else 4)

        def open_transport(
            shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None
        ) -> Transport:
            return MemoryTransport(broker, shared=shared, whole=whole, group=config.group, rebalance=rebalance)

        with Worker(config, open_transport) as worker:
            began = time.perf_counter()
            events = taught(worker, broker, config)
            seconds = time.perf_counter() - began
            print(f"{events:,} events decided and learnt in {seconds:.1f} s, {events / seconds:,.0f} a second")
            print(f"{'back':>8}{'anew':>10}{'seconds':>10}{'a second':>10}")
            for back in BACK:
                offset = worker.classifier.feedback_offset - back
                control = Control(kind="leave-out", reason="taken-back", time=0, offsets=[offset])
                broker.append(config.topics.feedback, None, packed_control(control), ())
                began, told.learnt = time.perf_counter(), 0
                work(worker)
                seconds = time.perf_counter() - began
                print(f"{back:>8,}{told.learnt:>10,}{seconds:>10.2f}{told.learnt / seconds:>10,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=2_000, help="state.snapshot_every")
    parser.add_argument("--kept", type=int, default=8, help="state.snapshots_back")
    arguments = parser.parse_args()
    measure(arguments.every, arguments.kept)


if __name__ == "__main__":
    main()
