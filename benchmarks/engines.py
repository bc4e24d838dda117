"""How many events a second does the service decide beside the same job in other libraries?

The job: read events, classify, write decisions; join labels by id, learn from them, write what was learnt. The rivals
are written as their users would write them, with river's adaptive random forest of ten trees: Quix Streams, a Faust
agent, and kafka-python by hand (`parts/engines/`). The service runs its twelve experts, one of which is a forest of
fifteen trees, and explains each decision.

All get the same events from the same broker, one after another: labelled events to warm up, then events without
labels (*deciding*), then as many more and the labels of those before (*learning*). Rates are of the broker's own
append times in the middle 80% of the records: decisions, and for learning what each writes for a label that it has
learnt. The machine is noisy: read the ratios.

    python benchmarks/engines.py [--events 10000] [--install] [--only NAME] [--rivals-only]
                                 [--environments build/engines] [--bootstrap host:port]

Each rival has a virtual environment of its own, because their libraries do not agree with ours. --install makes those
that are missing; without it they are left out, and the commands that make them are printed. What each promises when it
crashes says docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from parts.engines.environments import ENGINES, Engine, at_work, commands, install, interpreter
from parts.service.broker import Reader, broker, create, fill_events, fill_labels, rate
from parts.service.config import GUARANTEES, ROOT, Scenario, write_config
from parts.service.course import Course
from parts.service.events import Events

WARM_SHARE = 4
"""The model is warmed by a quarter as many events as are then decided."""
CHUNK = 500


class Rates(NamedTuple):
    """Records a second."""

    deciding: float
    learning: float


class Rival:
    """One rival on topics of its own."""

    def __init__(self, engine: Engine, bootstrap: str, directory: Path, count: int) -> None:
        directory.mkdir()
        self._engine = engine
        self._bootstrap = bootstrap
        self._directory = directory
        self._count = count
        _, settings = write_config(Scenario(engine.module, None, False), bootstrap, directory)
        self._events = Events(settings, False)
        self._topics = [f"{engine.module}-{role}" for role in ("events", "labels", "decisions", "learnt")]
        for topic in self._topics:
            create(bootstrap, topic)

    def run(self, environments: Path) -> Rates:
        """Warm it up, then time it."""
        events, labels, *written = self._topics
        decisions, learnt = (Reader(self._bootstrap, topic) for topic in written)
        log = self._directory / "log"
        with at_work(self._engine, environments, log, self._bootstrap, self._engine.module, *self._topics) as process:
            warm = max(self._count // WARM_SHARE // CHUNK, 1) * CHUNK
            for start in range(0, warm, CHUNK):
                chunk = self._events.take(start, CHUNK)
                fill_events(self._bootstrap, events, chunk)
                decisions.take(CHUNK, process)
                fill_labels(self._bootstrap, labels, chunk, self._events)
                learnt.take(CHUNK, process)
            first = self._events.take(warm, self._count)
            fill_events(self._bootstrap, events, first)
            deciding = self._rate(decisions, process)
            fill_events(self._bootstrap, events, self._events.take(warm + self._count, self._count))
            fill_labels(self._bootstrap, labels, first, self._events)
            learning = self._rate(learnt, process)
            decisions.take(self._count, process)
        return Rates(deciding, learning)

    def _rate(self, reader: Reader, process: subprocess.Popen[bytes]) -> float:
        taken = reader.take(self._count, process)
        return rate(np.sort(np.array([appended for appended, _ in taken], np.int64)))


def service(bootstrap: str, directory: Path, count: int, guarantee: str) -> Rates:
    """The service on the same events."""
    course = Course(Scenario(guarantee, guarantee, False), bootstrap, directory, count)
    course.warm(count // WARM_SHARE)
    course.prepare()
    return Rates(course.decide().decisions, course.learn().feedback or 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--install", action="store_true", help="make the environments that are missing")
    parser.add_argument("--only", choices=[engine.module for engine in ENGINES])
    parser.add_argument("--rivals-only", action="store_true", help="leave the service out")
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "engines")
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    engines = [engine for engine in ENGINES if arguments.only in (None, engine.module)]
    if arguments.install:
        for engine in engines:
            install(engine, arguments.environments)
    for engine in [e for e in engines if not interpreter(e, arguments.environments).exists()]:
        lines = "\n".join(map(shlex.join, commands(engine, arguments.environments)))
        print(f"{engine.name} is left out, because it is not installed: give --install, or run\n{lines}")
        engines.remove(engine)
    with tempfile.TemporaryDirectory() as temporary, broker(arguments.bootstrap, Path(temporary)) as (name, address):
        print(f"on {name}, one process each, 4 partitions, {arguments.events:,} events", flush=True)
        print(f"{'':34}{'deciding':>10}{'learning':>10}", flush=True)
        for guarantee in () if arguments.rivals_only else GUARANTEES:
            show(f"Tocsin, {guarantee}", service(address, Path(temporary) / guarantee, arguments.events, guarantee))
        for engine in engines:
            rival = Rival(engine, address, Path(temporary) / engine.module, arguments.events)
            show(f"{engine.name}, river's ARF", rival.run(arguments.environments))


def show(who: str, rates: Rates) -> None:
    """Print a line."""
    print(f"{who:34}{rates.deciding:>10,.0f}{rates.learning:>10,.0f}", flush=True)


if __name__ == "__main__":
    main()
