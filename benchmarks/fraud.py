"""What are profiles worth where frauds are rare and known a week late?

Simulated card payments (`parts/cards.py`) go through Tocsin in their order, by `tocsin replay`'s own way, with and
without `schema.profiles`: what the customer paid and what the terminal saw over 1, 7 and 30 days, and the terminal's
rate of known frauds. Labels come as many events late as seven days have on average. LightGBM is retrained each day on
the labels that are known by then: on the same columns with profiles and without, at its defaults, and with one in ten
of the other payments, 200 trees, 15 leaves and a rate of .05.

Printed are AUPRC and the recall at 0.5% of alerts, each with its interval of 90% by 200 bootstraps over days, and the
money that these alerts save: the amounts of the frauds among them, less `ALERT_COSTS` for each alert. The first 30 days
may tune.

    python benchmarks/fraud.py [--days 45] [--judge-from 30] [--experts default|boosted|forest]

`default` is the pool of a config that names no experts, `boosted` that pool with LightGBM as three more experts, each
on its own share of the other payments; river's logistic regression is standardised and oversampled to one in ten.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

import numpy as np
import orjson
from parts.cards import table
from parts.generators import Floats, Ints

from tocsin.config.experts import default_experts
from tocsin.config.settings import Settings
from tocsin.models.profiles.event_profiles import EventProfiles, ProfiledEvents
from tocsin.models.profiles.label_rates import LabelRates
from tocsin.streams.replay.in_chunks import Chunks
from tocsin.streams.replay.past_event import PastEvent

DAY, START = 86_400, 1_522_540_800_000
DELAY_DAYS, ALERTS, ALERT_COSTS = 7, 0.005, 10.0
PROFILES = [
    {"key": "subject", "windows": ["1d", "7d", "30d"], "of": ["amount"]},
    {"key": "terminal", "path": "terminal", "windows": ["1d", "7d", "30d"], "say": ["count"], "rate": ["fraud"]},
]
FEATURES = ("amount", "hour", "weekday")
FOREST = [
    {"kind": "forest", "trees": 15, "grace_period": 200.0, "strength": 100.0},
    {"kind": "linear", "step": 0.002, "strength": 100.0},
    {"kind": "naive-bayes", "strength": 100.0},
]


BOOSTED = [
    {"kind": "boosted", "name": f"boosted-{n}", "window": 50_000, "every": every, "trees": 200, "leaves": leaves}
    | {"learning_rate": 0.05, "undersample": share, "strength": 100.0}
    for n, (share, every, leaves) in enumerate([(0.03, 3_000, 15), (0.025, 3_500, 15), (0.02, 4_500, 31)])
]
"""Labels that are learnt between two trainings are about a day's."""


