"""How much of what a bare loop of the same client passes does the service pass, deciding and learning?

A worker with twelve experts and brief explanations runs in a process of its own on four partitions. Its model is warmed
by labelled events first. *Deciding* is a worker on events without labels, *learning* one on as many events more and the
labels of those before; all of them are there before it starts. *Bare* is a loop that consumes, decodes, encodes and
produces the same events in batches of 1,000, each acknowledged before the next, without a model or a commit: the best
of three rounds, one before, one between and one after the others. All rates are of the broker's own append times in the
middle 80% of the records; those of learning are of feedback records. The machine is noisy: read the ratios.

At half load a producer sends events at half the rate of deciding, and each waits from its append time to the receipt of
its decision by a reader of what is committed.

    python benchmarks/service.py [--events 40000] [--guarantee exactly-once|at-least-once|both] [--text [only]]
                                 [--half-load-seconds 20] [--bootstrap host:port]

With --text all is done once more with thirty words in each event and one expert more that reads them, under the first
guarantee; with `--text only` nothing else is done, under each. With few events the figures mean nothing. Without
--bootstrap it starts Apache Kafka where the tests would find it, else the embedded broker. Where an event's CPU time
goes says `stages.py`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from parts.service import children
from parts.service.broker import broker
from parts.service.config import GUARANTEES, Scenario, guarantees_known
from parts.service.course import Course, Latency, Measured

WARM_SHARE, REPLAY_SHARE = 4, 4
"""The model is warmed by a quarter as many events as are then decided; as many are replayed in process."""


class Outcome(NamedTuple):
    """What one scenario came to."""

    scenario: Scenario
    bare: list[float]
    deciding: Measured
    learning: Measured
    half: Latency | None


def scenarios(asked: str, text: str | None) -> list[Scenario]:
    """What is to be run."""
    known = guarantees_known()
    if not known:
        print("kafka.guarantee is no setting of this version: there is one guarantee, and it is the one measured")
    chosen: list[str | None] = [None] if not known else [*GUARANTEES] if asked == "both" else [asked]
    runs = [Scenario(guarantee or "service", guarantee, False) for guarantee in chosen]
    texts = [Scenario(f"{run.name}-text", run.guarantee, True) for run in runs]
    return texts if text == "only" else runs + texts[:1] if text else runs


def measure(course: Course, half_load_seconds: float) -> Outcome:
    """Run one scenario, and print its figures as they come."""
    began = time.monotonic()
    course.warm(course.count // WARM_SHARE)
    course.prepare()
    bare = [course.bare()]
    deciding = course.decide()
    bare.append(course.bare())
    learning = course.learn()
    bare.append(course.bare())
    half = course.half_load(deciding.decisions / 2, half_load_seconds) if half_load_seconds else None
    outcome = Outcome(course.scenario, bare, deciding, learning, half)
    show(outcome, course)
    print(f"it took {time.monotonic() - began:.0f} s", flush=True)
    return outcome


def show(outcome: Outcome, course: Course) -> None:
    """Print what one scenario came to."""
    scenario, best = outcome.scenario, max(outcome.bare)
    words = f", a text of 30 words and an expert that reads it, {course.event_bytes} bytes" if scenario.text else ""
    print(f"\n{scenario.guarantee or 'the only guarantee'}{words}: {course.count:,} events")
    print(f"{'':34}{'a second':>10}{'of bare':>9}{'CPU us/event':>14}{'of it main':>12}")
    print(f"{'bare loop':34}{best:>10,.0f}{1:>9.3f}   (rounds: {', '.join(f'{r:,.0f}' for r in outcome.bare)})")
    for what, measured, told in (
        ("deciding: decisions", outcome.deciding, outcome.deciding.decisions),
        ("learning: feedback records", outcome.learning, outcome.learning.feedback or 0.0),
    ):
        whole, main = (measured.worker[part] or float("nan") for part in ("whole_us", "main_us"))
        print(f"{what:34}{told:>10,.0f}{told / best:>9.3f}{whole:>14.1f}{main:>12.1f}")
    print(f"{'  decisions beside them':34}{outcome.learning.decisions:>10,.0f}")
    for what, measured in (("deciding", outcome.deciding), ("learning", outcome.learning)):
        totals = measured.worker["totals"]
        told_of = ", ".join(f"{n:,} {name}" for name, n in sorted(measured.worker["reasons"].items()))
        labels = ", ".join(f"{n:,} {name}" for name, n in sorted(measured.worker["labels"].items()))
        print(
            f"  {what}: {totals['decided']:,} decided, {totals['abstained']:,} abstained ({told_of or 'none'}); "
            f"{totals['batches']:,} batches; {totals['feedback']:,} learnt" + (f"; labels: {labels}" if labels else "")
        )
    if (half := outcome.half) is not None:
        print(f"half load, {half.pace:,.0f} events a second: p50 {half.p50:.1f} ms, p99 {half.p99:.1f} ms", end="")
        print(f" ({half.received:,} of {half.sent:,} decisions received)")


def compare(outcomes: list[Outcome]) -> None:
    """Print how the guarantees stand to each other, where both were measured."""
    by_guarantee = {o.scenario.guarantee: o for o in outcomes if not o.scenario.text}
    if any(guarantee not in by_guarantee for guarantee in GUARANTEES):
        return
    once, least = (by_guarantee[guarantee] for guarantee in GUARANTEES)
    print(f"\n{GUARANTEES[0]} beside {GUARANTEES[1]}, at full load: deciding ", end="")
    print(f"{once.deciding.decisions / least.deciding.decisions:.3f} of it, learning ", end="")
    print(f"{(once.learning.feedback or 0.0) / (least.learning.feedback or float('nan')):.3f} of it")
    if once.half and least.half:
        print(f"at half load: {once.half.p50 - least.half.p50:+.1f} ms at p50, ", end="")
        print(f"{once.half.p99 - least.half.p99:+.1f} ms at p99")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--guarantee", choices=(*GUARANTEES, "both"), default="both")
    parser.add_argument(
        "--text",
        nargs="?",
        const="also",
        choices=("also", "only"),
        help="once more, or only, with a text in each event",
    )
    parser.add_argument("--half-load-seconds", type=float, default=20.0, help="0 leaves it out")
    parser.add_argument("--no-replay", action="store_true", help="leave the replay in process out")
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as temporary, broker(arguments.bootstrap, Path(temporary)) as (name, address):
        print(f"on {name}, one worker, 4 partitions, 12 experts, brief explanations", flush=True)
        for scenario in scenarios(arguments.guarantee, arguments.text):
            course = Course(scenario, address, Path(temporary) / scenario.name, arguments.events)
            outcomes.append(measure(course, arguments.half_load_seconds))
    compare(outcomes)
    if not arguments.no_replay:
        limit = arguments.events // REPLAY_SHARE
        report = children.replay(limit)
        print(f"\nreplay in process, labels one event late: {report['events_per_second']:,.0f} events a second", end="")
        print(f" ({report['events']:,} events, the preset's own nine experts; accuracy {report['accuracy']})")


if __name__ == "__main__":
    main()
