"""A worker in a process of its own, which says at the end what it did and what CPU it took.

    python -m parts.service.worker CONFIG RESULT.json EVENTS FEEDBACK

It ends when it has decided so many events and learnt so many feedback records (with 0 and 0, at SIGTERM), and in any
case cleanly.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.config import load
from tocsin.streams.worker import service
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.worker import Worker


class Mark(NamedTuple):
    """What was used and done at one instant: seconds of CPU."""

    whole: float
    main: float
    events: int


class Watch:
    """Tells a worker when to stop, and notes what CPU it used between its first batch of events and its last."""

    def __init__(self, events: int, feedback: int) -> None:
        self._events, self._feedback = events, feedback
        self._main = time.pthread_getcpuclockid(threading.main_thread().ident or 0)
        self.counts: Counts | None = None
        self.told = False
        self.began: Mark | None = None
        self.ended: Mark | None = None

    def __call__(self) -> bool:
        counts = self.counts
        if counts is None:
            return self.told
        if counts.events:
            mark = Mark(time.process_time(), time.clock_gettime(self._main), counts.events)
            self.began = self.began or mark
            self.ended = mark
        asked = self._events or self._feedback
        done = asked and counts.events >= self._events and counts.feedback >= self._feedback
        return self.told or bool(done)

    def figures(self) -> dict[str, Any]:
        """What the worker did, and CPU microseconds an event; nan where all events came in one batch."""
        counts = self.counts or Counts()
        began, ended = self.began or Mark(0.0, 0.0, 0), self.ended or Mark(0.0, 0.0, 0)
        events = ended.events - began.events
        return {
            "totals": counts.totals(),
            "reasons": dict(counts.reasons),
            "labels": dict(counts.labels),
            "main_us": 1e6 * (ended.main - began.main) / events if events else None,
            "whole_us": 1e6 * (ended.whole - began.whole) / events if events else None,
        }


def main() -> None:
    config, result, events, feedback = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    watch = Watch(int(events), int(feedback))

    class Watched(Worker):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            watch.counts = self.counts

    def told(*_: object) -> None:
        watch.told = True

    signal.signal(signal.SIGTERM, told)
    vars(service)["Worker"] = Watched  # which `run` makes
    service.run(load(config), watch)
    Path(result).write_text(json.dumps(watch.figures()))


if __name__ == "__main__":
    main()
