"""How much faster is a replay in process many events at a time than one by one, and are the decisions the same?

Both replay the first events of a preset's own data with labels one event late. CPU time is of this process, on one
thread; starting and compiling is taken away by replaying a few events first. Then the decisions of the events that both
replayed are compared.

    python benchmarks/replay.py [--config config/presets/electricity.yaml] [--events 20000] [--one-by-one 1500]
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tocsin.config import Settings, load
from tocsin.streams.replay.evaluation import PrequentialEvaluation
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.replay.source import read_source
from tocsin.streams.wire.records import Decision

DATA = {"electricity": "electricity.csv.gz", "sms": "sms_spam.tsv.gz"}
FEW = 300


class Noting(PrequentialEvaluation):
    """Keeps what was decided."""

    def begin(self) -> None:
        super().begin()
        self.said: list[tuple[Any, ...]] = []

    def add(self, decision: Decision, truth: str) -> bool:
        d = decision
        self.said.append((d.event, d.status, d.label, d.set, d.belief, d.uncertainty, d.conflict, d.reason))
        return super().add(decision, truth)


def replay(settings: Settings, past: list[PastEvent], many_at_once: bool) -> tuple[float, list[tuple[Any, ...]]]:
    """CPU seconds, and what was decided."""
    run = InProcess(settings, label_delay=1, many_at_once=many_at_once)
    run.evaluation = noting = Noting()
    began = time.process_time()
    run.run(past)
    return time.process_time() - began, noting.said


def rate(settings: Settings, past: list[PastEvent], many_at_once: bool) -> tuple[float, list[tuple[Any, ...]]]:
    """Events a CPU second, and what was decided."""
    replay(settings, past[:FEW], many_at_once)  # compiles and loads
    few, _ = replay(settings, past[:FEW], many_at_once)
    all_of_them, said = replay(settings, past, many_at_once)
    return (len(past) - FEW) / (all_of_them - few), said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("config/presets/electricity.yaml"))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--one-by-one", type=int, default=1_500)
    arguments = parser.parse_args()
    settings = load(arguments.config)
    source = arguments.config.parent / "data" / DATA[arguments.config.stem]
    past = list(islice(read_source(settings, str(source), _no_broker), arguments.events))
    slow, one = rate(settings, past[: arguments.one_by_one], many_at_once=False)
    fast, many = rate(settings, past, many_at_once=True)
    print(f"one by one    {slow:8,.0f} events a CPU second")
    print(f"many at once  {fast:8,.0f} events a CPU second, {fast / slow:.1f} times as many")
    same = "the same" if one == many[: len(one)] else "NOT the same"
    print(f"the decisions on the first {len(one):,} events are {same}")


def _no_broker() -> Any:
    raise AssertionError("the source is a file")


if __name__ == "__main__":
    main()
