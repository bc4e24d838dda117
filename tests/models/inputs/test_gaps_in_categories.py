"""Gaps in categories that tell something: what they are worth, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.rules import RulesSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.gaps import GapsSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer
from tocsin.models import Batch, Classifier
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.features import MISSING_CATEGORY, category_code
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.lagged import DueLabels, LaggedClassifier

N = 3_000
NAMES = ("red", "green", "blue")
FEATURES = (FeatureSettings(name="a"), FeatureSettings(name="kind", kind="category"))
TREE = TreeSettings(grace_period=100.0)
EXPERTS: tuple[ExpertSettings, ...] = (
    TREE,
    ForestSettings(trees=5, grace_period=100.0),
    NaiveBayesSettings(),
    NeighboursSettings(window=500, k=5),
)


def stream(telling: bool = True, n: int = N) -> tuple[Floats, Ints]:
    """A number and a category that say nothing; if gaps are `telling`, most categories of the class 1 are gaps."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, n)
    X = np.column_stack([rng.normal(size=n), [float(category_code(NAMES[i])) for i in rng.integers(0, 3, n)]])
    share = np.where(y == 1, 0.8, 0.1) if telling else 0.4
    X[:, 1] = np.where(rng.random(n) < share, np.nan, X[:, 1])
    return X, y


def model(*experts: ExpertSettings, enabled: bool = True) -> Classifier:
    inputs = InputsSettings(gaps=GapsSettings(enabled=enabled))
    return Classifier(ModelSettings(features=FEATURES, classes=("no", "yes"), experts=experts, inputs=inputs))


def accuracy(classifier: Classifier, X: Floats, y: Ints) -> float:
    betp = classifier.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    return float((betp.argmax(axis=1) == y)[1_000:].mean())


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda expert: expert.kind)
def test_an_expert_knows_a_gap_in_a_category_where_it_tells_the_class(expert: ExpertSettings) -> None:
    X, y = stream()
    known = accuracy(model(expert), X, y)
    assert known > accuracy(model(expert, enabled=False), X, y) + 0.08
    assert known > 0.77  # of .85 that nobody can exceed


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda expert: expert.kind)
def test_a_gap_that_tells_nothing_stays_a_gap_to_the_bit(expert: ExpertSettings) -> None:
    """As a category of its own it cost trees half a point: one more branch, among which events are divided."""
    X, y = stream(telling=False)
    with_gaps, without = model(expert), model(expert, enabled=False)
    for classifier in (with_gaps, without):
        classifier.learn_at_once(Batch.of(X), y, np.ones(N))
    asked = Batch.of(X[:100])
    np.testing.assert_array_equal(with_gaps.score(asked).answers, without.score(asked).answers)


def test_only_the_gap_gets_the_code_and_rules_still_see_what_came() -> None:
    X, y = stream()
    classifier = model(TREE)
    classifier.learn_at_once(Batch.of(X), y, np.ones(N))
    came = np.array([[np.nan, np.nan], [-1.0, float(category_code("red"))]])
    seen = classifier.mixture.inputs.apply(Batch.of(came))
    for values in (seen.X, seen.filled, seen.ranked, seen.ranked_where_known):
        assert values[:, 1].tolist() == [MISSING_CATEGORY, category_code("red")]
    assert np.isnan(seen.X[0, 0])
    assert np.isnan(seen.ranked_where_known[0, 0])
    np.testing.assert_array_equal(seen.given, came)
    assert not classifier.score(Batch.of(came)).clipped.any()


def test_a_rule_still_asks_whether_a_category_is_known() -> None:
    rule: Any = {"name": "gap", "when": "kind is None", "class": "yes", "says": "No kind."}
    X, y = stream()
    classifier = model(TREE, RulesSettings(name="house", rules=[rule]))
    classifier.learn_at_once(Batch.of(X), y, np.ones(N))
    answers = classifier.score(Batch.of(np.array([[0.0, np.nan], [0.0, float(category_code("red"))]]))).answers[:, 1]
    assert answers[0].sum() > 0 == answers[1].sum()


def test_an_explanation_says_that_a_category_is_not_known() -> None:
    X, y = stream()
    classifier = model(TREE)
    classifier.learn_at_once(Batch.of(X), y, np.ones(N))
    path = Explainer(classifier, ExplanationSettings()).explain(
        classifier.score(Batch.of(np.array([[0.0, np.nan]]))), 0
    )
    assert path is not None
    assert path.path is not None
    said = [(one.feature, one.operator, one.actual) for one in path.path.conditions]
    assert ("kind", "=", "(not known)") in said


def test_gaps_are_known_in_a_lagged_pass_as_one_by_one() -> None:
    X, y = stream(n=700)
    names = [("no", "yes")[k] for k in y]
    one, many = model(*EXPERTS), model(*EXPERTS)
    expected = []
    for i, name in enumerate(names):
        event = Batch.of(X[i : i + 1])
        scores = one.score(event)
        one.learn(FeedbackBatch(event, [name], np.ones(1), [scores.context(0)], [()]))
        expected.append(scores.belief[0])
    due = DueLabels(np.arange(len(y)), names, np.ones(len(y)))
    belief = np.concatenate(
        [run.verdicts.belief for run in LaggedClassifier(many)(Batch.of(X), np.arange(len(y)), due)]
    )
    np.testing.assert_array_equal(belief, np.array(expected))
    assert many.mixture.inputs.gaps.open.tolist() == [False, True]
    mine, other = one.state_dict(), many.state_dict()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
