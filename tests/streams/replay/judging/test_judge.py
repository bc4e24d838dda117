"""The figures of a replay beside its accuracy: right, over time, around drifts, and within bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, precision_score, recall_score

from tocsin.config import Settings
from tocsin.streams.replay.evaluation import PrequentialEvaluation, PrequentialReport
from tocsin.streams.replay.judging import judge
from tocsin.streams.wire.records import Decision, ModelVersion


def config(**more: Any) -> Settings:
    return Settings.model_validate({"schema": {"features": [{"name": "a"}]}, **more})


def decision(p: float, label: str | None, time: int = 0, alert: float | None = None) -> Decision:
    return Decision(
        event="e",
        subject="s",
        time=time,
        decided_at=0,
        status="abstained" if label is None else "decided",
        label=label,
        belief={"ok": 1 - p - 0.01 * min(p, 1 - p), "fraud": p - 0.01 * min(p, 1 - p)},
        uncertainty=0.02 * min(p, 1 - p),
        conflict=0.0,
        reason=None if label else "uncertain",
        set=["ok", "fraud"] if p > 0.1 else ["ok"],
        explanation=None,
        model=ModelVersion(1, "", "default"),
        alert=alert,
    )


def stream(n: int = 6_000, seed: int = 0) -> tuple[list[tuple[Decision, str]], Any, Any, Any]:
    """Decisions with their truths; probabilities, truths and names. Every seventh event is abstained from."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < 0.02
    p = 1 / (1 + np.exp(4 - rng.normal(size=n) - 3 * fraud))
    named = p > 0.2
    pairs = []
    for i in range(n):
        label = None if i % 7 == 6 else "fraud" if named[i] else "ok"
        one = decision(float(p[i]), label, 60_000 * i, 0.4 if p[i] > 0.4 else None)
        pairs.append((one, "fraud" if fraud[i] else "ok"))
        if label is None:
            named[i] = p[i] > 0.5
    return pairs, p, fraud, named


def judged(pairs: list[tuple[Decision, str]], settings: Settings | None = None) -> PrequentialReport:
    evaluation = PrequentialEvaluation(settings)
    for one, truth in pairs:
        evaluation.add(one, truth)
    return evaluation.report()


def test_the_figures_are_those_of_scikit_learn() -> None:
    pairs, p, fraud, named = stream()
    report = judged(pairs, config(alert={"class": "fraud"}))
    rare, own = report.rare, report.classes["fraud"]
    assert rare is not None
    assert rare.auprc == own.auprc == pytest.approx(average_precision_score(fraud, p), abs=0.01)
    assert own.in_set == sum(t == "fraud" and "fraud" in one.set for one, t in pairs) / fraud.sum()
    assert own.precision == pytest.approx(precision_score(fraud, named))
    assert own.recall == pytest.approx(recall_score(fraud, named))
    assert rare.f1 == own.f1 == pytest.approx(f1_score(fraud, named))
    matrix = confusion_matrix(fraud, named)
    assert report.confusion == {
        "ok": {"ok": matrix[0, 0], "fraud": matrix[0, 1]},
        "fraud": {"ok": matrix[1, 0], "fraud": matrix[1, 1]},
    }
    alerted = p > 0.4
    assert rare.alerts == alerted.sum()
    assert rare.alert_recall == pytest.approx(recall_score(fraud, alerted))
    assert rare.alert_precision == pytest.approx(precision_score(fraud, alerted))
    assert rare.share == fraud.mean() == own.labels / len(pairs)
    surest = np.argsort(-p)[: len(p) // 100]
    assert rare.recall_of_surest["1.0%"] == pytest.approx(fraud[surest].sum() / fraud.sum(), abs=0.02)
    orjson.dumps(dataclasses.asdict(report))


def test_without_a_class_that_raises_alerts_it_is_the_rarest_if_that_is_rare() -> None:
    pairs, *_ = stream()
    found = judged(pairs).rare
    assert found is not None
    assert (found.name, found.alerts, found.alert_recall) == ("fraud", None, None)
    assert judged([(one, "ok" if i % 3 else "fraud") for i, (one, _) in enumerate(pairs)]).rare is None


def test_what_decisions_cost_is_by_the_config() -> None:
    pairs, *_ = stream(1_400)
    costs = {"fraud": {"ok": 50.0}, "ok": {"fraud": 2.0}}
    report = judged(pairs, config(abstention={"controls": "cost", "costs": costs, "abstain_cost": 3.0}))
    told = [3.0 if one.label is None else costs[t].get(one.label, 0.0) for one, t in pairs]
    assert report.cost == pytest.approx(sum(told) / len(told))
    assert sum((one.cost or 0.0) * one.events for one in report.over_time) == pytest.approx(sum(told))
    assert judged(pairs).cost is None


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1_536, 1_537, 6_000, 20_001])
def test_runs_over_time_add_up_to_the_whole(n: int) -> None:
    pairs, *_ = stream(n)
    report = judged(pairs, config(alert={"class": "fraud"}))
    runs = report.over_time
    assert len(runs) <= judge.PERIODS
    assert sum(one.events for one in runs) == n
    assert len({one.events for one in runs[:-1]}) <= 1
    assert [one.first for one in runs] == sorted(one.first for one in runs)
    assert sum((one.accuracy or 0.0) * one.events for one in runs) == pytest.approx((report.accuracy or 0.0) * n)
    assert sum(one.alerts for one in runs) == (report.rare.alerts if report.rare else None)
    if n > 3_000:
        assert all(one.auprc is not None and one.auprc > 0.3 for one in runs[:-1])


