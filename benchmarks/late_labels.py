"""Does coverage hold with late labels?

    python benchmarks/late_labels.py [--events 40000] [--seeds 1 2] [--delays 0 100 500 5000] [--error 0.1]
                                     [--per-class] [--recordings DIRECTORY] [--steering aci|pid] [--hindsight]

Every event of SEA and LED with abrupt drifts, of five-class RandomRBF that never rests and of the electricity market is
scored by the service's classifier with DriftMoE's pool; its label comes so many events later, in polls of 50 (with no
delay, at once). What the classifier said of each event is recorded once a stream, seed and delay, and abstention alone
is then run over the recording, as the service would run it: scores, thresholds and labels in the same order. Delete
the recordings (in the temporary folder, if no other is named) after a change of the model.

Coverage is that of the thresholds, over all events that were judged by one: the true class scored at most what it had
to. The sets that decisions carry also hold the most probable class, so they cover at least as much (`sets`). Windows of
2,000 events: those that hold an event younger than the delay after a drift, or after the first thresholds, are `young`;
those of the next delay are `next`, for the labels that come then are of events that the model before the drift judged;
`settled` are the others. RBF and the electricity market drift all the time, so their settled windows are so in name.
SINE_i, which runs only where it is named, is the worst case: every second drift inverts all labels.
Accepted is the share of events decided, `error` the share of these that was wrong, in brackets by age; `after` are the
events, not the windows, that come within three delays of a drift.

`--hindsight` prints, instead, what no rule could beat that takes a quantile of labels so late: for each window the
look-back (100 to 8,000 scores) that comes closest to the target, chosen with the window's own labels known.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

import numpy as np
from parts.generators import STREAMS, Floats, Ints, Stream, rng

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, Bools, PredictionContext
from tocsin.models.data.belief import doubts
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.abstention import Abstention
from tocsin.models.decision.quantile import SlidingQuantile

NAMES = ("SEA_a", "LED_a", "RBF_m", "Electricity")
INVERTED = "SINE_i"
POLL, WINDOW = 50, 2_000


def inverted(events: int, seed: int) -> Stream:
    """Two of Gama's (2004) sines, each for a quarter of the events and then with its labels inverted; a twentieth of
    the labels is noise."""
    draw = rng(seed, 10)
    X, concept = draw.random((events, 2)), np.arange(events) * 4 // events
    first = X[:, 0] > np.sin(X[:, 1])
    second = X[:, 0] > 0.5 + 0.3 * np.sin(3.0 * np.pi * X[:, 1])
    y = np.where(concept < 2, first, second) ^ (concept % 2 == 1) ^ (draw.random(events) < 0.05)
    return Stream(X, y.astype(np.int64), 2, tuple(events * part // 4 for part in (1, 2, 3)))


class Recording(NamedTuple):
    """What was said of B events of K classes before their labels came."""

    betp: Floats
    """[B, K]"""
    y: Ints
    """[B]"""
    drifts: Ints
    """Where the concept changes."""


def record(name: str, seed: int, events: int, delay: int, directory: Path) -> Recording:
    """The recording of a stream: from the directory, or made and kept there."""
    path = directory / f"{name}-{seed}-{events}-{delay}.npz"
    if path.exists():
        with np.load(path) as file:
            return Recording(**file)
    stream = inverted(events, seed) if name == INVERTED else STREAMS[name](events, seed)
    made = Recording(said(stream, seed, delay), stream.y, np.array(stream.drifts, np.int64))
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(path, **made._asdict())
    return made


def said(stream: Stream, seed: int, delay: int) -> Floats:
    """BetP [B, K] of every event at its own time."""
    model = Classifier(tocsin("data", seed))
    names = [str(k) for k in range(stream.classes)]
    model.widen([str(f) for f in range(stream.X.shape[1])], [False] * stream.X.shape[1], names)
    if not delay:
        starts = range(0, len(stream.y), 1_000)
        runs = [(stream.X[s : s + 1_000], stream.y[s : s + 1_000]) for s in starts]
        return np.concatenate([model.learn_at_once(Batch.of(X), y, np.ones(len(y))) for X, y in runs])
    betp = np.empty((len(stream.y), stream.classes))
    seen: list[PredictionContext | None] = []
    for start in range(0, len(stream.y), POLL):
        stop = min(start + POLL, len(stream.y))
        scores = model.score(Batch.of(stream.X[start:stop]))
        betp[start:stop] = scores.betp
        seen += [scores.context(i) for i in range(stop - start)]
        past, until = max(start - delay, 0), max(stop - delay, 0)
        if until > past:
            labels, rows = [names[k] for k in stream.y[past:until]], until - past
            batch = Batch.of(stream.X[past:until])
            model.learn(FeedbackBatch(batch, labels, np.ones(rows), seen[past:until], [()] * rows))
            seen[past:until] = [None] * rows
    return betp


class Judged(NamedTuple):
    """What abstention made of B events, in the order of the stream."""

    warm: Bools
    """Whether there was a threshold."""
    covered: Bools
    """Whether the true class was within it."""
    inside: Bools
    """Whether the set of the decision holds the true class."""
    decided: Bools
    right: Bools


def judged(recording: Recording, delay: int, settings: AbstentionSettings) -> Judged:
    """Run abstention over a recording."""
    betp, y = recording.betp, recording.y
    made, rows, calm = Abstention(settings), np.arange(len(y)), np.zeros(POLL)
    seen_before = np.zeros(POLL, np.bool_)
    scores, doubt, limits, own = 1.0 - betp[rows, y], doubts(betp), np.full(len(y), np.inf), np.full(len(y), np.inf)
    result = Judged(*(np.zeros(len(y), np.bool_) for _ in Judged._fields))
    poll = POLL if delay else 1
    for start in range(0, len(y), poll):
        now = slice(start, min(start + poll, len(y)))
        limits[now] = made.threshold()
        decided, _, sets = made.judge(betp[now], calm[: now.stop - start], seen_before[: now.stop - start])
        result.warm[now], result.decided[now] = not made.cold, decided
        result.inside[now] = sets[np.arange(len(sets)), y[now]]
        own[now] = made.thresholds(betp.shape[1])[y[now]]
        result.covered[now] = scores[now] <= own[now]
        for i in range(max(start - delay, 0), max(now.stop - delay, 0)):
            known = max(i // poll * poll - delay, 0)
            late = made.count - known
            made.learn(float(scores[i]), float(limits[i]), late, float(doubt[i]), int(y[i]), float(own[i]))
    result.right[:] = betp.argmax(axis=1) == y
    return result


SPANS = (100, 200, 300, 500, 1_000, 2_000, 4_000, 8_000)


def hindsight(recording: Recording, delay: int, error: float) -> tuple[Floats, Floats]:
    """Of each window: where it starts, and the coverage closest to the target that any look-back reaches."""
    betp, y = recording.betp, recording.y
    scores, first = 1.0 - betp[np.arange(len(y)), y], delay + POLL
    start = first + delay + SPANS[0]
    starts = np.arange(start, len(y) - WINDOW + 1, WINDOW)
    reached = np.empty((len(SPANS), len(starts)))
    for row, span in zip(reached, SPANS, strict=True):
        seen, held = SlidingQuantile(span), np.zeros(len(y), np.bool_)
        for at in range(first, len(y) - delay):
            seen.add(float(scores[at]))
            held[at + delay] = scores[at + delay] <= seen.quantile(error)
        row[:] = [held[s : s + WINDOW].mean() for s in starts]
    closest = np.abs(reached - (1.0 - error)).argmin(axis=0)
    return starts, reached[closest, np.arange(len(starts))]


def in_hindsight(recording: Recording, delay: int, error: float) -> str:
    """The figures of `hindsight` of one stream, in percent, by age."""
    starts, reached = hindsight(recording, delay, error)
    warm = np.arange(len(recording.y)) >= (starts[0] if len(starts) else 0)
    nothing = np.zeros(len(warm), np.bool_)
    groups = ages(Judged(warm, nothing, nothing, nothing, nothing), recording.drifts, delay)
    parts = []
    for age, some in groups.items():
        shares = 100 * reached[np.isin(starts, some)]
        if len(shares):
            parts.append(f"{age} {shares.min():.1f}-{shares.max():.1f}")
    return " ".join(parts)


def ages(result: Judged, drifts: Ints, delay: int) -> dict[str, list[int]]:
    """Where windows start, by how long after a drift they lie."""
    if not result.warm.any():
        return {}
    groups: dict[str, list[int]] = {"settled": [], "next": [], "young": []}
    first = int(result.warm.argmax())
    for start in range(first, len(result.warm) - WINDOW + 1, WINDOW):
        since = [(start - at, start + WINDOW - at) for at in (first, *drifts.tolist())]
        young = any(max(begin, 0) < min(stop, delay) for begin, stop in since)
        later = any(max(begin, 0) < min(stop, 2 * delay) for begin, stop in since)
        groups["young" if young else "next" if later else "settled"].append(start)
    return groups


def told(result: Judged, drifts: Ints, delay: int, y: Ints) -> str:
    """The figures of one stream, in percent."""
    warm, decided = result.warm, result.decided & result.warm
    parts = [
        f"accuracy {100 * result.right.mean():5.2f}",
        f"coverage {100 * result.covered[warm].mean():6.2f}",
        f"sets {100 * result.inside[warm].mean():6.2f}",
        f"accepted {100 * decided[warm].mean():6.2f}",
        f"error {100 * (1 - result.right[decided].mean()):5.2f}" if decided.any() else "error   -  ",
    ]
    for age, starts in ages(result, drifts, delay).items():
        shares = [100 * result.covered[s : s + WINDOW].mean() for s in starts]
        if shares:
            parts.append(f"{age} {min(shares):.1f}-{max(shares):.1f}")
        some = np.concatenate([np.arange(s, s + WINDOW) for s in starts]) if starts else np.zeros(0, np.int64)
        kept = some[decided[some]]
        if len(kept):
            parts.append(f"(error {100 * (1 - result.right[kept].mean()):.1f})")
    after = np.zeros(len(y), np.bool_)
    for at in drifts.tolist():
        after[at : at + 3 * delay] = True
    if (after & decided).any():
        wrong, share = 1 - result.right[after & decided].mean(), decided[after & warm].mean()
        parts.append(f"after (error {100 * wrong:.1f}, accepted {100 * share:.1f})")
    by_class = [100 * result.covered[warm & (y == k)].mean() for k in np.unique(y[warm])]
    return " ".join([*parts, f"classes {min(by_class):.1f}-{max(by_class):.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 100, 500, 5_000])
    parser.add_argument("--streams", nargs="+", choices=(*NAMES, INVERTED), default=NAMES)
    parser.add_argument("--error", type=float, default=0.1)
    parser.add_argument("--per-class", action="store_true")
    parser.add_argument("--steering", choices=["aci", "pid"], default="aci")
    parser.add_argument("--hindsight", action="store_true")
    parser.add_argument("--recordings", type=Path, default=Path(gettempdir()) / "tocsin-late-labels")
    given = parser.parse_args()
    settings = AbstentionSettings(error=given.error, per_class=given.per_class, steering=given.steering)
    for delay in given.delays:
        for name in given.streams:
            for seed in given.seeds:
                recording = record(name, seed, given.events, delay, given.recordings)
                if given.hindsight:
                    figures = in_hindsight(recording, delay, given.error)
                else:
                    figures = told(judged(recording, delay, settings), recording.drifts, delay, recording.y)
                print(f"{name:11} seed {seed} delay {delay:4}: {figures}", flush=True)


if __name__ == "__main__":
    main()
