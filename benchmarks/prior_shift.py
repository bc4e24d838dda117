"""Does it help to follow class priors where labels are late, and what does it cost where they do not move?

    python benchmarks/prior_shift.py [--events 20000] [--seeds 1 2 3] [--delays 500 2000]

The service's classifier scores a stream in polls of 50, with labels so many events late, and `prior_shift` enabled;
what it says is compared to what it would have said without. *Moved*: RandomRBF and LED that rest, their classes of
frequencies that fall by 0.6 from one to the next, and from the middle on rise so; hate speech, with all classes equally
frequent from the middle on. Their figures are of the events from the shift to when its labels have come (at least
1,000), before which only the events can tell, and of all. *Still*: streams whose priors are left as they are; among
them some that drift, and the electricity market, whose priors wander with everything else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from parts.generators import STREAMS, Floats, Ints, Stream, led, rbf, rng
from parts.recording import SOURCES, Events, of_stream, polls, quiet
from sklearn.metrics import f1_score

from tocsin.config.model import ModelSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.prior_shift import RecentPriors

FALL = 0.6
MOVED: dict[str, Callable[[int, int], Stream]] = {
    "RBF that rests": lambda events, seed: rbf(events, 0.0, 5, seed),
    "LED that rests": lambda events, seed: Stream(*led(events, 0, rng(seed, 9)), 10, ()),
}
STILL = ("RBF that rests", "LED that rests", "RBF_m", "LED_a", "SEA_a", "Electricity", "hate speech", "SMS")
LEAST = 1_000
"""Events that figures of the time right after a shift are of, where labels come sooner."""


class Answers(NamedTuple):
    """What was said of T events, with and without regard to priors."""

    followed: Floats
    """[T, K]"""
    plain: Floats
    """[T, K]"""


def still(name: str, events: int, seed: int) -> Events:
    """A stream as it is."""
    if name in SOURCES:
        return SOURCES[name](events, seed)
    if name in STREAMS:
        return of_stream(name, events, seed)
    stream = MOVED[name](events, seed)
    return Events(Batch.of(stream.X), stream.y, stream.classes, np.zeros(0, np.int64), quiet(tocsin("data", seed)))


def moved(name: str, events: int, seed: int) -> Events:
    """A stream of which events are left out, so that priors move in the middle of what is left; `drifts` says where."""
    source = still(name, events if name in SOURCES else 3 * events, seed)
    half, classes = len(source.y) // 2, source.classes
    before = FALL ** np.arange(classes)
    after = before[::-1]
    if name in SOURCES:
        before, after = np.bincount(source.y[:half], minlength=classes).astype(np.float64), np.ones(classes)
    draw = rng(seed, 12)
    kept = [_drawn(source.y, 0, half, before, draw), _drawn(source.y, half, len(source.y), after, draw)]
    order = np.concatenate(kept)[: 2 * events]
    texts = [source.batch.texts[i] for i in order]
    at = np.array([len(kept[0])], np.int64)
    return source._replace(batch=Batch.of(source.batch.X[order], texts), y=source.y[order], drifts=at)


def _drawn(y: Ints, lo: int, hi: int, wanted: Floats, draw: np.random.Generator) -> Ints:
    """Events from lo up to hi whose classes are as frequent as wanted."""
    there = np.bincount(y[lo:hi], minlength=len(wanted)) / (hi - lo)
    share = wanted / np.maximum(there, 1e-9)
    share /= share.max()
    return np.flatnonzero(draw.random(hi - lo) < share[y[lo:hi]]) + lo


def said(events: Events, delay: int) -> Answers:
    """Run the classifier over a stream, as the service runs it."""
    settings = PriorShiftSettings(enabled=True)
    model = _knowing(events, events.model.model_copy(update={"prior_shift": settings}))
    recent, T = RecentPriors(settings), len(events.y)
    answers = Answers(np.empty((T, events.classes)), np.empty((T, events.classes)))
    seen: list[PredictionContext] = []
    for now, told in polls(events.y, events.classes, delay):
        scores = model.score(events.batch.rows(now.start, now.stop), recent.ratios)
        answers.followed[now] = scores.betp
        answers.plain[now] = scores.betp if scores.plain is None else scores.plain
        seen += [scores.context(i) for i in range(now.stop - now.start)]
        if len(told):
            batch = Batch.of(events.batch.X[told], [events.batch.texts[i] for i in told])
            labels = [str(k) for k in events.y[told]]
            model.learn(FeedbackBatch(batch, labels, np.ones(len(told)), [seen[i] for i in told], [()] * len(told)))
    return answers


def _knowing(events: Events, settings: ModelSettings) -> Classifier:
    model, columns = Classifier(settings), events.batch.X.shape[1]
    model.widen([str(f) for f in range(columns)], [False] * columns, [str(k) for k in range(events.classes)])
    return model


def told(answers: Answers, y: Ints, some: slice) -> str:
    """Accuracy and macro-F1 without and with, in percent."""
    parts = []
    for betp in (answers.plain, answers.followed):
        right = betp[some].argmax(axis=1)
        f1 = f1_score(y[some], right, average="macro", labels=np.unique(y[some]))
        parts.append(f"{100 * (right == y[some]).mean():5.1f} {100 * f1:5.1f}")
    return " -> ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--delays", type=int, nargs="+", default=[500, 2_000])
    given = parser.parse_args()
    print("accuracy and macro-F1, percent: without -> with")
    for name in (*MOVED, "hate speech"):
        for delay in given.delays:
            for seed in given.seeds:
                events = moved(name, given.events, seed)
                answers, at = said(events, delay), int(events.drifts[0])
                first = told(answers, events.y, slice(at, at + max(delay, LEAST)))
                every = told(answers, events.y, slice(None))
                print(f"moved {name:15} seed {seed} delay {delay:4}: then {first}; all {every}", flush=True)
    for name in STILL:
        for delay in given.delays:
            for seed in given.seeds:
                events = still(name, given.events, seed)
                every = told(said(events, delay), events.y, slice(None))
                print(f"still {name:15} seed {seed} delay {delay:4}: {every}", flush=True)


if __name__ == "__main__":
    main()
