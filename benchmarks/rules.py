"""Does a team's own rule help where a class is rare, and does a wrong one harm?

    python benchmarks/rules.py [--events 20000] [--seeds 0 1 2]

Payments of which .6% are fraud: 30% of the large ones from three of twenty countries, .2% of all others. A small pool
learns each label right after its event, without rules, with a rule that knows those countries (30% of its events are
fraud, its author says 50%), with one that is as good as chance (its author says 80%), and with both. Printed are the
log loss of the first 1,000 events and of all, and the average precision of the probability of fraud.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rules import RuleSettings, RulesSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code

COUNTRIES = 20
FEATURES = (
    FeatureSettings(name="amount"),
    FeatureSettings(name="country", kind="category"),
    FeatureSettings(name="hour"),
)
POOL: tuple[ExpertSettings, ...] = (
    TreeSettings(name="tree", delta=1e-7),
    TreeSettings(name="tree-history", history=1),
    LinearSettings(),
    PersistenceSettings(),
)
RIGHT = RuleSettings(
    name="abroad", when='amount > 100 and country in ["c3", "c7", "c11"]', class_="fraud", confidence=0.5
)
WRONG = RuleSettings(name="night", when="hour < 4 and amount < 3", class_="fraud", confidence=0.8)
CASES = {"none": (), "right": (RIGHT,), "wrong": (WRONG,), "both": (RIGHT, WRONG)}


def payments(events: int, seed: int) -> tuple[Batch, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    amount, country = np.exp(rng.normal(3, 1.2, events)), rng.integers(0, COUNTRIES, events)
    hour = rng.integers(0, 24, events)
    risky = (amount > 100) & np.isin(country, [3, 7, 11])
    codes = np.array([float(category_code(f"c{i}")) for i in range(COUNTRIES)])
    X = np.column_stack([amount, codes[country], hour.astype(np.float64)])
    return Batch.of(X), (rng.random(events) < np.where(risky, 0.3, 0.002)).astype(np.int64)


def probabilities(model: Classifier, batch: Batch, y: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of fraud [B] of each event just before it was learnt."""
    parts = []
    for start in range(0, len(batch), 1_000):
        rows = batch.rows(start, min(start + 1_000, len(batch)))
        parts.append(model.learn_at_once(rows, y[start : start + 1_000], np.ones(len(rows)))[:, 1])
    return np.clip(np.concatenate(parts), 1e-9, 1.0 - 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print("| rules | log loss x 1,000, first 1,000 | all | average precision | precision at the end |")
    print("|---|---|---|---|---|")
    for name, declared in CASES.items():
        figures, said = [], ""
        for seed in arguments.seeds:
            batch, y = payments(arguments.events, seed)
            experts = (*POOL, RulesSettings(rules=declared)) if declared else POOL
            model = Classifier(ModelSettings(features=FEATURES, classes=("good", "fraud"), experts=experts))
            q = probabilities(model, batch, y)
            loss = -1e3 * np.where(y == 1, np.log(q), np.log(1.0 - q))
            figures.append((loss[:1_000].mean(), loss.mean(), average_precision_score(y, q)))
            rules = [rule for expert in model.experts for rule in expert.rules]
            said = ", ".join(f"{r.name} {r.precision:.2f}{', turned bad' if r.turned_bad else ''}" for r in rules)
        early, late, precision = np.mean(figures, axis=0)
        print(f"| {name} | {early:.1f} | {late:.1f} | {precision:.3f} | {said or '-'} |", flush=True)


if __name__ == "__main__":
    main()