def test_a_drift_is_told_with_what_was_before_and_after_it() -> None:
    rng, pairs = np.random.default_rng(0), []
    for i in range(6_000):
        right = rng.random() < (0.95 if i < 3_000 else 0.6)
        truth = "ok" if rng.random() < 0.5 else "fraud"
        named = truth if right else {"ok": "fraud", "fraud": "ok"}[truth]
        pairs.append((decision(0.9 if named == "fraud" else 0.1, named, i), truth))
    [drift] = judged(pairs).drifts
    assert 2_700 < drift.event < 3_200
    assert abs(drift.time - drift.event) <= judge.BLOCK
    assert drift.before.events == judge.AROUND // judge.BLOCK * judge.BLOCK == drift.after.events
    assert (drift.before.accuracy or 0) > 0.9 > 0.75 > (drift.after.accuracy or 1)
    assert judged(pairs[:3_000]).drifts == []


def test_wrong_labels_leave_intervals_around_what_was_counted() -> None:
    pairs, *_ = stream()
    report = judged(pairs, config(alert={"class": "fraud"}, labels={"noise": 0.01}))
    assert judged(pairs, config()).intervals == {}
    fraud = report.classes["fraud"]
    told = {
        "accuracy": report.accuracy,
        "selective_accuracy": report.selective_accuracy,
        "gmean": report.gmean,
        "f1_macro": report.f1_macro,
        "recall of fraud": fraud.recall,
        "precision of fraud": fraud.precision,
        "f1 of fraud": fraud.f1,
        "alert_recall": report.rare.alert_recall if report.rare else None,
        "alert_precision": report.rare.alert_precision if report.rare else None,
    }
    for name, value in told.items():
        low, high = report.intervals[name]
        assert value is not None
        assert low < value < high, name
    assert report.intervals["accuracy"] == pytest.approx((told["accuracy"] - 0.01, told["accuracy"] + 0.01))  # type: ignore


def test_very_many_classes_have_no_figures_of_their_own() -> None:
    pairs = []
    for i in range(2_000):
        belief = {f"c{k}": 1.0 if k == i % 100 else 0.0 for k in range(100)}
        one = msgspec.structs.replace(decision(0.5, f"c{i % 100}"), belief=belief, uncertainty=0.0)
        pairs.append((one, f"c{i % 100}"))
    report = judged(pairs)
    assert (report.classes, report.confusion) == ({}, {})
    assert all(len(one.recall) <= judge.SHOWN for one in report.over_time)
    assert report.accuracy == 1.0