class Payments(NamedTuple):
    """N payments in the order of time."""

    seconds: Floats
    customer: list[str]
    terminal: list[str]
    X: Floats
    """[N, 3], see `FEATURES`."""
    fraud: Ints
    delay: int
    """By how many events labels are late."""

    @property
    def day(self) -> Ints:
        return (self.seconds // DAY).astype(np.int64)


def payments(days: int) -> Payments:
    seconds, customer, terminal, amount, fraud = table()
    at = seconds < days * DAY
    seconds, amount = seconds[at], amount[at]
    X = np.column_stack([amount, seconds % DAY / 3_600.0, seconds // DAY % 7])
    names = [[f"{kind}{one}" for one in column[at].tolist()] for kind, column in (("c", customer), ("t", terminal))]
    return Payments(seconds, names[0], names[1], X, fraud[at], DELAY_DAYS * len(seconds) // days)


def settings(profiles: bool, experts: str) -> Settings:
    schema = {"features": [{"name": name} for name in FEATURES], "profiles": PROFILES if profiles else []}
    *pool, last = default_experts(len(FEATURES), text=False)
    chosen = {"default": [*pool, last], "boosted": [*pool, *BOOSTED, last], "forest": FOREST}[experts]
    return Settings(schema=schema, classes=("ok", "fraud"), experts=chosen)


def by_tocsin(made: Payments, config: Settings) -> Floats:
    """The probability of fraud of each payment, said before any label of it or of later ones."""
    past = []
    for i, row in enumerate(made.X.tolist()):
        at = START + int(made.seconds[i] * 1_000)
        raw = {"id": f"p{i}", "subject": made.customer[i], "time": at, "terminal": made.terminal[i]}
        event = orjson.dumps({**raw, "features": dict(zip(FEATURES, row, strict=True))})
        past.append(PastEvent(f"p{i}", made.customer[i], at, event, "fraud" if made.fraud[i] else "ok"))
    scores = np.zeros(len(past))
    for i, step in enumerate(Chunks(config, made.delay).run(past)):
        if step.decision is not None:
            scores[i] = step.decision.belief.get("fraud", 0.0) + step.decision.uncertainty / 2
    return scores


def columns(made: Payments, config: Settings, cut: int = 200) -> Floats:
    """What profiles say of each payment, labels as late as they are for Tocsin (but for `cut` events)."""
    schema, most, n = config.schema_, config.bounds.profile_keys, len(made.fraud)
    times = (made.seconds * 1_000).astype(np.int64) + START
    strings = {"subject": made.customer, "terminal": made.terminal}
    own = EventProfiles(schema.profiles, schema.kinds, most).say_and_add(ProfiledEvents(strings, times, made.X))
    rates, said = LabelRates(schema.profiles, most), []
    labels = ["fraud" if one else "ok" for one in made.fraud.tolist()]
    for start in range(0, n, cut):
        stop = min(start + cut, n)
        said.append(rates.say({"terminal": made.terminal[start:stop]}, stop - start))
        due = slice(max(start - made.delay, 0), max(stop - made.delay, 0))
        rates.learn({"terminal": made.terminal[due]}, times[due], labels[due])
    return np.concatenate([own, np.concatenate(said)], axis=1)


def by_lightgbm(made: Payments, X: Floats, first: int, share: float) -> Floats:
    """The probability of fraud of each payment from day `first` on, by a model of what is known when its day begins."""
    import lightgbm

    rng, scores = np.random.default_rng(0), np.zeros(len(X))
    for day in range(first, int(made.day[-1]) + 1):
        rows = np.flatnonzero(made.day == day)
        known = np.arange(max(int(rows[0]) - made.delay, 0))
        kept = known[(made.fraud[known] == 1) | (rng.random(len(known)) < share)]
        parts = {} if share == 1.0 else {"n_estimators": 200, "num_leaves": 15, "learning_rate": 0.05}
        model = lightgbm.LGBMClassifier(verbose=-1, n_jobs=1, **parts).fit(X[kept], made.fraud[kept])
        scores[rows] = model.predict_proba(X[rows])[:, 1]
    return scores


def by_river(made: Payments, X: Floats) -> Floats:
    """The probability of fraud of each payment, by a logistic regression that is oversampled to one in ten."""
    from river import imblearn, linear_model, preprocessing

    inner: Any = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    model: Any = imblearn.RandomOverSampler(inner, desired_dist={0: 0.9, 1: 0.1}, seed=1)
    rows = [dict(enumerate(row)) for row in np.nan_to_num(X).tolist()]
    scores = np.zeros(len(rows))
    for i, row in enumerate(rows):
        if i >= made.delay:
            model.learn_one(rows[i - made.delay], int(made.fraud[i - made.delay]))
        scores[i] = model.predict_proba_one(row).get(1, 0.0)
    return scores


def auprc(score: Floats, fraud: Ints) -> float:
    """Average precision."""
    found = fraud[np.argsort(-score, kind="stable")]
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return float((precision * found).sum() / max(found.sum(), 1))


def recall(score: Floats, fraud: Ints) -> float:
    """The share of frauds among the surest alerts."""
    top = np.argsort(-score, kind="stable")[: int(ALERTS * len(score))]
    return float(fraud[top].sum() / max(fraud.sum(), 1))


def told(made: Payments, scores: Floats, first: int) -> str:
    """The figures of the days from `first` on."""
    at = np.flatnonzero(made.day >= first)
    score, fraud, day = scores[at], made.fraud[at], made.day[at]
    rows = {d: np.flatnonzero(day == d) for d in np.unique(day).tolist()}
    rng, figures = np.random.default_rng(0), []
    for figure in (auprc, recall):
        drawn = [np.concatenate([rows[d] for d in rng.choice(list(rows), len(rows))]) for _ in range(200)]
        low, high = np.quantile([figure(score[one], fraud[one]) for one in drawn], [0.05, 0.95])
        figures.append(f"{figure(score, fraud):.3f} [{low:.3f}, {high:.3f}]")
    top = np.argsort(-score, kind="stable")[: int(ALERTS * len(score))]
    saved = float((made.X[at][top, 0] * fraud[top]).sum() - ALERT_COSTS * len(top))
    return f"{figures[0]}   {figures[1]}   {saved:10,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=45)
    parser.add_argument("--judge-from", type=int, default=30)
    parser.add_argument("--experts", choices=("default", "boosted", "forest"), default="default")
    given = parser.parse_args()
    made = payments(given.days)
    judged = made.fraud[made.day >= given.judge_from]
    print(f"days {given.judge_from} to {given.days - 1}: {len(judged):,} payments, {judged.sum():,} frauds")
    print(f"{'':34s}AUPRC                  recall at 0.5%            saved   CPU s")
    said = np.concatenate([made.X, columns(made, settings(True, given.experts))], axis=1)
    for name, X in (("with profiles", said), ("without", made.X)):
        config = settings(X is said, given.experts)
        for model, run in (
            (f"Tocsin {name}", lambda config=config: by_tocsin(made, config)),
            (f"LightGBM {name}", lambda X=X: by_lightgbm(made, X, given.judge_from, 1.0)),
            (f"LightGBM 1 in 10 {name}", lambda X=X: by_lightgbm(made, X, given.judge_from, 0.1)),
            (f"river {name}", lambda X=X: by_river(made, X)),
        ):
            began = time.process_time()
            scores = run()
            taken = time.process_time() - began
            print(f"{model:34s}{told(made, scores, given.judge_from)}   {taken:5.0f}", flush=True)


if __name__ == "__main__":
    main()
