"""How well does the default model rank a class of one event in hundreds, through a drift?

    python benchmarks/rare.py                                       all streams, seeds of their own
    python benchmarks/rare.py --streams shifted --seeds 301,302 --no-river

Each stream has 20,000 events of six standard normal features, whose labels come with them, and a drift half-way:

- `shifted`: 1 in 500; the rare class lies 2.2 apart in two features, after the drift in two others;
- `two clusters`: 1 in 200; it lies on both sides, where no straight line separates it;
- `log-normal`: as `shifted`, 1 in 200, and every feature x is exp(1.5 x);
- `band`: 1 in 200; it lies in a narrow band of one feature, 1 apart and .1 wide.

Cells are the area under the precision-recall curve (average precision) from event 2,000 on, means over the seeds. The
limit is that of the true odds, where they are known: nothing has to be learnt for it. `default` is the pool of a config
that names no experts; `without` is that pool without its expert on rare classes; `best alone` is the best expert of the
pool by its own answers, found afterwards. River's logistic regression is oversampled to one in ten.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts import default_experts
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EVENTS, FEATURES, JUDGED_FROM, PASS = 20_000, 6, 2_000, 1_000
SHIFT = 2.2


class Rare(NamedTuple):
    """A stream with a rare class."""

    X: Floats
    """[B, F]"""
    y: Ints
    """[B], 1 for the rare class."""
    odds: Floats | None
    """[B], the true log odds less a constant; None where they are not worked out."""


def drawn(seed: int, share: float) -> tuple[np.random.Generator, Floats, Ints, NDArray[np.bool_]]:
    """A generator, features, labels, and which events are before the drift."""
    draw = np.random.default_rng(seed)
    y = (draw.random(EVENTS) < share).astype(np.int64)
    return draw, draw.normal(size=(EVENTS, FEATURES)), y, np.arange(EVENTS) < EVENTS // 2


def shifted(seed: int, share: float = 1 / 500) -> Rare:
    _, X, y, early = drawn(seed, share)
    for rows, columns in ((early, [0, 1]), (~early, [2, 3])):
        X[np.ix_((y == 1) & rows, columns)] += SHIFT
    told = np.where(early[:, None], X[:, [0, 1]], X[:, [2, 3]])
    return Rare(X, y, SHIFT * told.sum(axis=1))


def two_clusters(seed: int) -> Rare:
    draw, X, y, early = drawn(seed, 1 / 200)
    side = np.where(draw.random(EVENTS) < 0.5, 1.0, -1.0)
    for rows, columns in ((early, [0, 1]), (~early, [2, 3])):
        X[np.ix_((y == 1) & rows, columns)] += 2.5 * side[(y == 1) & rows, None]
    told = np.where(early[:, None], X[:, [0, 1]], X[:, [2, 3]]).sum(axis=1)
    return Rare(X, y, np.logaddexp(2.5 * told, -2.5 * told))


def log_normal(seed: int) -> Rare:
    plain = shifted(seed, 1 / 200)
    return plain._replace(X=np.exp(1.5 * plain.X))


def band(seed: int) -> Rare:
    draw, X, y, early = drawn(seed, 1 / 200)
    for rows, column in ((early, 0), (~early, 2)):
        mine = (y == 1) & rows
        X[mine, column] = draw.normal(1.0, 0.1, int(mine.sum()))
    told = np.where(early, X[:, 0], X[:, 2])
    return Rare(X, y, 0.5 * told**2 - 0.5 * ((told - 1.0) / 0.1) ** 2)


STREAMS: dict[str, Callable[[int], Rare]] = {
    "shifted": shifted,
    "two clusters": two_clusters,
    "log-normal": log_normal,
    "band": band,
}


def area(score: Floats, y: Ints) -> float:
    """The area under the precision-recall curve, as average precision, from `JUDGED_FROM` on."""
    found = y[JUDGED_FROM:][np.argsort(-score[JUDGED_FROM:], kind="stable")]
    precision = found.cumsum() / np.arange(1, len(found) + 1)
    return float(precision[found == 1].mean())


def ours(stream: Rare, seed: int, without: bool) -> tuple[float, dict[str, float]]:
    """The area of the default model, and of each of its experts by its own answers."""
    experts = [
        one for one in default_experts(FEATURES, text=False) if not (without and isinstance(one, RareClassSettings))
    ]
    features = tuple(FeatureSettings(name=f"f{f}") for f in range(FEATURES))
    model = Classifier(ModelSettings(features=features, classes=("usual", "rare"), experts=experts, seed=seed))
    pool, answers = model.mixture.pool, []
    asked = pool.predict_then_learn

    def heard(*given: Any) -> Floats:
        answers.append(asked(*given))
        return answers[-1]

    pool.predict_then_learn = heard  # type: ignore
    betp = [
        model.learn_at_once(Batch.of(stream.X[i : i + PASS]), stream.y[i : i + PASS], np.ones(PASS))
        for i in range(0, EVENTS, PASS)
    ]
    said = np.concatenate(answers)
    # One pseudo-count of the class frequencies, so that an expert that says nothing of an event is no tie for all.
    p = (said[:, :, 1] + stream.y.mean()) / (said.sum(axis=2) + 1.0)
    alone = {e.name: area(p[:, i], stream.y) for i, e in enumerate(experts) if not isinstance(e, RareClassSettings)}
    return area(np.concatenate(betp)[:, 1], stream.y), alone


def river(stream: Rare, seed: int) -> float:
    """River's logistic regression, standardised, with the rare class oversampled to one in ten."""
    from river import imblearn, linear_model, preprocessing

    inner: Any = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    model: Any = imblearn.RandomOverSampler(inner, desired_dist={0: 0.9, 1: 0.1}, seed=seed)
    score = np.zeros(EVENTS)
    for i, (row, label) in enumerate(zip(stream.X.tolist(), stream.y.tolist(), strict=True)):
        x = dict(enumerate(row))
        score[i] = model.predict_proba_one(x).get(1, 0.0)
        model.learn_one(x, label)
    return area(score, stream.y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default=",".join(STREAMS))
    parser.add_argument("--seeds", default=",".join(str(seed) for seed in range(301, 311)))
    parser.add_argument("--no-river", action="store_true")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    if unknown := set(given.streams.split(",")) - set(STREAMS):
        parser.error(f"{sorted(unknown)[0]!r} is none of {', '.join(STREAMS)}")
    print(f"{EVENTS:,} events, seeds {given.seeds}; areas under the precision-recall curve\n")
    print("| stream | limit | default | without | best alone | river's regression | default of limit |")
    print("|---|---|---|---|---|---|---|")
    for name in given.streams.split(","):
        streams = [STREAMS[name](seed) for seed in seeds]
        limit = fmean(area(one.odds, one.y) for one in streams if one.odds is not None)
        with_it = [ours(one, seed, False) for one, seed in zip(streams, seeds, strict=True)]
        plain = fmean(ours(one, seed, True)[0] for one, seed in zip(streams, seeds, strict=True))
        mine = fmean(figure for figure, _ in with_it)
        alone = {e: fmean(experts[e] for _, experts in with_it) for e in with_it[0][1]}
        best = max(alone, key=lambda e: alone[e])
        rival = "" if given.no_river else f"{fmean(map(river, streams, seeds)):.3f}"
        cells = f"{limit:.3f} | {mine:.3f} | {plain:.3f} | {alone[best]:.3f} ({best}) | {rival} | {mine / limit:.0%}"
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
