"""Is a class never seen flagged, and how often are events of the known ones?

    python benchmarks/novelty.py [--events 20000] [--seeds 101 102 103 104] [--share 0.02] [--labelled 0.5] [--delay 0]
        [--streams RBF RBF_1e-4 RBF_1e-3 LED LED_drift] [--service]

Streams are made by river. One class of at least 4% is held out: its events come from the middle on, and nobody labels
them. Of the others so many are labelled, at random, so many events late, in polls of 50. Each score is ranked among
those that the last 1,000 labelled events had at their own time, and `--share` of false alarms are asked for. Printed
are, over the second half, the AUROC of the unseen class against the known ones, the share of the unseen class that is
flagged (detection), and that of the known ones (false alarms).

The scores: the distance to the nearest of the latest 256 labelled events, as `novelty_by: labelled` has it, and to the
nearest of 1,000 in the metric of the traffic ratio; Mahalanobis distances to the nearest class with one covariance for
all, and relative to that of all events (Ren et al. 2021); the traffic ratio of an event alone, and with the mean of its
neighbours, as `novelty_by: traffic` has it. `--service` also has the service's default pool decide by both, and prints
the detection of events of known classes that were moved by three standard deviations in a feature.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from parts.selective import auroc
from river.datasets import synth

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.model import ModelSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.novelty import Novelty
from tocsin.models.decision.streams import Streams
from tocsin.models.decision.traffic.counterpart import Counterpart, Labelled
from tocsin.models.decision.traffic.recent import RecentTraffic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

POLL, HELD, WINDOW, ENOUGH, MOVED, LEAST = 50, 1_000, 1_000, 200, 3.0, 0.04


def _rbf(speed: float) -> Callable[[int], Any]:
    clouds: dict[str, Any] = {"n_classes": 5, "n_features": 10, "n_centroids": 50}

    def made(seed: int) -> Any:
        seeds = {"seed_model": seed, "seed_sample": seed + 1}
        if not speed:
            return synth.RandomRBF(**seeds, **clouds)
        return synth.RandomRBFDrift(**seeds, **clouds, change_speed=speed, n_drift_centroids=50)

    return made


STREAMS: dict[str, Callable[[int], Any]] = {
    "RBF": _rbf(0.0),
    "RBF_1e-4": _rbf(1e-4),
    "RBF_1e-3": _rbf(1e-3),
    "LED": lambda seed: synth.LED(seed=seed, noise_percentage=0.1, irrelevant_features=True),
    "LED_drift": lambda seed: synth.LEDDrift(
        seed=seed, noise_percentage=0.1, irrelevant_features=True, n_drift_features=4
    ),
}


class Case(NamedTuple):
    """A stream with a class that is never labelled."""

    X: Floats
    y: Ints
    unseen: Bools
    """[B], of the class that was held out."""
    labelled: Bools
    """[B], whose label comes."""
    second: Bools
    """[B], from the middle on."""


def case(name: str, seed: int, events: int, share: float) -> Case:
    rows = list(islice(STREAMS[name](seed).take(events), events))
    X = np.array([list(x.values()) for x, _ in rows], np.float64)
    _, y = np.unique([label for _, label in rows], return_inverse=True)
    draw, half = np.random.default_rng([seed, 7]), events // 2
    shares = np.bincount(y[half:]) / (events - half)
    out = int(draw.choice(np.flatnonzero(shares >= LEAST)))
    kept = (y != out) | (np.arange(events) >= half)
    X, y, second = X[kept], y[kept], np.flatnonzero(kept) >= half
    return Case(X, y, y == out, (draw.random(len(y)) < share) & (y != out), second)


class Turns(NamedTuple):
    """One poll: the events to score, and the labelled ones to learn after it."""

    asked: Ints
    due: Ints


def turns(given: Case, delay: int) -> Iterator[Turns]:
    for start in range(0, len(given.y), POLL):
        asked = np.arange(start, min(start + POLL, len(given.y)))
        late = np.arange(max(start - delay, 0), max(int(asked[-1]) + 1 - delay, 0))
        yield Turns(asked, late[given.labelled[late]])


class Alone(RecentTraffic):
    """Traffic whose own ratios are not kept, so that no event's neighbours are heard."""

    def _score(self, X: Floats, counterpart: Counterpart | None, out: Floats) -> Floats:
        super()._score(X, counterpart, out)
        return np.zeros(len(X))


