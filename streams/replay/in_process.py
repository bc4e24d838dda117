"""Replay in process: the whole service on a log in memory, event by event, with labels as late as asked."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from river.tree import HoeffdingTreeClassifier

from tocsin.config.settings import Settings
from tocsin.streams.replay.metrics import Prequential
from tocsin.streams.replay.source import Row
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.worker import Worker

FORGET_EVERY = 2_000
"""Events between two times at which what was read is let go of, so that a long replay does not fill the memory."""


class InProcess:
    """Drives a worker with rows and judges what it decides.

    The label of row i is sent once row i + `label_delay` is decided: with 0 at once, with 1 one event late.
    """

    def __init__(self, settings: Settings, label_delay: int, rival: bool = False) -> None:
        self._settings = settings
        self._delay = label_delay
        self.metrics = Prequential()
        self._broker = MemoryBroker()
        for topic in settings.topics.names():
            self._broker.create(topic)
        self._decisions = self._reader(settings.topics.decisions)
        self._feeder = self._reader()
        self._rival = _Tree(settings, label_delay) if rival else None
        self._late: deque[Row] = deque()
        self.unlabelled = 0
        """Rows that have no label: decided, learnt from never, judged never."""

    def _reader(self, *whole: str) -> MemoryTransport:
        return MemoryTransport(self._broker, whole=whole, group="replay")

    def _open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        return MemoryTransport(
            self._broker, shared=shared, whole=whole, group=self._settings.group, rebalance=rebalance
        )

    def run(self, rows: Iterable[Row], progress: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Replay all rows; returns the report. Raises SourceError while reading them."""
        with tempfile.TemporaryDirectory(prefix="tocsin-replay-") as directory:
            state = self._settings.state.model_copy(update={"directory": Path(directory)})
            # An event and the feedback before it are always read together, whatever the service's batches are.
            batching = self._settings.batching.model_copy(update={"max_events": 1_000})
            settings = self._settings.model_copy(update={"state": state, "batching": batching})
            with Worker(settings, self._open) as worker:
                started = time.perf_counter()
                for n, row in enumerate(rows):
                    self._one(worker, row)
                    progress()
                    if n % FORGET_EVERY == FORGET_EVERY - 1:
                        self._forget()
                while self._late:
                    self._send_label(worker)
                worker.step(0)
                seconds = time.perf_counter() - started
                dead_letters = sum(worker.counts.dead_letters.values())
                handled = worker.counts.events + dead_letters
        report = self.metrics.report()
        return {
            **report,
            "events_per_second": handled / seconds if seconds else None,
            "dead_letters": dead_letters,
        }

    def _one(self, worker: Worker, row: Row) -> None:
        topics = self._settings.topics
        self._feeder.produce(topics.events, row.subject.encode(), row.event)
        worker.step(0)  # learns the feedback of the last label as well, before it decides
        for record in self._decisions.poll(2, 0):
            decision = orjson.loads(record.value or b"")
            if row.label is not None:
                self.metrics.add(decision, row.label)
                if self._rival is not None:
                    self.metrics.add_rival("hoeffding_tree", self._rival.answer(row))
        if row.label is None:
            self.unlabelled += 1
        self._late.append(row)
        if len(self._late) > self._delay:
            self._send_label(worker)

    def _send_label(self, worker: Worker) -> None:
        """The label that is due, as the config's producers would write it; joined at once, learnt in the next step."""
        row = self._late.popleft()
        if row.label is None:
            return
        self._feeder.produce(self._settings.topics.labels, row.subject.encode(), label_record(self._settings, row))
        worker.step(0)

    def _forget(self) -> None:
        topics = self._settings.topics
        for topic in topics.names():
            for partition, end in self._feeder.end_offsets(topic).items():
                # The last ones stay: what the worker has still to poll is never older.
                self._broker.expire(partition, end - 10)


def label_record(settings: Settings, row: Row) -> bytes:
    """A row's label in the shape that the config's schema reads."""
    paths = settings.schema_.label
    record: dict[str, Any] = {}
    for path, value in ((paths.event, row.id), (paths.label, row.label), (paths.time, row.time)):
        target = record
        *parents, last = path.split(".")
        for key in parents:
            target = target.setdefault(key, {})
        target[last] = value
    return orjson.dumps(record)


class _Tree:
    """A single river Hoeffding tree with its defaults on the same events and the same late labels."""

    def __init__(self, settings: Settings, delay: int) -> None:
        self._decoder = Decoder(EventSchema(settings))
        nominal = [f.name for f in settings.schema_.features if f.kind == "category"]
        self._tree = HoeffdingTreeClassifier(nominal_attributes=nominal or None)
        self._delay = delay
        self._late: deque[tuple[dict[Hashable, Any], str]] = deque()

    def answer(self, row: Row) -> bool:
        """Whether the tree is right about the row; then it learns the label that is due."""
        features = self._decoder.quick_features(orjson.loads(row.event))
        x: dict[Hashable, Any] = {name: value for name, value in features.items() if value is not None}
        right = self._tree.predict_one(x) == row.label
        assert row.label is not None
        self._late.append((x, row.label))
        if len(self._late) > self._delay:
            self._tree.learn_one(*self._late.popleft())  # type: ignore[no-untyped-call]
        return right
