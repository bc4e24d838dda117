"""Decisions on Electricity on the CPU and on a device: how many differ, and by how much.

There are two questions. Where both score the very same model, they should differ by the last bits of sums. Where each
learns from what it said itself, these last bits come back: what experts had said is a part of the feedback, and
training the router amplifies a difference. After long two runs are two models, as two runs with different seeds are;
neither is the better one. Workers of one service fold one log, so they do not come apart, whatever each of them scores
on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from tocsin.config import Settings, load
from tocsin.kernels.device.place import Place
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.scoring.opinions import CpuScorer
from tocsin.models.device.scorer import DeviceScorer
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
    accuracy: tuple[float, float]
    """Of the most probable classes on the CPU, and on the device."""


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


def of_each_its_own(device: str, events: int, together: int = TOGETHER) -> Differences:
    """Replay so many events on the CPU and on the device, with labels, each from its own feedback."""
    runs, accuracy = [], []
    for name in ("cpu", device):
        settings = load(CONFIG)
        kernels = settings.kernels.model_copy(update={"device": name})
        replay = settings.replay.model_copy(update={"together": together})
        run = Recorded(settings.model_copy(update={"kernels": kernels, "replay": replay}))
        accuracy.append(run.run(repeated(settings, events)).accuracy or 0.0)
        runs.append(run.said)
    different, largest = 0, 0.0
    for one, other in zip(*runs, strict=True):
        different += one[:4] != other[:4]
        largest = max(largest, *(abs(a - b) for a, b in zip(one.numbers, other.numbers, strict=True)))
    return Differences(len(runs[0]), different, largest, (accuracy[0], accuracy[1]))


def of_one_model(there: Place, events: int, together: int = TOGETHER) -> Differences:
    """Score so many events on the CPU and on the device by one model, which learns from what the CPU said."""
    settings = load(CONFIG)
    model = Classifier.from_config(settings)
    cpu, device = CpuScorer(model.mixture.scored_parts), DeviceScorer(model.mixture.scored_parts, there)
    columns, past = [feature.name for feature in settings.schema_.features], repeated(settings, events)
    different, largest, right = 0, 0.0, np.zeros(2)
    while block := list(islice(past, together)):
        raw = [orjson.loads(one.event) for one in block]
        X = np.array([[float(event["features"][name]) for name in columns] for event in raw])
        y = [one.label or "" for one in block]
        batch = Batch.of(X, ids=[one.id for one in block], times=np.array([one.time for one in block]))
        scores = []
        for scorer in (cpu, device):
            model.mixture.scorer = scorer
            scores.append(model.score(batch))
        one, other = scores
        same = (one.label == other.label) & (one.decided == other.decided) & (one.sets == other.sets).all(axis=1)
        different += int((~same).sum())
        for name in ("belief", "uncertainty", "conflict", "betp", "reliability"):
            largest = max(largest, float(np.abs(getattr(one, name) - getattr(other, name)).max(initial=0.0)))
        classes = [model.classes.index(label) for label in y]
        right += [(found.label == classes).sum() for found in scores]
        contexts = [one.context(i) for i in range(len(block))]
        model.learn(FeedbackBatch(batch, y, np.ones(len(block)), contexts, [()] * len(block)))
        model.feedback_offset += len(block)
    return Differences(events, different, largest, (float(right[0] / events), float(right[1] / events)))
