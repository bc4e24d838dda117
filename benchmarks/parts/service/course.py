"""One scenario from end to end: warm a model, decide, learn, and decide again at half the pace."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from parts.service import children
from parts.service.broker import Reader, create, fill_events, fill_labels, rate
from parts.service.config import Scenario, write_config
from parts.service.events import Events
from tocsin.streams.transport import topics

WARM_CHUNK = 500
"""Events that are decided, while the model is warmed, before their labels come."""
PROBES = 500
"""Events by which one sees that a worker is at work."""
_LEARNING = 60.0
"""Seconds that the last chunk may take to be learnt."""
EARLY = 0.1
"""At half load the first events, this share of all, are left out: the worker has just begun."""


class Latency(NamedTuple):
    """From an event's append time to its decision's receipt, milliseconds."""

    pace: float
    """Events a second that were sent."""
    received: int
    sent: int
    p50: float
    p99: float


class Measured(NamedTuple):
    """What one run of a worker came to."""

    decisions: float
    """A second, by append times."""
    feedback: float | None
    """Records a second, by append times."""
    worker: dict[str, Any]
    """The worker's own figures."""


class Course:
    """The topics, the events and the state of one scenario, and how far it has come."""

    def __init__(self, scenario: Scenario, bootstrap: str, directory: Path, count: int) -> None:
        directory.mkdir()
        self.scenario = scenario
        self.count = count
        self._bootstrap = bootstrap
        self._directory = directory
        self._config, self._settings = write_config(scenario, bootstrap, directory)
        self._events = Events(self._settings, scenario.text)
        topics.create(self._settings)
        self._next = 0
        """The number of the next event."""
        self._bare = 0
        """Bare loops that were run."""
        self._decided_from: dict[int, int] = {}
        """Where the events begin that are decided first, which the bare loop reads, too."""

    @property
    def event_bytes(self) -> int:
        """Of the first event."""
        return len(self._events.take(0, 1)[0].event)

    def warm(self, labelled: int) -> None:
        """Have a worker decide and learn so many events, a chunk's labels behind the chunk, and stop cleanly."""
        labelled = max(labelled // WARM_CHUNK, 1) * WARM_CHUNK
        names = self._settings.topics
        decisions = Reader(self._bootstrap, names.decisions)
        result = self._directory / "warm.json"
        with children.running("worker", self._config, result, labelled, labelled) as worker:
            feedback = Reader(self._bootstrap, names.feedback)
            for _ in range(0, labelled, WARM_CHUNK):
                chunk = self._take(WARM_CHUNK)
                fill_events(self._bootstrap, names.events, chunk)
                decisions.take(WARM_CHUNK, worker)
                fill_labels(self._bootstrap, names.labels, chunk, self._events)
                feedback.take(WARM_CHUNK, worker)
            worker.wait(_LEARNING)  # until it has learnt the last of them, too
        decisions.close()
        feedback.close()

    def prepare(self) -> None:
        """Put the events there that are decided first."""
        here = Reader(self._bootstrap, self._settings.topics.events)
        self._decided_from = here.offsets
        here.close()
        fill_events(self._bootstrap, self._settings.topics.events, self._take(self.count))

    def decide(self) -> Measured:
        """Run a worker on the events that are there."""
        decisions = Reader(self._bootstrap, self._settings.topics.decisions)
        figures = children.work(self._config, self.count, 0)
        measured = Measured(rate(decisions.append_times(self.count)), None, figures)
        decisions.close()
        return measured

    def learn(self) -> Measured:
        """Put as many events more there, and the labels of those before, and run a worker on both."""
        names = self._settings.topics
        before = self._events.take(self._next - self.count, self.count)
        fill_events(self._bootstrap, names.events, self._take(self.count))
        fill_labels(self._bootstrap, names.labels, before, self._events)
        decisions, feedback = Reader(self._bootstrap, names.decisions), Reader(self._bootstrap, names.feedback)
        figures = children.work(self._config, self.count, self.count)
        decided, learnt = rate(decisions.append_times(self.count)), rate(feedback.append_times(self.count))
        decisions.close()
        feedback.close()
        return Measured(decided, learnt, figures)

    def bare(self) -> float:
        """Run the bare loop on the events that are decided first; returns records a second, by append times."""
        self._bare += 1
        target = f"{self.scenario.name}-bare-{self._bare}"
        create(self._bootstrap, target)
        written = Reader(self._bootstrap, target)
        children.bare(self._bootstrap, self._settings.topics.events, target, self.count, self._decided_from)
        measured = rate(written.append_times(self.count))
        written.close()
        return measured

    def half_load(self, pace: float, seconds: float) -> Latency:
        """Send events at an even pace to a worker that is at work, and time their decisions."""
        names, sent = self._settings.topics, int(pace * seconds)
        file, result = self._directory / "paced.jsonl", self._directory / "receipts.json"
        file.write_bytes(b"\n".join(past.event for past in self._take(sent)))
        with children.running("worker", self._config, self._directory / "half.json", 0, 0) as worker:
            self._probe(worker)
            decisions, events = Reader(self._bootstrap, names.decisions), Reader(self._bootstrap, names.events)
            offsets = json.dumps(decisions.offsets)
            with children.running("receipts", self._bootstrap, names.decisions, sent, offsets, result) as receipts:
                assert receipts.stdout is not None
                receipts.stdout.readline()
                paced = float(children.run("paced", self._bootstrap, names.events, file, pace))
                receipts.wait()
        appended = {orjson.loads(value)["id"]: when for when, value in events.take(sent)}
        decisions.close()
        events.close()
        return _latency(appended, orjson.loads(result.read_bytes()), paced)

    def _probe(self, worker: subprocess.Popen[bytes]) -> None:
        """Return when a worker is at work."""
        names = self._settings.topics
        decisions, some = Reader(self._bootstrap, names.decisions), self._take(PROBES)
        fill_events(self._bootstrap, names.events, some)
        decisions.take(PROBES, worker)
        decisions.close()

    def _take(self, count: int) -> list[Any]:
        self._next += count
        return self._events.take(self._next - count, count)


def _latency(appended: dict[str, int], received: dict[str, float], pace: float) -> Latency:
    """What lies between the append times of events and the receipts of their decisions, both epoch milliseconds."""
    settled = sorted(appended, key=appended.__getitem__)[int(EARLY * len(appended)) :]
    waits = np.array([received[event] - appended[event] for event in settled if event in received])
    p50, p99 = np.percentile(waits, [50, 99]).tolist() if len(waits) else (float("nan"), float("nan"))
    return Latency(pace, len(received), len(appended), p50, p99)
