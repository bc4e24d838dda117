"""How fast is the past decided again under another config, beside how fast it was decided and learnt from?

A worker with the experts of `service.py` decides events on the broker in memory and learns their labels, which come one
batch late. Then `tocsin replay --what-if`'s own code decides all of them again: under the same config, which must
change nothing, and under one without the first expert. All run in this process, one after the other; the time of the
worker is that of its steps alone.

    python benchmarks/what_if.py [--events 20000] [--batch 500]

It prints events a second of each, and how many decisions changed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from parts.course import Course
from parts.service.config import Scenario, write_config

from tocsin.config import Settings
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.what_if.report import WhatIfReport
from tocsin.streams.replay.what_if.what_if import WhatIf
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.worker import Worker


def asked(course: Course, other: Settings) -> tuple[WhatIfReport, float]:
    """What another config would have decided, and events a second."""
    began = time.perf_counter()
    report = WhatIf(course.settings, other, MemoryTransport(course.broker)).run(Span())
    return report, report.events / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500, help="events that come at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        _, settings = write_config(Scenario("what-if", None, False), "127.0.0.1:9092", directory, "brief")
        course = Course(settings, False, arguments.batch)
        with Worker(settings, course.open) as worker:
            course.run(worker, 4 * arguments.batch)
            made = arguments.events / course.run(worker, arguments.events)
        print(f"decided and learnt: {made:,.0f} events a second in batches of {arguments.batch:,}")
        fewer = settings.model_copy(update={"experts": settings.experts[1:]})
        for name, other in (("the same config", settings), ("one expert less", fewer)):
            report, again = asked(course, other)
            print(
                f"{name}: {again:,.0f} events a second, {again / made:.2f} of that; {report.changed:,} of "
                f"{report.events:,} decisions changed, {report.moved:,} more by other numbers"
            )
            if other is settings and (report.changed or report.moved):
                raise SystemExit("the same config changes decisions")


if __name__ == "__main__":
    main()
