"""Target statistics: what they gain a model, that its bits are those of any cut, and how classes and columns come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.logistic import LogisticSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.categories import CategoriesSettings
from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.features import category_code
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.experts.linear import LinearExpert
from tocsin.models.inputs.categories import TargetStatistics
from tocsin.models.succession import successor

ON, OFF = InputsSettings(), InputsSettings(categories=CategoriesSettings(enabled=False))
LINEAR, LOGISTIC = LinearSettings(), LogisticSettings()
FEATURES = (FeatureSettings(name="amount"), FeatureSettings(name="shop", kind="category"))


def model(inputs: InputsSettings = ON, classes: tuple[str, ...] = ("no", "yes"), only: int | None = None) -> Classifier:
    experts = (LINEAR, LOGISTIC) if only is None else ((LINEAR, LOGISTIC)[only],)
    return Classifier(ModelSettings(features=FEATURES, classes=classes, experts=experts, inputs=inputs))


def stream(n: int, shops: int = 500, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The class is mostly that of the shop."""
    rng = np.random.default_rng(0)
    codes = rng.choice(1 << 40, shops, replace=False).astype(np.float64)
    usual, shop = rng.integers(0, classes, shops), rng.integers(0, shops, n)
    y = np.where(rng.random(n) < 0.9, usual[shop], rng.integers(0, classes, n))
    return np.column_stack([rng.normal(size=n), codes[shop]]), y.astype(np.int64)


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray, poll: int = 4_000) -> np.ndarray:
    betp = [
        classifier.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(betp).argmax(axis=1) == y


def same(one: Classifier, other: Classifier) -> None:
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


@pytest.mark.parametrize("only", [0, 1], ids=["linear", "logistic"])
@pytest.mark.parametrize("classes", [2, 4])
def test_more_categories_than_buckets_are_told_apart(only: int, classes: int) -> None:
    X, y = stream(6_000, classes=classes)
    names = tuple("abcd"[:classes])
    rated, hashed = (right(model(inputs, names, only), X, y)[3_000:].mean() for inputs in (ON, OFF))
    assert rated > 0.8
    assert rated > hashed + 0.15


def test_how_polls_are_cut_changes_no_bit() -> None:
    X, y = stream(700)
    X[::9, 1] = np.nan
    once, often = model(), model()
    right(once, X, y)
    right(often, X, y, poll=7)
    same(once, often)


def test_late_labels_are_learnt_alike_however_they_are_cut() -> None:
    X, y = stream(400)

    def late(poll: int) -> Classifier:
        classifier = model()
        right(classifier, X[:200], y[:200])
        scores = classifier.score(Batch.of(X[200:300]))
        seen = [scores.context(i) for i in range(100)]
        for i in range(0, 100, poll):
            rows = slice(200 + i, 200 + min(i + poll, 100))
            n = rows.stop - rows.start
            labels = [("no", "yes")[k] for k in y[rows]]
            classifier.learn(FeedbackBatch(Batch.of(X[rows]), labels, np.ones(n), seen[i : i + n], [()] * n))
        return classifier

    same(late(100), late(9))


def test_scoring_reads_what_is_known_by_then_and_learns_nothing() -> None:
    X, y = stream(2_000)
    classifier = model()
    right(classifier, X, y)
    before = classifier.mixture.inputs.categories.state_dict()
    rates = classifier.score(Batch.of(X[:50])).batch.rates
    assert rates is not None
    assert rates.shape == (50, 1)
    np.testing.assert_array_equal(rates, classifier.mixture.inputs.categories.apply(X[:50]))
    for name, array in classifier.mixture.inputs.categories.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_that_a_category_is_missing_is_learnt() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 2_000)
    X = np.column_stack([rng.normal(size=2_000), rng.integers(0, 5, 2_000).astype(float)])
    X[(y == 1) & (rng.random(2_000) < 0.6), 1] = np.nan
    classifier = model()
    right(classifier, X, y)
    assert classifier.predict_proba_many(np.array([[0.0, np.nan]]))[0, 1] > 0.85


