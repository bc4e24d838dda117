"""What a model believes of a rare class, and that it is believed however labels come."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.decision.rare_reading import RareReading

POOL = (LinearSettings(), NaiveBayesSettings(), RareClassSettings())


def settings(*experts: object) -> ModelSettings:
    features = tuple(FeatureSettings(name=name) for name in ("amount", "age", "hour"))
    return ModelSettings(features=features, classes=("good", "fraud"), experts=experts or POOL)  # type: ignore[arg-type]


def stream(n: int, share: float = 0.01) -> tuple[Floats, Ints]:
    """Frauds lie apart in two features."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < share).astype(np.int64)
    X = rng.normal(size=(n, 3))
    X[y == 1, :2] += 2.2
    return X, y


def area(score: Floats, y: Ints) -> float:
    """The area under the precision-recall curve."""
    found = y[np.argsort(-score, kind="stable")]
    precision = found.cumsum() / np.arange(1, len(found) + 1)
    return float(precision[found == 1].mean())


def at_once(model: Classifier, X: Floats, y: Ints, poll: int = 1_000) -> Floats:
    parts = [
        model.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(parts)


def test_a_rare_class_is_ranked_far_better_than_by_fusion_alone() -> None:
    X, y = stream(12_000, share=0.003)
    with_it, without = Classifier(settings()), Classifier(settings(*POOL[:2]))
    ours, plain = (area(at_once(m, X, y)[2_000:, 1], y[2_000:]) for m in (with_it, without))
    assert ours > plain + 0.05


def test_what_is_said_of_a_rare_class_is_calibrated() -> None:
    X, y = stream(8_000)
    p = at_once(Classifier(settings()), X, y)[2_000:, 1]
    assert p.mean() == pytest.approx(y[2_000:].mean(), abs=0.004)
    likely = p > 0.3
    assert y[2_000:][likely].mean() == pytest.approx(p[likely].mean(), abs=0.2)


def test_belief_and_probability_of_a_decision_agree() -> None:
    X, y = stream(4_000)
    model = Classifier(settings())
    at_once(model, X, y)
    scores = model.score(Batch.of(np.vstack([X[:50], X[y == 1][:5]])))
    assert model.mixture.rare.rare.tolist() == [False, True]
    np.testing.assert_allclose(scores.betp.sum(axis=1), 1.0)
    np.testing.assert_allclose(scores.belief.sum(axis=1) + scores.uncertainty, 1.0)
    assert (scores.belief >= 0.0).all()
    said = scores.answers[:, 2]
    np.testing.assert_allclose(scores.betp, said / said.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("poll", [1, 7, 64])
def test_how_events_are_cut_changes_no_bit(poll: int) -> None:
    X, y = stream(1_200)
    once, often = Classifier(settings()), Classifier(settings())
    assert at_once(once, X, y).tobytes() == at_once(often, X, y, poll).tobytes()
    for name, array in once.state_dict().items():
        np.testing.assert_array_equal(array, often.state_dict()[name], err_msg=name)


def test_late_labels_are_judged_by_what_was_said_at_the_time() -> None:
    X, y = stream(3_000)
    model, said = Classifier(settings()), []
    for start in range(0, 3_000, 100):
        batch = Batch.of(X[start : start + 100])
        scores = model.score(batch)
        said.append(scores.betp[:, 1] if scores.betp.shape[1] else np.zeros(100))
        names = [("good", "fraud")[k] for k in y[start : start + 100]]
        contexts = [scores.context(i) for i in range(100)]
        model.learn(FeedbackBatch(scores.batch, names, np.ones(100), contexts, [()] * 100))
    assert area(np.concatenate(said)[1_000:], y[1_000:]) > 0.3


def test_a_reading_without_its_expert_leaves_everything_as_it_is() -> None:
    reading = RareReading(settings(*POOL[:2]))
    reading.resize(2)
    reading.learn(np.tile([0] * 99 + [1], 10))
    betp = np.array([[0.9, 0.1]])
    assert not reading.rare.any()
    assert reading.read(betp, np.zeros((1, 2, 2)), np.array([False, True])).betp is betp


def test_classes_that_are_not_rare_share_the_rest_as_the_fusion_has_it() -> None:
    reading = RareReading(settings())
    betp, answers = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]), np.zeros((2, 3, 3))
    answers[0, 2] = [5.0, 4.0, 1.0]
    read = reading.read(betp, answers, np.array([True, False, False]))
    np.testing.assert_allclose(read.betp, [[0.5, 0.375, 0.125], [0.6, 0.3, 0.1]])
    assert read.moved.tolist() == [True, False]


def test_overload_leaves_the_expert_on_rare_classes() -> None:
    """A rare class was read by the fusion where few experts were asked, and its probability fell to a third."""
    X, y = stream(3_000)
    model = Classifier(settings())
    at_once(model, X, y)
    asked = Batch.of(X[y == 1][:10])
    said, less = model.score(asked), model.score(asked, share=0.05)
    assert less.answers[:, 2].any()
    assert np.median(less.betp[:, 1]) > 0.5 * np.median(said.betp[:, 1])
    assert model.mixture.fewest(0.05)[2]


def test_a_snapshot_brings_back_which_classes_are_rare() -> None:
    one, other, small = (RareReading(settings()) for _ in range(3))
    one.resize(2)
    other.resize(2)
    one.learn(np.tile([0] * 99 + [1], 10))
    other.load_state_dict(one.state_dict())
    assert other.rare.tolist() == one.rare.tolist() == [False, True]
    with pytest.raises(SnapshotError, match="shares"):
        small.load_state_dict(one.state_dict())
