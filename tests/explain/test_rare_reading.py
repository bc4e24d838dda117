"""How explanations tell the reading of rare classes: what it changed, and who changed it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain.brief import Explanations
from tocsin.explain.decision import Explainer
from tocsin.explain.explanation import Explanation
from tocsin.explain.rare_reading import SecondReading
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.decision.scores import Scores

CLASSES = ("usual", 'ra"re')
EXPERTS = (LinearSettings(), NeighboursSettings(), RareClassSettings())


@cache
def scored(share: float = 0.02) -> tuple[Explainer, Scores]:
    """A model that has learnt a stream with such a share of the second class, and what it says of six events."""
    rng = np.random.default_rng(1)
    y = (rng.random(3_000) < share).astype(np.int64)
    X = rng.normal(size=(3_000, 2))
    X[y == 1] += 2.0
    features = (FeatureSettings(name="a"), FeatureSettings(name="b"))
    model = Classifier(ModelSettings(features=features, classes=CLASSES, experts=EXPERTS))
    model.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    asked = np.array([[0.0, 0.0], [2.0, 2.0], [3.0, 3.0], [-1.0, 4.0], [1.0, 1.0], [5.0, 5.0]])
    return Explainer(model, ExplanationSettings()), model.score(Batch.of(asked))


def written(explainer: Explainer, scores: Scores) -> list[Explanation]:
    texts = JsonTexts()
    columns = Explanations(explainer, msgspec.json.encode).columns(scores, texts)
    return [msgspec.json.decode(text, type=Explanation) for text in texts.join(columns, len(scores.batch))]


def test_an_explanation_tells_what_was_fused_and_what_is_believed() -> None:
    explainer, scores = scored()
    for i in range(len(scores.batch)):
        one = explainer.explain(scores, i)
        assert one is not None
        assert not isinstance(one.read, msgspec.UnsetType)
        assert one.read.label == CLASSES[1]
        assert abs(one.read.probability - scores.betp[i, 1]) < 1e-5
        assert one.read.fused != one.read.probability


def test_the_brief_form_says_the_same() -> None:
    explainer, scores = scored()
    for i, brief in enumerate(written(explainer, scores)):
        plain = explainer.explain(scores, i)
        assert plain is not None
        assert brief.read == plain.read
        assert brief.experts == plain.experts


def test_where_no_class_is_rare_nothing_is_said_of_it() -> None:
    explainer, scores = scored(0.4)
    assert all(one.read is msgspec.UNSET for one in written(explainer, scores))


def test_without_its_reader_the_belief_is_what_was_fused() -> None:
    """The change by an expert was that of the fusion alone: the vote that made the belief seemed to change nothing."""
    explainer, scores = scored()
    reading, fused = SecondReading(explainer.classifier, scores), explainer.influence(scores).fused
    reader = np.full(len(scores.batch), 2)
    np.testing.assert_array_equal(reading.without(fused, reader), fused)
    np.testing.assert_allclose(reading.after(fused), scores.betp, atol=1e-9)


def test_an_expert_moves_the_belief_through_the_vote_that_hears_it() -> None:
    explainer, scores = scored()
    reading, fused = SecondReading(explainer.classifier, scores), explainer.influence(scores).fused
    without = reading.without(fused, np.zeros(len(scores.batch), np.int64))
    said = scores.answers.copy()
    said[:, 0] = 0.0
    reader = explainer.classifier.experts[2]
    heard = reader.evidence(replace(scores.batch, said=said[:, :2]))
    np.testing.assert_allclose(without[:, 1], heard[:, 1] / heard.sum(axis=1), rtol=1e-12)
    assert (np.abs(without - reading.after(fused)).max(axis=1) > 1e-4).any()
