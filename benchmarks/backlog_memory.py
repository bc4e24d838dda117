"""Does a worker's memory depend on how many events wait for it?

A worker with twelve experts starts on a backlog, and on another one of ten times as many events, on four partitions of
Apache Kafka. Its anonymous memory (`RssAnon`: no map of a file, and so not its state) is read twice a second until it
has decided everything. The figures are its most, and the most of the second half, when all kernels are there.

    python benchmarks/backlog_memory.py [--events 200000] [--bootstrap host:port]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parts.service import children
from parts.service.broker import broker, fill_events
from parts.service.config import Scenario, write_config
from parts.service.events import Events
from parts.service.memory import anonymous_megabytes

from tocsin.streams.transport import topics

_CHUNK = 20_000


def measure(bootstrap: str, directory: Path, count: int) -> None:
    """Let a worker loose on so many events, and print what it held."""
    directory.mkdir()
    config, settings = write_config(Scenario(f"backlog-{count}", None, False), bootstrap, directory)
    topics.create(settings)
    events = Events(settings, False)
    for start in range(0, count, _CHUNK):
        fill_events(bootstrap, settings.topics.events, events.take(start, min(_CHUNK, count - start)))
    began, told = time.monotonic(), []
    with children.running("worker", config, directory / "result.json", count, 0) as worker:
        while worker.poll() is None:  # it ends when it has decided them all
            time.sleep(0.5)
            if (held := anonymous_megabytes(worker.pid)) is not None:
                told.append(held)
    if not told:
        raise SystemExit("the worker ended at once")
    later = told[len(told) // 2 :]
    print(
        f"{count:>9,} events waiting: {max(told):.0f} MB at the most, {max(later):.0f} MB in the second half, "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, broker(arguments.bootstrap, Path(folder)) as (name, address):
        print(f"{name}, {sys.version.split()[0]}, {subprocess.check_output(['nproc'], text=True).strip()} cores")
        for count in (arguments.events // 10, arguments.events):
            measure(address, Path(folder) / str(count), count)


if __name__ == "__main__":
    main()
