"""What is written of a whole batch is what the plain form says of each of its events."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.experts.rules import RulesSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer, Explanation
from tocsin.explain.brief import Explanations
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.scores import Scores

COLOURS = ("red", 'gr"een', "blué")
FEATURES = (
    FeatureSettings(name="size"),
    FeatureSettings(name="colour", kind="category"),
    FeatureSettings(name='no\\"ise'),
)
QUICK: dict[str, Any] = {"grace_period": 20, "delta": 0.05, "tau": 0.2}
TREES = (
    TreeSettings(name="tree", **QUICK),
    TreeSettings(name="history", history=2, **QUICK),
    TreeSettings(name="one-vs-rest", one_vs_rest=True, **QUICK),
    ForestSettings(name="forest", trees=3, grace_period=20, delta=0.05, tau=0.2, history=1),
    LinearSettings(),
    PersistenceSettings(),
)
CASES: dict[str, dict[str, Any]] = {
    "trees": {"experts": TREES},
    "no tree": {"experts": TREES[-2:]},
    "a tree of river among others": {"experts": (RiverSettings(name="river", history=1, parameters=QUICK), *TREES[:1])},
    "error": {"experts": TREES, "abstention": AbstentionSettings(controls="error", error=0.05)},
    "per class": {"experts": TREES, "abstention": AbstentionSettings(error=0.05, per_class=True)},
    "rare": {"experts": TREES[:2], "abstention": AbstentionSettings(rare_share=1.0)},
    "cost": {"experts": TREES[:2], "abstention": AbstentionSettings(controls="cost", abstain_cost=0.05)},
    "novel": {"experts": TREES[:2], "abstention": AbstentionSettings(abstain_novel=True, error=0.1)},
}


RULES = RulesSettings(
    rules=[
        {"name": 'b"ig', "when": "size > 0.5", "class": "c1", "says": "Bïg."},
        {"name": "not red", "when": 'colour != "red"', "class": "c0", "confidence": 0.5},
        {"name": "never", "when": "size > 1e9", "class": "c2"},
    ]
)


def events(rows: int, seed: int) -> tuple[Batch, list[str]]:
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 3, rows)
    codes = [category_code(COLOURS[c]) for c in colour]
    X = np.column_stack([rng.normal(size=rows), codes, rng.normal(size=rows)])
    y = (X[:, 0] > 0).astype(int) + (colour == 2) * rng.integers(0, 2, rows)
    X[rng.random(X.shape) < 0.08] = np.nan
    categories = [{category_code(COLOURS[c]): COLOURS[c]} for c in colour]
    history = rng.integers(-1, 3, (rows, 2))
    return Batch.of(X, categories=categories, history=history), [f"c{k}" for k in y]


def learn(model: Classifier, batch: Batch, labels: list[str]) -> None:
    B = len(labels)
    model.learn(FeedbackBatch(batch, labels, np.ones(B), [None] * B, [[]] * B))


def written(explainer: Explainer, scores: Scores) -> list[Explanation]:
    texts = JsonTexts()
    columns = Explanations(explainer, msgspec.json.encode).columns(scores, texts)
    return [msgspec.json.decode(text, type=Explanation) for text in texts.join(columns, len(scores.batch))]


def rounded(value: Any) -> Any:
    """Without the last of six digits, which may differ where figures are added up in another order."""
    if isinstance(value, float):
        return pytest.approx(value, abs=2e-6)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def compare(explainer: Explainer, scores: Scores) -> None:
    for i, found in enumerate(written(explainer, scores)):
        plain = explainer.explain(scores, i)
        assert plain is not None
        assert msgspec.to_builtins(found) == rounded(msgspec.to_builtins(plain))


@pytest.mark.parametrize("case", CASES)
def test_a_batch_is_explained_as_each_of_its_events(case: str) -> None:
    model = Classifier(ModelSettings(features=FEATURES, **CASES[case]))
    explainer = Explainer(model, ExplanationSettings())
    batch, labels = events(600, 1)
    fresh, _ = events(150, 2)
    compare(explainer, model.score(fresh))  # no class is known
    learn(model, batch.rows(0, 20), labels[:20])
    compare(explainer, model.score(fresh))  # a cold start
    learn(model, batch.rows(20, 600), labels[20:])
    scores = model.score(fresh)
    compare(explainer, scores)
    if case != "no tree":
        assert any(found.path is not None for found in written(explainer, scores))
    assert not scores.decided.all()
    assert scores.decided.any() or case == "cost"


@pytest.mark.parametrize("case", ["a tree of river among others", "per class", "trees"])
def test_what_is_explained_of_some_events_is_what_is_explained_of_all(case: str) -> None:
    model = Classifier(ModelSettings(features=FEATURES, **CASES[case]))
    learn(model, *events(600, 1))
    explanations = Explanations(Explainer(model, ExplanationSettings()), msgspec.json.encode)
    scores = model.score(events(50, 2)[0])
    texts = JsonTexts()
    every = texts.join(explanations.columns(scores, texts), 50)
    for kept in (np.arange(50), np.array([3, 4, 20, 49]), np.array([], np.int64)):
        texts = JsonTexts()
        found = texts.join(explanations.columns_of(kept, scores, texts), 50)
        assert found == [text if i in kept else b"null" for i, text in enumerate(every)]


@pytest.mark.parametrize("most", [1, 10])
def test_the_declared_rules_that_fired_are_told(most: int) -> None:
    other = RulesSettings(name="others", rules=[{"name": "small", "when": "size < 0", "class": "c0"}])
    experts = (RULES, *TREES[:1], other)
    model = Classifier(ModelSettings(features=FEATURES, classes=("c0", "c1", "c2"), experts=experts))
    explainer = Explainer(model, ExplanationSettings(rules=most))
    batch, labels = events(300, 1)
    fresh, _ = events(60, 2)
    for _ in range(2):  # before any label, and after
        scores = model.score(fresh)
        compare(explainer, scores)
        found = written(explainer, scores)
        assert {len(one.rules or ()) for one in found} == set(range(min(most, 2) + 1))
        learn(model, batch, labels)
    said = {rule.rule: rule for one in found for rule in one.rules or ()}
    assert (said['b"ig'].says, said['b"ig'].label, said['b"ig'].expert) == ("Bïg.", "c1", "rules")
    assert said["small"].expert == "others"
    assert "never" not in said
    if most > 2:
        assert all((one.rules is None) == (not scores.evidence[i, [0, 2]].any()) for i, one in enumerate(found))


@pytest.mark.parametrize("level", ["none", "full"])
def test_the_other_levels_are_written_as_the_plain_form_says(level: Any) -> None:
    model = Classifier(ModelSettings(features=FEATURES, experts=TREES[:2]))
    explainer = Explainer(model, ExplanationSettings(level=level))
    batch, labels = events(300, 1)
    learn(model, batch, labels)
    scores, texts = model.score(events(9, 2)[0]), JsonTexts()
    columns = Explanations(explainer, msgspec.json.encode).columns(scores, texts)
    assert texts.join(columns, 9) == [msgspec.json.encode(explainer.explain(scores, i)) for i in range(9)]


def test_the_words_of_texts_are_told() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 80)
    said = [" ".join(rng.choice(["win", "prize", "the"] if v else ["home", "dinner", "the"], 4)) for v in y]
    batch = Batch.of(np.zeros((80, 0)), texts=said)
    model = Classifier(ModelSettings(text=True, experts=(SS3Settings(), SS3Settings(name="phrases", ngrams=2))))
    learn(model, batch, [f"c{v}" for v in y])
    some = Batch.of(np.zeros((5, 0)), texts=["win a prize", None, "dinner at home", "the", "prize prize home"])
    explainer, scores = Explainer(model, ExplanationSettings()), model.score(some)
    compare(explainer, scores)
    assert [found.words is None for found in written(explainer, scores)] == [False, True, False, False, False]
