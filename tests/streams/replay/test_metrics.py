from __future__ import annotations

import math
import random
from typing import Any

import pytest
from sklearn.metrics import f1_score, recall_score

from tocsin.streams.replay.metrics import Prequential, most_probable


def said(guess: str | None, classes: str = "abc", decided: bool = True) -> dict[str, Any]:
    belief = {} if guess is None else {c: 0.6 if c == guess else 0.1 for c in classes}
    return {"belief": belief, "status": "decided" if decided else "abstained"}


def judged(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    metrics = Prequential()
    for truth, guess in pairs:
        metrics.add(said(guess), truth)
    return metrics.report()


@pytest.mark.parametrize("seed", range(5))
def test_f1_and_gmean_are_those_of_scikit_learn(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.choice("aaab" if seed % 2 else "abc"), rng.choice("abc")) for _ in range(200)]
    truth, guess = zip(*pairs, strict=True)
    report = judged(pairs)
    assert report["f1_macro"] == pytest.approx(f1_score(truth, guess, average="macro"))
    recalls = recall_score(truth, guess, average=None, labels=sorted(set(truth)))
    assert report["gmean"] == pytest.approx(math.prod(recalls) ** (1 / len(recalls)))


def test_kappas_are_counted_by_hand() -> None:
    # truth  a a b b a ; no-change: - a a b b -> right at 2 and 4 of 5; majority: - a a a(b=2,a=2: first) a
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("a", "a")]
    report = judged(pairs)
    assert report["accuracy"] == 0.8
    assert report["baselines"] == {"no_change": 0.4, "majority": 0.4}
    assert report["kappa_t"] == pytest.approx((0.8 - 0.4) / 0.6)
    assert report["kappa_m"] == pytest.approx((0.8 - 0.4) / 0.6)
    assert report["gmean"] == pytest.approx(math.sqrt(2 / 3))


def test_nothing_judged_is_null_and_not_a_crash() -> None:
    report = Prequential().report()
    assert report["events"] == 0
    assert all(report[k] is None for k in ("accuracy", "kappa_m", "kappa_t", "f1_macro", "gmean", "coverage"))
    assert report["baselines"] == {"no_change": None, "majority": None}


def test_a_baseline_that_is_always_right_leaves_no_kappa() -> None:
    metrics = Prequential()
    metrics._right = metrics._no_change_right = metrics._majority_right = metrics.events = 1
    assert metrics.report()["kappa_t"] is None


def test_abstentions_count_in_accuracy_and_not_in_selective_accuracy() -> None:
    metrics = Prequential()
    metrics.add(said("a"), "a")
    metrics.add(said("b", decided=False), "a")
    metrics.add(said("a", decided=False), "a")
    metrics.add(said("b"), "a")
    report = metrics.report()
    assert report["accuracy"] == 0.5
    assert report["coverage"] == 0.5
    assert report["selective_accuracy"] == 0.5


def test_before_any_class_is_known_no_guess_is_right() -> None:
    metrics = Prequential()
    metrics.add(said(None, decided=False), "a")
    assert most_probable(said(None)) is None
    assert metrics.report()["accuracy"] == 0.0
    assert metrics.report()["f1_macro"] == 0.0
    assert metrics.report()["selective_accuracy"] is None


def test_rivals_stand_among_the_baselines() -> None:
    metrics = Prequential()
    for right in (True, False, True, True):
        metrics.add(said("a"), "a")
        metrics.add_rival("tree", right)
    assert metrics.report()["baselines"]["tree"] == 0.75
