"""What does asking fewer experts cost in accuracy, and what does it spare in time?

For each `router.engage` one model of the default pool goes through the same stream, all side by side: 50 events are
scored, and then their labels are learnt with what was seen of each, as a service does it. Accuracy and the area under
the risk-coverage curve (AURC, by the model's own probabilities; smaller is better) are of these decisions. For time,
every thousand events are scored whole by every model as it stands, in turns; the ratio is that of the time for all
blocks but the first two, to the time of the model that asks everyone.

    python benchmarks/engagement.py             the table of docs/models.md: some ten minutes
    python benchmarks/engagement.py --quick     8,000 events of each stream
"""

from __future__ import annotations

import argparse
from statistics import fmean
from time import perf_counter
from typing import NamedTuple

import numpy as np
from parts.generators import STREAMS, Floats, Ints, Stream
from parts.selective import aurc, risk_coverage

from streams import BAR_STREAMS
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings
from tocsin.models import Batch, Classifier, FeedbackBatch

BLOCK, PIECE = 1_000, 50
WARM = 2
"""Blocks that are not timed: kernels are loaded, and no front is known yet."""
TRIES = 2
"""Of so many tries to score a block the quicker one counts."""


class Figures(NamedTuple):
    """How one model did on one stream."""

    accuracy: float
    aurc: float
    microseconds: float
    engaged: float
    """Experts asked about an event, on average."""


class Run:
    """One model on one stream."""

    def __init__(self, stream: Stream, engage: float) -> None:
        self._names = np.array([str(k) for k in range(stream.classes)])
        self._model = Classifier(ModelSettings(router=ReliabilitySettings(engage=engage)))
        columns = stream.X.shape[1]
        self._model.widen([str(f) for f in range(columns)], [False] * columns, self._names.tolist())
        self._right: list[Ints] = []
        self._confidence: list[Floats] = []
        self._engaged: list[float] = []
        self.seconds: list[float] = []

    def time(self, batch: Batch) -> float:
        """Seconds to score a block."""
        start = perf_counter()
        self._model.score(batch)
        return perf_counter() - start

    def decide_and_learn(self, batch: Batch, y: Ints) -> None:
        """Decide the events of a block, and learn their labels piece by piece."""
        for start in range(0, len(batch), PIECE):
            piece, labels = batch.rows(start, start + PIECE), y[start : start + PIECE]
            scores, rows = self._model.score(piece), len(labels)
            self._right.append(np.asarray(scores.label == labels, np.int64))
            self._confidence.append(scores.betp.max(axis=1))
            self._engaged.append(float(scores.engaged.sum()) / rows)
            contexts = [scores.context(i) for i in range(rows)]
            self._model.learn(FeedbackBatch(piece, self._names[labels].tolist(), np.ones(rows), contexts, [()] * rows))

    def figures(self) -> Figures:
        """The figures of all that was decided."""
        right, timed = np.concatenate(self._right), self.seconds[WARM:]
        area = aurc(risk_coverage(np.concatenate(self._confidence), right))
        spent = 1e6 * sum(timed) / (BLOCK * max(len(timed), 1))
        return Figures(100.0 * float(right.mean()), area, spent, fmean(self._engaged))


def measured(name: str, events: int, seed: int, engagements: list[float]) -> list[Figures]:
    """The figures of each engagement on one stream."""
    stream = STREAMS[name](events, seed)
    X, y = np.asarray(stream.X, np.float64), np.asarray(stream.y, np.int64)
    runs = [Run(stream, engage) for engage in engagements]
    for block, start in enumerate(range(0, min(events, len(y)) - BLOCK + 1, BLOCK)):
        rows = slice(start, start + BLOCK)
        batch = Batch.of(X[rows], ids=[str(i) for i in range(start, start + BLOCK)])
        turns = [(block + i) % len(runs) for i in range(len(runs))]
        times = [{i: runs[i].time(batch) for i in turns} for _ in range(TRIES)]
        for i, run in enumerate(runs):
            run.seconds.append(min(one[i] for one in times))
            run.decide_and_learn(batch, y[rows])
    return [run.figures() for run in runs]


def row(name: str, engage: float, one: Figures, everyone: Figures) -> str:
    """A row of the table, as Markdown."""
    change = one.accuracy - everyone.accuracy
    faster = everyone.microseconds / max(one.microseconds, 1e-9)
    cells = [f"{one.accuracy:.2f}", f"{change:+.2f}", f"{one.aurc:.4f}", f"{one.microseconds:.1f}", f"{faster:.2f}"]
    return f"| {name} | {engage:g} | " + " | ".join([*cells, f"{one.engaged:.1f}"]) + " |"


def mean(figures: list[Figures]) -> Figures:
    """The mean of every figure over the streams."""
    return Figures(*(fmean(column) for column in zip(*figures, strict=True)))


def main() -> None:
    """Measure all streams, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--streams", default=",".join(BAR_STREAMS))
    parser.add_argument("--engage", default="1,0.995,0.99,0.95,0.9,0.8,0.5")
    parser.add_argument("--quick", action="store_true", help="8,000 events of each stream")
    options = parser.parse_args()
    engagements = [float(engage) for engage in options.engage.split(",")]
    events = 8_000 if options.quick else options.events
    print("| stream | engage | accuracy, % | change | AURC | us an event | times as fast | experts asked |")
    print("|---" * 8 + "|", flush=True)
    found = []
    for name in options.streams.split(","):
        found.append(measured(name, events, options.seed, engagements))
        for engage, one in zip(engagements, found[-1], strict=True):
            print(row(name, engage, one, found[-1][0]), flush=True)
    means = [mean([one[i] for one in found]) for i in range(len(engagements))]
    for i, engage in enumerate(engagements):
        ratio = fmean(one[0].microseconds / max(one[i].microseconds, 1e-9) for one in found)
        print(row("mean", engage, means[i], means[0]) + f" (mean of the ratios: {ratio:.2f})")


if __name__ == "__main__":
    main()
