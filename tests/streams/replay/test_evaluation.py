from __future__ import annotations

import math
import random

import msgspec
import pytest
from sklearn.metrics import f1_score, recall_score

from tocsin.streams.replay.evaluation import PrequentialEvaluation, PrequentialReport, most_probable
from tocsin.streams.wire.records import Decision, ModelVersion


def decision(guess: str | None, classes: str = "abc", decided: bool = True) -> Decision:
    return Decision(
        event="e",
        subject="s",
        time=0,
        decided_at=0,
        status="decided" if decided else "abstained",
        label=guess if decided else None,
        belief={} if guess is None else {c: 0.6 if c == guess else 0.1 for c in classes},
        uncertainty=0.2,
        conflict=0.0,
        reason=None if decided else "uncertain",
        set=[],
        explanation=None,
        model=ModelVersion(0, "", "default"),
    )


def judged(pairs: list[tuple[str, str]]) -> PrequentialReport:
    evaluation = PrequentialEvaluation()
    for truth, guess in pairs:
        evaluation.add(decision(guess), truth)
        evaluation.tell(truth)
    return evaluation.report()


@pytest.mark.parametrize("seed", range(5))
def test_f1_and_gmean_are_those_of_scikit_learn(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.choice("aaab" if seed % 2 else "abc"), rng.choice("abc")) for _ in range(200)]
    truth, guess = zip(*pairs, strict=True)
    report = judged(pairs)
    assert report.f1_macro == pytest.approx(f1_score(truth, guess, average="macro"))
    recalls = recall_score(truth, guess, average=None, labels=sorted(set(truth)))
    assert report.gmean == pytest.approx(math.prod(recalls) ** (1 / len(recalls)))


def test_kappas_are_counted_by_hand() -> None:
    # truth  a a b b a ; no-change: - a a b b -> right at 2 and 4 of 5; majority: - a a a(b=2,a=2: first) a
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("a", "a")]
    report = judged(pairs)
    assert report.accuracy == 0.8
    assert report.baselines == {"no_change": 0.4, "majority": 0.4}
    assert report.kappa_t == pytest.approx((0.8 - 0.4) / 0.6)
    assert report.kappa_m == pytest.approx((0.8 - 0.4) / 0.6)
    assert report.gmean == pytest.approx(math.sqrt(2 / 3))


def test_nothing_judged_is_null_and_not_a_crash() -> None:
    report = PrequentialEvaluation().report()
    assert report.events == 0
    names = ("accuracy", "kappa_m", "kappa_t", "f1_macro", "gmean", "coverage")
    assert all(getattr(report, name) is None for name in names)
    assert report.baselines == {"no_change": None, "majority": None}


def test_a_baseline_that_is_always_right_leaves_no_kappa() -> None:
    evaluation = PrequentialEvaluation()
    evaluation._right = evaluation._no_change_right = evaluation._majority_right = evaluation.events = 1
    assert evaluation.report().kappa_t is None


def test_abstentions_count_in_accuracy_and_not_in_selective_accuracy() -> None:
    evaluation = PrequentialEvaluation()
    evaluation.add(decision("a"), "a")
    evaluation.add(decision("b", decided=False), "a")
    evaluation.add(decision("a", decided=False), "a")
    evaluation.add(decision("b"), "a")
    report = evaluation.report()
    assert report.accuracy == 0.5
    assert report.coverage == 0.5
    assert report.selective_accuracy == 0.5


def test_before_any_class_is_known_no_guess_is_right() -> None:
    evaluation = PrequentialEvaluation()
    evaluation.add(decision(None, decided=False), "a")
    assert most_probable(decision(None)) is None
    report = evaluation.report()
    assert (report.events, report.before_first_label, report.coverage) == (1, 1, 0.0)
    assert report.accuracy is None
    evaluation.add(decision("a"), "a")
    assert evaluation.report().accuracy == 1.0
    assert evaluation.report().coverage == 0.5


def test_a_model_that_has_learnt_and_has_no_guess_is_wrong() -> None:
    evaluation = PrequentialEvaluation()
    late = msgspec.structs.replace(decision(None, decided=False), model=ModelVersion(3, "", "default"))
    evaluation.add(late, "a")
    assert evaluation.report().accuracy == 0.0
    assert evaluation.report().f1_macro == 0.0
    assert evaluation.report().selective_accuracy is None


def test_the_decided_label_is_judged_where_costs_choose_another_class_than_the_most_probable() -> None:
    evaluation = PrequentialEvaluation()
    for truth in ("a", "b", "b", "b"):
        evaluation.add(msgspec.structs.replace(decision("a"), label="b"), truth)
    report = evaluation.report()
    assert report.accuracy == report.selective_accuracy == 0.75
    assert report.f1_macro == pytest.approx((0 + 2 * 3 / 7) / 2)


def test_baselines_know_no_label_before_they_are_told() -> None:
    evaluation = PrequentialEvaluation()
    truths = ["a", "a", "b", "b", "b", "a"]
    for i, truth in enumerate(truths):
        evaluation.add(decision("a"), truth)
        if i >= 2:
            evaluation.tell(truths[i - 2])
    # known at the events: nothing, nothing, nothing, a, a a, a a b
    assert evaluation.report().baselines == {"no_change": 0.0, "majority": pytest.approx(1 / 6)}


def test_rivals_stand_among_the_baselines() -> None:
    evaluation = PrequentialEvaluation()
    for right in (True, False, True, True):
        evaluation.add(decision("a"), "a")
        evaluation.add_rival("tree", right)
    assert evaluation.report().baselines["tree"] == 0.75
