"""Times as features of a model: what is learnt of them, kept, and said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.rules import RulesSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.lagged import DueLabels, LaggedClassifier

ROWS, SCORED = 4_000, 1_000
NUMBERS = (FeatureSettings(name="amount"),)
AT = FeatureSettings(name="at", kind="time", zone="Africa/Johannesburg", parts=("hour", "weekday"))
OPENED = FeatureSettings(name="opened", kind="time", parts=("age",))
FEATURES = (*NUMBERS, AT, OPENED)
SMALL: Any = (LinearSettings(name="linear"), TreeSettings(name="tree", grace_period=100.0))


def payments() -> tuple[Floats, Ints, Ints]:
    """Payments: X [B, 3] with times as epoch milliseconds, their own times, and their labels.

    They are fraud at night in Johannesburg, or where the account is young. They come hours apart, so that the last
    label says nothing of the next one.
    """
    rng = np.random.default_rng(5)
    times = 1_780_000_000_000 + rng.exponential(25_000_000, ROWS).cumsum().astype(np.int64)
    opened = times - (rng.exponential(200, ROWS) * 86_400_000).astype(np.int64)
    night = (times + 7_200_000) % 86_400_000 < 6 * 3_600_000
    young = times - opened < 20 * 86_400_000
    fraud = rng.random(ROWS) < np.where(night | young, 0.9, 0.05)
    return np.stack([rng.normal(size=ROWS), times, opened], axis=1), times, fraud.astype(np.int64)


def accuracy(features: tuple[FeatureSettings, ...], X: Floats, times: Ints, y: Ints) -> float:
    model = Classifier(ModelSettings(features=features, classes=("good", "fraud")))
    betp = model.learn_at_once(Batch.of(X, times=times), y, np.ones(len(y)))
    return float((betp[SCORED:].argmax(axis=1) == y[SCORED:]).mean())


def test_the_default_model_learns_what_hangs_on_the_hour_and_on_the_age() -> None:
    X, times, y = payments()
    without = accuracy(NUMBERS, X[:, :1], times, y)
    as_numbers = accuracy(tuple(FeatureSettings(name=f.name) for f in FEATURES), X, times, y)
    as_times = accuracy(FEATURES, X, times, y)
    assert without < 0.72
    assert as_times > without + 0.15
    assert as_times > as_numbers + 0.1
    assert as_times > 0.88


def small(features: tuple[FeatureSettings, ...] = FEATURES, **changes: Any) -> Classifier:
    return Classifier(ModelSettings(features=features, classes=("good", "fraud"), experts=SMALL, **changes))


def test_a_snapshot_and_calls_of_another_length_leave_the_bits(tmp_path: Path) -> None:
    X, times, y = payments()
    whole, cut = small(), small()
    whole.learn_at_once(Batch.of(X, times=times), y, np.ones(ROWS))
    for start in range(0, ROWS, 700):
        rows = slice(start, start + 700)
        cut.learn_at_once(Batch.of(X[rows], times=times[rows]), y[rows], np.ones(len(y[rows])))
        cut.save(tmp_path / str(start))
        cut = Classifier.load(tmp_path / str(start))
    asked = Batch.of(X[:50], times=times[:50])
    assert cut.score(asked).betp.tobytes() == whole.score(asked).betp.tobytes()
    assert cut.columns == whole.columns


def test_many_events_at_once_are_answered_as_one_by_one() -> None:
    X, times, y = payments()
    X, times, y = X[:600], times[:600], y[:600]
    model, lagged = small(), small()
    names = [("good", "fraud")[k] for k in y]
    expected = []
    for i, name in enumerate(names):
        event = Batch.of(X[i : i + 1], times=times[i : i + 1])
        scores = model.score(event)
        model.learn(FeedbackBatch(event, [name], np.ones(1), [scores.context(0)], [()]))
        expected.append(scores.belief[0])
    due = DueLabels(np.arange(len(y)), names, np.ones(len(y)))
    runs = LaggedClassifier(lagged)(Batch.of(X, times=times), np.arange(len(y)), due)
    belief = np.concatenate([run.verdicts.belief for run in runs])
    np.testing.assert_array_equal(belief, np.array(expected))


def test_dates_of_python_and_pandas_are_read_alike() -> None:
    features = (*NUMBERS, FeatureSettings(name="at", kind="time", parts=("hour", "weekday")))
    start = datetime(2026, 11, 1, 3, 30, tzinfo=UTC)
    moments = [start + timedelta(hours=7 * i) for i in range(200)]
    y = ["fraud" if moment.hour < 6 else "good" for moment in moments]
    one, many, pairs = small(features), small(features), small(features)
    for i, moment in enumerate(moments):
        one.learn_one({"amount": i % 5, "at": moment}, y[i])
    frame = pd.DataFrame({"at": moments, "amount": [i % 5 for i in range(200)], "other": "x"})
    many.learn_many(frame, pd.Series(y))
    pairs.learn_many(np.array([[i % 5, m.timestamp() * 1000] for i, m in enumerate(moments)]), y)
    asked = {"amount": 1, "at": "2026-12-01T04:00"}
    assert one.predict_proba_one(asked) == many.predict_proba_one(asked) == pairs.predict_proba_one(asked)
    assert one.predict_one(asked) == "fraud"
    assert one.predict_one({"amount": 1}) == "good"  # without a time, by what is usual
    with pytest.raises(ValueError, match="feature 'at' is no time: give an epoch time or ISO 8601, found the string"):
        one.learn_one({"amount": 1, "at": "soon"}, "good")
    with pytest.raises(ValueError, match=r"feature 'at' is no time.*in row 1"):
        many.learn_many(pd.DataFrame({"at": ["2026-01-01", "x"], "amount": [1, 2]}), ["good", "good"])


def test_an_explanation_names_hour_and_weekday_in_plain_words() -> None:
    features = (FeatureSettings(name="at", kind="time", parts=("weekday",)), *NUMBERS)
    model = small(features)
    rng = np.random.default_rng(0)
    monday = datetime(2026, 11, 2, tzinfo=UTC)
    for i in range(2_000):
        moment = monday + timedelta(days=i)
        model.learn_one({"at": moment, "amount": rng.normal()}, "fraud" if moment.weekday() == 6 else "good")
    sunday = Batch.of(np.array([[1_795_910_400_000.0, 0.0]]))
    path = Explainer(model, ExplanationSettings()).explain(model.score(sunday), 0).path
    assert path is not None
    assert [(step.feature, step.actual) for step in path.conditions] == [("weekday of at", "Sunday")]


def test_a_rule_speaks_of_the_parts_of_a_time() -> None:
    rules = RulesSettings(
        name="house",
        rules=[
            {"name": "night", "when": 'feature["hour of day of at"] < 6', "class": "fraud", "says": "At night."},
            {"name": "sunday", "when": 'feature["weekday of at"] == "Sunday"', "class": "good", "says": "On Sunday."},
        ],
    )
    model = Classifier(ModelSettings(features=(AT,), classes=("good", "fraud"), experts=(rules,)))
    evidence = model.score(Batch.of(np.array([[1_795_570_200_000.0], [1_795_950_000_000.0]]))).answers[:, 0]
    assert (evidence[0, 1] > evidence[0, 0], evidence[1, 0] > evidence[1, 1]) == (True, True)


def test_the_digest_changes_with_a_time_alone() -> None:
    assert FeatureSettings(name="a").model_dump() == {"name": "a", "kind": "number", "path": None, "required": True}
    digests = {
        ModelSettings(features=(feature,)).digest()
        for feature in (
            FeatureSettings(name="at"),
            FeatureSettings(name="at", kind="time"),
            FeatureSettings(name="at", kind="time", zone="Asia/Tokyo"),
            FeatureSettings(name="at", kind="time", parts=("hour",)),
            FeatureSettings(name="at", kind="time", unit="seconds"),  # which says how it is read, not what it is
        )
    }
    assert len(digests) == 4