def test_a_restored_model_goes_on_alike(tmp_path: Path) -> None:
    X, y = stream(900, classes=3)
    once = model(classes=("a", "b", "c"))
    right(once, X[:600], y[:600])
    once.save(tmp_path / "model")
    other = Classifier.load(tmp_path / "model")
    right(once, X[600:], y[600:])
    right(other, X[600:], y[600:])
    same(once, other)


def test_classes_and_categories_that_come_later_move_no_weight_of_those_before() -> None:
    rng = np.random.default_rng(1)
    classifier = Classifier(ModelSettings(experts=(LINEAR, LOGISTIC)))
    for i in range(1_500):
        shop = int(rng.integers(0, 6))
        x: dict[str, object] = {"shop": f"s{shop}", "amount": rng.normal()}
        if i > 500:
            x["land"] = "pq"[i % 2]
        label = "c" if i > 1_000 and shop == 5 else "ab"[shop % 2]
        classifier.learn_one(x, label)
    told = [classifier.predict_one({"shop": f"s{shop}", "amount": 0.0, "land": "p"}) for shop in range(6)]
    assert told == ["a", "b", "a", "b", "a", "c"]
    linear = classifier.experts[0]
    assert isinstance(linear, LinearExpert)
    assert linear.coefficients().shape == (3, 1 + 2 * 3 + 1)


def test_columns_that_come_later_leave_what_was_learnt() -> None:
    X, y = stream(600, shops=40)
    classifier = model()
    right(classifier, X, y)
    linear = classifier.experts[0]
    assert isinstance(linear, LinearExpert)
    before = linear.coefficients()
    linear.set_columns((), [False, True, False, True])
    np.testing.assert_array_equal(linear.coefficients()[:, [0, 2, -1]], before)
    assert not linear.coefficients()[:, [1, 3]].any()


def test_numbers_alone_need_no_table() -> None:
    statistics = TargetStatistics(CategoriesSettings())
    statistics.resize([False, False], 2)
    assert statistics.learn(np.zeros((3, 2)), np.zeros(3, np.int64)) is None
    assert statistics.apply(np.zeros((3, 2))) is None
    assert sum(array.size for array in statistics.state_dict().values()) <= 4


def test_a_snapshot_of_other_columns_or_classes_is_refused() -> None:
    statistics, wider = TargetStatistics(CategoriesSettings()), TargetStatistics(CategoriesSettings())
    statistics.resize([True], 2)
    wider.resize([True], 3)
    with pytest.raises(SnapshotError, match=r"categories\.counts"):
        wider.load_state_dict(statistics.state_dict())


def test_an_empty_name_is_a_category() -> None:
    classifier = model()
    X = np.column_stack([np.zeros(400), np.where(np.arange(400) % 2, category_code(""), category_code("x"))])
    right(classifier, X, np.arange(400, dtype=np.int64) % 2)
    assert classifier.predict_one({"amount": 0.0, "shop": ""}) == "yes"


def test_a_successor_keeps_experts_only_where_categories_are_the_same_numbers(tmp_path: Path) -> None:
    X, y = stream(300, shops=10)
    classifier = model()
    right(classifier, X, y)
    classifier.save(tmp_path / "before")
    _, anew = successor(tmp_path / "before", model(OFF).settings or ModelSettings(), "auto")
    assert anew == ["linear", "logistic"]


@pytest.mark.parametrize(
    "changes",
    [{"classes": ("no", "yes", "perhaps")}, {"inputs": InputsSettings(clipping=ClippingSettings(deviations=9.0))}],
    ids=["a class more", "another setting of the inputs"],
)
def test_a_successor_is_as_accurate_as_the_model_that_it_goes_on_from(tmp_path: Path, changes: dict[str, Any]) -> None:
    X, y = stream(3_000, shops=100)
    classifier = model(only=0)
    right(classifier, X, y)
    classifier.save(tmp_path / "before")
    made, anew = successor(tmp_path / "before", model(**changes, only=0).settings or ModelSettings(), "auto")
    assert not anew
    said = [one.score(Batch.of(X[-500:])).betp.argmax(axis=1) for one in (classifier, made)]
    assert (said[0] == y[-500:]).mean() > 0.9
    assert (said[1] == y[-500:]).mean() > 0.9
