"""ERDE, F-latency and the rest, against the formulae as they are written."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.replay.by_subject.figures import AUC_AT, SubjectEvaluation, area_under_curve, measures
from tocsin.streams.replay.by_subject.plan import Plan, PlannedSubject
from tocsin.streams.wire.records import Decision, ModelVersion, SubjectState

SUBJECTS = st.lists(st.tuples(st.integers(-3, 120), st.booleans()), min_size=1, max_size=30)


def plain_erde(subjects: list[tuple[int, bool]], o: int) -> float:
    share = sum(positive for _, positive in subjects) / len(subjects)
    costs = []
    for delay, positive in subjects:
        if positive:
            costs.append(1 - 1 / (1 + math.exp(delay - o)) if delay > 0 else 1.0)
        else:
            costs.append(share if delay else 0.0)
    return 100 * sum(costs) / len(costs)


@given(SUBJECTS)
def test_the_measures_are_what_their_formulae_say(subjects: list[tuple[int, bool]]) -> None:
    delays, positive = np.array([k for k, _ in subjects]), np.array([p for _, p in subjects])
    told = measures(delays, positive)
    if not positive.any():  # a perfect 0 would be told of a class whose name is misspelt
        assert told["erde5"] is told["erde50"] is told["f_latency"] is None
        return
    assert told["erde5"] == pytest.approx(plain_erde(subjects, 5))
    assert told["erde50"] == pytest.approx(plain_erde(subjects, 50))
    right = sorted(k for k, p in subjects if p and k > 0)
    alerts, all_positive = sum(k != 0 for k, _ in subjects), sum(p for _, p in subjects)
    f1 = 2 * len(right) / (alerts + all_positive) if alerts + all_positive else 0.0
    assert told["f1"] == pytest.approx(f1)
    late = 0.0
    if right:
        middle = (right[(len(right) - 1) // 2] + right[len(right) // 2]) / 2
        late = -1 + 2 / (1 + math.exp(-0.0078 * (middle - 1)))
    assert told["f_latency"] == pytest.approx(f1 * (1 - late))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_the_area_under_the_curve_counts_pairs(scored: list[tuple[int, bool]]) -> None:
    own = [score for score, positive in scored if positive]
    rest = [score for score, positive in scored if not positive]
    told = area_under_curve(np.array([s for s, _ in scored], np.float64), np.array([p for _, p in scored]))
    if not own or not rest:
        assert told is None
    else:
        pairs = [(a > b) + (a == b) / 2 for a in own for b in rest]
        assert told == pytest.approx(sum(pairs) / len(pairs))


def decided(subject: str, odds: float, learnt: int = 1) -> Decision:
    return Decision(
        "e", subject, 0, 0, "decided", "ham", {"ham": 0.6, "spam": 0.2}, 0.2, 0.0, None, [], None,
        ModelVersion(learnt, "", ""), risk=SubjectState(1, {}, {}, odds={"spam": odds}),
    )  # fmt: skip


def evaluation(**labels: str) -> SubjectEvaluation:
    subjects = {name: PlannedSubject(0, 1, label, 0, None, b"") for name, label in labels.items()}
    return SubjectEvaluation(["spam"], Plan(subjects, of_events=False))


def test_risk_is_ranked_after_so_many_posts() -> None:
    told = evaluation(a="spam", b="ham")
    for k in range(1, 41):
        told.decision(decided("a", float(k)))
        if k <= 3:
            told.decision(decided("b", 4.5))
    assert told.report()["auc"] == {"1": 0.0, "5": 1.0, "10": 1.0, "30": 1.0, "100": 1.0}
    assert tuple(map(str, AUC_AT)) == tuple(told.report()["auc"])


def test_the_first_alert_of_a_subject_counts() -> None:
    told = evaluation(a="spam", b="ham", c="spam", d="ham")
    for name in "abcd":
        told.decision(decided(name, 0.0))
    for name, kind, delay in (("a", "spam", 3), ("a", "spam", 9), ("b", "spam", 1), ("c", "ham", 2)):
        told.alert(name, kind, delay)
    assert told.delays() == {"a": 3, "b": 1, "c": -2}
    report = told.report()
    assert (report["subjects"], report["positive"], report["recall"]) == (4, 2, 0.5)
    assert report["precision"] == pytest.approx(1 / 3)
    assert report["always"]["f_latency"] == pytest.approx(2 / 3)
    assert report["never"]["erde50"] == 50.0
    low, high = report["interval"]["f_latency"]
    assert low <= report["f_latency"] <= high


def test_subjects_that_began_before_the_first_label_are_told_apart() -> None:
    told = evaluation(a="spam", b="ham")
    told.decision(decided("a", 0.0, learnt=0))
    told.decision(decided("a", 0.0))
    told.decision(decided("b", 0.0))
    report = told.report()
    assert (report["subjects"], report["before_first_label"]) == (1, 1)


def test_where_nothing_is_judged_there_are_no_figures() -> None:
    report = evaluation(a="spam").report()
    assert report["subjects"] == 0
    assert report["f_latency"] is None
