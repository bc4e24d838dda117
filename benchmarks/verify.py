"""How fast are past decisions verified, beside how fast they were made and learnt from?

A worker with the experts of `service.py` decides events on the broker in memory and learns their labels, which come one
batch late. Then all is verified by `tocsin replay --verify`'s own code, from an empty directory: the chain is checked,
the model is folded from the beginning, and each decision is made again and compared byte by byte. Both run in this
process, one after the other, after as many events as warm both; the time of the worker is that of its steps alone.

    python benchmarks/verify.py [--events 20000] [--batch 500] [--level brief] [--text]

It prints events a second of both, and the ratio, which is to be at least 0.5.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from parts.course import Course
from parts.service.config import Scenario, write_config

from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.verify import Verify
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.worker import Worker

ENOUGH = 0.5


def verify(course: Course, directory: Path, span: Span) -> tuple[VerifyReport, float]:
    """Verify from an empty directory; returns what was found, and the seconds that it took."""
    state = course.settings.state.model_copy(update={"directory": directory})
    elsewhere = course.settings.model_copy(update={"state": state})
    began = time.perf_counter()
    report = Verify(elsewhere, MemoryTransport(course.broker), span).run()
    return report, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500, help="events that come at once")
    parser.add_argument("--level", choices=("none", "brief", "full"), default="brief")
    parser.add_argument("--text", action="store_true", help="with a text in each event, and an expert that reads it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        _, settings = write_config(
            Scenario("verify", None, arguments.text), "127.0.0.1:9092", directory, arguments.level
        )
        course = Course(settings, arguments.text, arguments.batch)
        with Worker(settings, course.open) as worker:
            course.run(worker, 4 * arguments.batch)
            verify(course, directory / "warm", Span(stop_offset=2 * arguments.batch))
            seconds = course.run(worker, arguments.events)
        report, verifying = verify(course, directory / "elsewhere", Span())
    made, checked = arguments.events / seconds, report.checked / verifying
    print(f"decided and learnt: {made:,.0f} events a second in batches of {arguments.batch:,}")
    print(
        f"verified: {checked:,.0f} decisions a second; {report.reproduced:,} of {report.checked:,} reproduced, ", end=""
    )
    print(f"{report.to_the_byte:,} to the byte, the chain {'is whole' if report.chain.whole else 'is broken'}")
    print(f"verifying runs at {checked / made:.2f} of the speed of deciding and learning (at least {ENOUGH})")
    if not report.good:
        raise SystemExit(str(report.as_json()))


if __name__ == "__main__":
    main()
