"""The expert of declared rules: what it says before any label and after many, its bounds, and that it is a fold."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.rules import RulesSettings
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.rules.expert import RulesExpert

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn

NAMES = ["x0", "x1", "x2", "colour"]
CLASSES = ["good", "bad", "odd"]
COLOURS = [float(category_code(name)) for name in ("red", "green", "blue")]
RULES = [
    {"name": "high", "when": "x0 > 0.5 and colour != 'red'", "class": "bad", "says": "High, and not red."},
    {"name": "low", "when": "x0 < -0.5 or x1 is None", "class": "good", "confidence": 0.6},
    {"name": "never", "when": "x2 > 100", "class": "odd"},
]


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, F))
    X[:, 3] = rng.choice(COLOURS, n)
    y = np.where(X[:, 0] > 0.5, 1, np.where(X[:, 0] < 0.0, 0, 2))
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new(rules: Any = RULES, **settings: Any) -> RulesExpert:
    expert = RulesExpert(RulesSettings(rules=rules, **settings), NAMES, NOMINAL, CLASSES)
    expert.resize(F, K)
    return expert


class TestRulesFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def event(**values: Any) -> Batch:
    row = [values.get(name, np.nan) for name in NAMES]
    return Batch.of(np.array([row], np.float64))


def test_rules_are_heard_before_any_label_and_silent_where_they_do_not_fire() -> None:
    expert = new()
    fires = expert.evidence(event(x0=1.0, x1=0.0, colour=COLOURS[1]))[0]
    assert fires.tolist() == pytest.approx([1.0, 8.0, 1.0])
    assert not expert.evidence(event(x0=1.0, x1=0.0, colour=COLOURS[0])).any()
    assert not expert.evidence(event(x0=1.0, x1=0.0)).any()  # its colour is not known
    both = expert.evidence(event(x0=1.0, colour=COLOURS[1]))[0]
    assert both.tolist() == pytest.approx([1.0 + 6.0, 8.0 + 2.0, 1.0 + 2.0])


def test_a_rule_comes_to_be_trusted_as_far_as_it_is_right() -> None:
    X, y = np.full((4_000, F), np.nan), np.zeros(4_000, np.int64)
    X[:, 0], X[:, 1] = -1.0, 0.0
    y[np.arange(4_000) % 10 < 7] = 2  # `low` says good, and is right in 30%
    expert = new()
    learn(expert, X, y)
    answer = expert.evidence(event(x0=-1.0, x1=0.0))[0]
    assert answer / answer.sum() == pytest.approx([0.3, 0.0, 0.7], abs=0.05)
    assert answer.sum() <= 100.0 + 1e-9
    high, low, never = expert.rules
    assert (low.precision, low.turned_bad) == (pytest.approx(0.3, abs=0.05), True)
    assert (high.events, high.precision, high.turned_bad) == (0.0, pytest.approx(0.8), False)
    assert (never.label, never.confidence, never.says) == (2, 0.8, "")


def taught(right: int, wrong: int, confidence: float = 0.8, **settings: Any) -> RulesExpert:
    """An expert with one rule that was right and then wrong so often."""
    expert = new([{"name": "r", "when": "x0 > 0", "class": "bad", "confidence": confidence}], **settings)
    y = np.array([1] * right + [0] * wrong, np.int64)
    expert.learn(Batch.of(np.ones((len(y), F))), y, np.ones(len(y)))
    return expert


def test_a_rule_that_has_turned_bad_is_told_and_one_that_recovers_is_good_again() -> None:
    expert = taught(2_000, 0)
    assert not expert.rules[0].turned_bad
    expert.learn(Batch.of(np.ones((150, F))), np.zeros(150, np.int64), np.ones(150))
    assert expert.rules[0].turned_bad
    expert.learn(Batch.of(np.ones((2_000, F))), np.ones(2_000, np.int64), np.ones(2_000))
    assert not expert.rules[0].turned_bad


def test_a_rule_that_is_as_good_as_declared_is_not_blamed_by_chance() -> None:
    blamed = 0
    for seed in range(20):
        expert = new([{"name": "r", "when": "x0 > 0", "class": "bad"}])
        right = (np.random.default_rng(seed).random(3_000) < 0.8).astype(np.int64)
        for start in range(0, 3_000, 50):
            rows = right[start : start + 50]
            expert.learn(Batch.of(np.ones((len(rows), F))), rows, np.ones(len(rows)))
            blamed += expert.rules[0].turned_bad
    assert blamed == 0


def test_a_few_bad_labels_are_no_proof() -> None:
    assert not taught(0, 4).rules[0].turned_bad
    assert taught(0, 10).rules[0].turned_bad
    assert not taught(0, 10, confidence=0.2).rules[0].turned_bad


def test_the_declared_confidence_counts_for_as_many_labels_as_is_set() -> None:
    soon, late = taught(0, 10, confidence_labels=1.0), taught(0, 10, confidence_labels=1_000.0)
    assert soon.rules[0].precision < 0.1
    assert late.rules[0].precision > 0.7


def test_the_cap_holds() -> None:
    expert = taught(500, 0, strength=3.0)
    assert expert.evidence(Batch.of(np.ones((5, F)))).sum(axis=1).max() <= 3.0 + 1e-12


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda expert: pickle.loads(pickle.dumps(expert))])
def test_a_copy_goes_on_by_itself(copied: Any) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    before = bits(expert)
    other = copied(expert)
    learn(other, X, y)
    assert bits(expert) == before != bits(other)


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown name": ({"when": "colur == 5"}, ["rules.1.when", "'r'", "'colur'", "did you mean 'colour'"]),
    "syntax": ({"when": "x0 >"}, ["rules.1.when", "'r'", "not understood"]),
    "an unknown class": ({"class": "baad"}, ["rules.1.class", "'r'", "'baad'", "did you mean 'bad'"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_names_the_rule_and_the_fix(case: str) -> None:
    change, parts = MISTAKES[case]
    with pytest.raises(ValueError, match=r"^experts\.rules\.rules\.1\.") as caught:
        new([RULES[0], {"name": "r", "when": "x0 > 1", "class": "bad", **change}])
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(("names", "classes", "told"), [([], CLASSES, "schema.features"), (NAMES, [], "`classes`")])
def test_rules_without_named_features_or_classes_are_refused(names: Any, classes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RulesExpert(RulesSettings(rules=RULES), names, NOMINAL[: len(names)], classes)


@pytest.mark.parametrize("change", ["missing", "rules", "classes", "label"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["left"]
    elif change == "rules":
        arrays["counts"] = arrays["counts"][:-1]
    elif change == "classes":
        arrays["counts"] = arrays["counts"][0]
    else:
        arrays["label"] = arrays["label"] + 9
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before
