"""Is what was never seen flagged, and how often what was?

    python benchmarks/novelty.py [--events 20000] [--seeds 1 2 3] [--delays 0 500] [--share 0.02]

Streams with one class taken out are learnt by the service's default pool, with labels so many events late, in polls of
50. From the middle on, events of the class that was taken out are scored beside those of the stream, and never learnt.
Printed are the share of the stream's own events that are told novel (false alarms: at most `--share` is asked for),
that of the class never seen, and that of the stream's events moved by three standard deviations in a feature; the same
for a limit of eight standard deviations in any feature; how well distance tells the class never seen from the others
(AUROC); and what novelty adds to scoring and learning an event.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
from parts.generators import STREAMS, Floats, Ints
from parts.selective import auroc

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.model import ModelSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.features import Standardiser
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.novelty import Novelty

NAMES = ("RBF_m", "RBF_f", "LED_a")
POLL, FIXED, MOVED = 50, 8.0, 3.0


class Shares(NamedTuple):
    """Of events told novel."""

    known: float
    unseen: float
    moved: float


def split(name: str, seed: int, events: int) -> tuple[Floats, Ints, Floats]:
    """A stream without its last class, and the events of that class."""
    stream = STREAMS[name](events, seed)
    last = stream.y == stream.classes - 1
    return stream.X[~last], stream.y[~last], stream.X[last]


def shares(name: str, seed: int, events: int, delay: int, share: float) -> tuple[Shares, Shares, float]:
    """By Tocsin's novelty, and by a fixed number of standard deviations; the AUROC of distance."""
    X, y, unseen = split(name, seed, events)
    names = [str(k) for k in range(int(y.max()) + 1)]
    model = Classifier(ModelSettings(abstention=AbstentionSettings(novelty=share, abstain_novel=True), seed=seed))
    model.widen([str(f) for f in range(X.shape[1])], [False] * X.shape[1], names)
    scaler, seen = Standardiser(X.shape[1]), list[PredictionContext]()
    told: list[tuple[list[Floats], list[Floats], list[Floats]]] = [([], [], []), ([], [], []), ([], [], [])]
    for start in range(0, len(y), POLL):
        now = slice(start, min(start + POLL, len(y)))
        scores = model.score(Batch.of(X[now]))
        seen += [scores.context(i) for i in range(now.stop - start)]
        if start >= len(y) // 2:
            moved, at = X[now].copy(), np.arange(start, now.stop) % X.shape[1]
            moved[np.arange(len(moved)), at] += MOVED * X.std(axis=0)[at]
            for asked, (flagged, fixed, distance) in zip((X[now], some(unseen, start), moved), told, strict=True):
                answer = model.score(Batch.of(asked))
                assert answer.nonconformity is not None
                distance.append(answer.nonconformity[:, 0])
                flagged.append(model.mixture.judge.novelty.novel(answer.nonconformity).astype(np.float64))
                far = np.abs(scaler.distances(asked)).max(axis=1)
                fixed.append((far >= FIXED).astype(np.float64))
        past = slice(max(start - delay, 0), max(now.stop - delay, 0))
        rows = past.stop - past.start
        if rows:
            labels = [names[k] for k in y[past]]
            for x in X[past]:
                scaler.learn(x)
            model.learn(FeedbackBatch(Batch.of(X[past]), labels, np.ones(rows), seen[past], [()] * rows))
    means = [[100.0 * float(np.concatenate(part).mean()) for part in parts[:2]] for parts in told]
    known, strange = np.concatenate(told[0][2]), np.concatenate(told[1][2])
    apart = auroc(np.concatenate([known, strange]), np.repeat([0, 1], [len(known), len(strange)]))
    return Shares(*(m[0] for m in means)), Shares(*(m[1] for m in means)), apart


def some(unseen: Floats, start: int) -> Floats:
    """A poll of the class that was taken out, which may come round again."""
    result: Floats = unseen[np.arange(start, start + POLL) % len(unseen)]
    return result


def cost(features: int = 10, rows: int = 20_000) -> tuple[float, float]:
    """Microseconds an event to score, and to score and learn in one pass."""
    detector, X, support = (
        Novelty(AbstentionSettings()),
        np.random.default_rng(0).normal(size=(rows, features)),
        np.ones(rows),
    )
    detector.resize([False] * features)
    detector.predict_then_learn(X[:2_000], support[:2_000])
    detector.novel(detector.nonconformity(X[:2_000], support[:2_000]))
    began = time.perf_counter()
    detector.novel(detector.nonconformity(X, support))
    scored = time.perf_counter()
    detector.predict_then_learn(X, support)
    return 1e6 * (scored - began) / rows, 1e6 * (time.perf_counter() - scored) / rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 500])
    parser.add_argument("--streams", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--share", type=float, default=0.02)
    given = parser.parse_args()
    for delay in given.delays:
        for name in given.streams:
            for seed in given.seeds:
                flagged, fixed, apart = shares(name, seed, given.events, delay, given.share)
                parts = [
                    f"{label} known {s.known:5.2f} unseen {s.unseen:6.2f} moved {s.moved:6.2f}"
                    for label, s in (("novelty:", flagged), (f"{FIXED:g} deviations:", fixed))
                ]
                print(f"{name:6} seed {seed} delay {delay:4}: {'; '.join(parts)}; AUROC {apart:.3f}", flush=True)
    scoring, learning = cost()
    print(f"10 features: {scoring:.1f} µs to score an event, {learning:.1f} µs to score and learn it")


if __name__ == "__main__":
    main()