def scores(given: Case, delay: int) -> dict[str, Floats]:
    """Every score of every event at its own time; NaN where it was not known."""
    B, F = given.X.shape
    today, labelled = Novelty(AbstentionSettings()), Labelled(HELD, F)
    traffic: RecentTraffic = RecentTraffic(HELD, F)
    alone: RecentTraffic = Alone(HELD, F)
    today.resize([False] * F)
    labelled.resize([False] * F)
    names = ("nearest of 256", "whitened nearest", "Mahalanobis", "relative Mahalanobis", "traffic ratio alone")
    found = {name: np.full(B, np.nan) for name in (*names, "traffic ratio")}
    known: Ints = np.zeros(0, np.int64)
    for rows, due in turns(given, delay):
        X, times = given.X[rows], rows.astype(np.int64)
        found["nearest of 256"][rows] = today.nonconformity(X, np.ones(len(rows)))[:, 0]
        if labelled.counterpart is not None:
            mapped, held = labelled.counterpart.mapped(X), labelled.counterpart.labelled
            apart = ((mapped[:, :, None] - held[:, None, :]) ** 2).sum(axis=0)
            found["whitened nearest"][rows] = apart.min(axis=1)
            shared, every = mahalanobis(X, given.X[known], given.y[known])
            found["Mahalanobis"][rows], found["relative Mahalanobis"][rows] = shared, shared - every
        found["traffic ratio"][rows], traffic = traffic.ask(X, times, labelled.counterpart)
        found["traffic ratio alone"][rows], alone = alone.ask(X, times, labelled.counterpart)
        today.learn(given.X[due], np.full((len(due), 2), np.nan))
        labelled.learn(given.X[due], given.y[due], due.astype(np.int64))
        known = np.concatenate([known, due])[-HELD:]
    return found


