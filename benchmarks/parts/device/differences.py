"""Decisions on Electricity by the service on the CPU and on a device: how many differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from tocsin.config import Settings, load
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.replay.tables import read_csv
from tocsin.streams.wire.records import Decision

PRESETS = Path(__file__).resolve().parents[3] / "config" / "presets"
CONFIG, STREAM = PRESETS / "electricity.yaml", PRESETS / "data" / "electricity.csv.gz"
TOGETHER = 1_000
"""Events that are decided at once."""


class Said(NamedTuple):
    """What was decided of one event."""

    status: str
    label: str | None
    reason: str | None
    classes: tuple[str, ...]
    """Those that cannot be excluded."""
    numbers: tuple[float, ...]


class Differences(NamedTuple):
    """How the decisions of two runs differ."""

    events: int
    different: int
    """Of another status, class, reason or prediction set."""
    largest: float
    """The largest difference between any two numbers of them."""
    seconds: tuple[float, float]
    """What each run took in all, learning and the way around the model included."""


class Recorded(InProcess):
    """A replay whose decisions are kept."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, 1)
        self.said: list[Said] = []

    def _judge(self, past: PastEvent, decision: Decision | None) -> None:
        assert decision is not None
        beliefs = (belief for _, belief in sorted(decision.belief.items()))
        numbers = (*beliefs, decision.uncertainty, decision.conflict)
        self.said.append(Said(decision.status, decision.label, decision.reason, tuple(decision.set), numbers))
        super()._judge(past, decision)


def repeated(settings: Settings, events: int) -> Iterator[PastEvent]:
    """So many events: the stream again and again, with ids and times of their own."""
    made, round_ = 0, 0
    while made < events:
        for past in read_csv(settings, STREAM):
            if made == events:
                return
            raw = orjson.loads(past.event)
            raw["id"], raw["time"] = f"{round_}-{past.id}", made
            yield past._replace(id=raw["id"], time=made, event=orjson.dumps(raw))
            made += 1
        round_ += 1


def differences(device: str, events: int, together: int = TOGETHER) -> Differences:
    """Replay so many events on the CPU and on the device, with labels, and compare every decision."""
    runs, seconds = [], []
    for name in ("cpu", device):
        settings = load(CONFIG)
        kernels = settings.kernels.model_copy(update={"device": name})
        replay = settings.replay.model_copy(update={"together": together})
        run = Recorded(settings.model_copy(update={"kernels": kernels, "replay": replay}))
        report = run.run(repeated(settings, events))
        runs.append(run.said)
        seconds.append(events / (report.events_per_second or 1.0))
    different, largest = 0, 0.0
    for one, other in zip(*runs, strict=True):
        different += one[:4] != other[:4]
        largest = max(largest, *(abs(a - b) for a, b in zip(one.numbers, other.numbers, strict=True)))
    return Differences(len(runs[0]), different, largest, (seconds[0], seconds[1]))
