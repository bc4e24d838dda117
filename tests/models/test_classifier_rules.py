"""Declared rules in a whole classifier: classes keep their meaning where a model goes on from another's snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.rules import RulesSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.succession import successor

FEATURES = (FeatureSettings(name="amount"), FeatureSettings(name="country", kind="category"))
OLD = RulesSettings(name="old", rules=[{"name": "big", "when": "amount > 100", "class": "fraud"}])
NEW = RulesSettings(name="new", rules=[{"name": "tiny", "when": "amount < 1", "class": "good", "confidence": 0.9}])
BIG, TINY = np.array([[200.0, 1.0]]), np.array([[0.5, 1.0]])


def model(*experts: RulesSettings, classes: tuple[str, ...]) -> Classifier:
    settings = ModelSettings(features=FEATURES, classes=classes, experts=(*experts, LinearSettings()))
    return Classifier(settings)


def taught(made: Classifier) -> None:
    batch = Batch.of(np.repeat(BIG, 40, axis=0))
    made.learn(FeedbackBatch(batch, ["fraud"] * 30 + ["good"] * 10, np.ones(40), [None] * 40, [[]] * 40))


def said(made: Classifier, X: np.ndarray, expert: str) -> dict[str, float]:
    """The evidence of one expert, by the name of the class."""
    e = [one.name for one in made.experts].index(expert)
    return dict(zip(made.classes, made.score(Batch.of(X)).answers[0, e].tolist(), strict=True))


def test_rules_speak_for_the_classes_that_they_name_where_classes_are_in_another_order(tmp_path: Path) -> None:
    before = model(OLD, classes=("good", "fraud"))
    taught(before)
    before.save(tmp_path / "a")
    settings = ModelSettings(features=FEATURES, classes=("odd", "fraud", "good"), experts=(NEW, OLD, LinearSettings()))
    after, anew = successor(tmp_path / "a", settings, "auto")
    assert after.classes == ["good", "fraud", "odd"]
    assert anew == ["new"]
    assert max(said(after, TINY, "new"), key=said(after, TINY, "new").__getitem__) == "good"
    kept, known = said(after, BIG, "old"), said(before, BIG, "old")
    assert kept["fraud"] > kept["good"] > kept["odd"]
    assert kept["fraud"] == known["fraud"]
    fresh = after.mixture.pool.fresh(0)  # as the lifecycle puts it in the place of one that is ill
    assert fresh.evidence(Batch.of(TINY))[0].argmax() == after.classes.index("good")
    after.save(tmp_path / "b")
    again = Classifier.load(tmp_path / "b")
    assert said(again, BIG, "old") == kept
    assert again.experts[0].rules[0].label == after.classes.index("good")


def test_a_saved_model_goes_on_to_the_bit(tmp_path: Path) -> None:
    one = model(OLD, NEW, classes=("good", "fraud"))
    taught(one)
    one.save(tmp_path)
    other = Classifier.load(tmp_path)
    for made in (one, other):
        taught(made)
    assert {k: v.tobytes() for k, v in one.state_dict().items()} == {
        k: v.tobytes() for k, v in other.state_dict().items()
    }


def test_events_as_dictionaries_are_compared_by_the_names_of_their_categories() -> None:
    rule = {"name": "abroad", "when": 'amount > 10 and country != "home"', "class": "fraud"}
    made = model(RulesSettings(rules=[rule]), classes=("good", "fraud"))
    assert made.predict_proba_one({"amount": 20, "country": "away"})["fraud"] > 0.55  # a quarter trusted
    for event in ({"amount": 20, "country": "home"}, {"amount": 5, "country": "away"}, {"amount": 20}):
        assert made.predict_proba_one(event)["fraud"] == 0.5