def mahalanobis(X: Floats, held: Floats, y: Ints) -> tuple[Floats, Floats]:
    """Squared distances of X [B, F] to the nearest class, by the covariance within classes, and to all events."""

    def nearest(centres: Floats, rows: Floats) -> Floats:
        covariance = rows.T @ rows / len(rows)
        inverse = np.linalg.inv(covariance + 0.01 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
        apart = X[:, None, :] - centres[None]
        result: Floats = np.einsum("bcf,fg,bcg->bc", apart, inverse, apart).min(axis=1)
        return result

    classes, of = np.unique(y, return_inverse=True)
    means = np.array([held[y == k].mean(axis=0) for k in classes])
    middle = held.mean(axis=0)
    return nearest(means, held - means[of]), nearest(middle[None], held - middle)


def flagged(score: Floats, given: Case, delay: int, share: float) -> Bools:
    """Which events reach the score that a share of the last labelled events had at their own time."""
    told, past = np.zeros(len(score), np.bool_), list[float]()
    for rows, due in turns(given, delay):
        n = len(past)
        rank = int(share * (n + 1))
        if n >= ENOUGH and rank:
            told[rows] = score[rows] > np.sort(past)[n - rank]
        past = [*past, *score[due][~np.isnan(score[due])].tolist()][-WINDOW:]
    return told


class Told(NamedTuple):
    """How one score fared, in percent but for the AUROC."""

    auroc: float
    detection: float
    false_alarms: float


def fared(score: Floats, told: Bools, given: Case) -> Told:
    unseen, known = given.second & given.unseen, given.second & ~given.unseen
    pair = np.concatenate([score[known], score[unseen]])
    apart = auroc(np.nan_to_num(pair), np.repeat([0, 1], [known.sum(), unseen.sum()]))
    return Told(apart, 100.0 * float(told[unseen].mean()), 100.0 * float(told[known].mean()))


def service(given: Case, delay: int, share: float, by: str, seed: int) -> tuple[float, ...]:
    """How the default pool fared, and what percentage of known events is flagged that were moved in a feature."""
    one = AbstentionSettings(novelty=share, abstain_novel=True, novelty_by=by)
    model, F = Classifier(ModelSettings(abstention=one, seed=seed)), given.X.shape[1]
    model.widen([str(f) for f in range(F)], [False] * F, [str(k) for k in np.unique(given.y[~given.unseen])])
    novelty, seen = model.mixture.judge.novelty, list[PredictionContext]()
    traffic, spread = novelty.recent_traffic(), MOVED * given.X.std(axis=0)
    score, told, moved = np.full(len(given.y), np.nan), np.zeros(len(given.y), np.bool_), list[Bools]()
    for rows, due in turns(given, delay):
        batch = Batch.of(given.X[rows], times=rows.astype(np.int64))
        streams = None if traffic is None else Streams(np.zeros(len(rows), np.int64), {}, {0: traffic})
        answer = model.score(batch, streams)
        assert answer.nonconformity is not None
        score[rows], told[rows] = answer.nonconformity[:, -1 if traffic else 0], novelty.novel(answer.nonconformity)
        if given.second[rows[0]]:
            far, at = given.X[rows].copy(), rows % F
            far[np.arange(len(far)), at] += spread[at]
            beyond = model.score(Batch.of(far, times=rows.astype(np.int64)), streams).nonconformity
            assert beyond is not None
            moved.append(novelty.novel(beyond)[~given.unseen[rows]])
        traffic = answer.traffic.get(0, traffic)
        seen += [answer.context(i) for i in range(len(rows))]
        if len(due):
            labels, late = [str(k) for k in given.y[due]], Batch.of(given.X[due], times=due.astype(np.int64))
            model.learn(FeedbackBatch(late, labels, np.ones(len(due)), [seen[i] for i in due], [()] * len(due)))
    return *fared(score, told, given), 100.0 * float(np.concatenate(moved).mean())


def cost(features: int, rows: int = 4_000) -> float:
    """Microseconds of CPU an event to compare it with 1,000 labelled events and as much traffic, in polls of 500."""
    draw, best = np.random.default_rng(0), np.inf
    X, times = draw.normal(size=(rows, features)), np.arange(rows)
    labelled, traffic = Labelled(HELD, features), RecentTraffic(HELD, features)
    labelled.resize([False] * features)
    labelled.learn(X[:HELD], np.arange(HELD) % 5, times[:HELD])
    _, traffic = traffic.ask(X[:HELD], times[:HELD], None)
    _, traffic = traffic.ask(X[:1], times[:1], labelled.counterpart)
    for start in range(0, rows, 500):
        began = time.process_time()
        traffic.ask(X[start : start + 500], times[start : start + 500], labelled.counterpart)
        best = min(best, time.process_time() - began)
    return 1e6 * best / 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104])
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--labelled", type=float, default=0.5)
    parser.add_argument("--delay", type=int, default=0)
    parser.add_argument("--streams", nargs="+", choices=list(STREAMS), default=list(STREAMS))
    parser.add_argument("--service", action="store_true")
    asked = parser.parse_args()
    for name in asked.streams:
        rows: dict[str, list[tuple[float, ...]]] = {}
        for seed in asked.seeds:
            given = case(name, seed, asked.events, asked.labelled)
            for name_of, values in scores(given, asked.delay).items():
                told = flagged(values, given, asked.delay, asked.share)
                rows.setdefault(name_of, []).append(fared(values, told, given))
            for by in ("labelled", "traffic") if asked.service else ():
                rows.setdefault(f"service, by {by}", []).append(service(given, asked.delay, asked.share, by, seed))
        print(f"{name}, labels {asked.delay} late, {asked.labelled:.0%} of the known ones, {len(asked.seeds)} seeds")
        for score, found in rows.items():
            mean, most = np.mean(found, axis=0), np.max(found, axis=0)
            shifted = f"  moved {mean[3]:5.1f}" if len(mean) > 3 else ""
            print(
                f"  {score:22} AUROC {mean[0]:.3f}  detection {mean[1]:5.1f}  false alarms {mean[2]:.1f}"
                f" (at most {most[2]:.1f}){shifted}",
                flush=True,
            )
    print("; ".join(f"{features} features: {cost(features):.1f} µs an event" for features in (10, 24, 128)))


if __name__ == "__main__":
    main()
