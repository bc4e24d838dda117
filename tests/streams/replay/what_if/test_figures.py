"""The figures of what-if, held to scikit-learn's on the same events."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, recall_score

from tocsin.config.abstention import AbstentionSettings
from tocsin.streams.replay.what_if.figures import Said, compared, heard

CLASSES = ["a", "b", "c"]


def said(random: np.random.Generator, truths: list[str], skill: float) -> list[Said]:
    found = []
    for truth in truths:
        p = random.dirichlet([1.0 + skill * (name == truth) for name in CLASSES])
        named = CLASSES[int(p.argmax())]
        found.append(Said(named if random.random() < 0.7 else None, named, dict(zip(CLASSES, p.tolist(), strict=True))))
    return found


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(3)
    truths = random.choice(CLASSES, 2_000, p=[0.6, 0.3, 0.1]).tolist()
    before, after = said(random, truths, 1.0), said(random, truths, 3.0)
    found = compared(
        truths, before, after, AbstentionSettings(controls="cost", costs={"a": {"b": 4.0}}, abstain_cost=0.25)
    )
    for arm, which in ((before, "before"), (after, "after")):
        named = [one.named for one in arm]
        decided = [one.label is not None for one in arm]
        value = {name: getattr(one, which) for name, one in found.items()}
        assert value["accuracy"] == pytest.approx(accuracy_score(truths, named))
        assert value["f1_macro"] == pytest.approx(f1_score(truths, named, average="macro"))
        recalls = recall_score(truths, named, average=None, labels=CLASSES)
        assert value["gmean"] == pytest.approx(np.prod(recalls) ** (1 / 3))
        areas = [
            average_precision_score([t == name for t in truths], [one.probabilities[name] for one in arm])
            for name in CLASSES
        ]
        assert value["auprc"] == pytest.approx(np.mean(areas), abs=0.005)  # of probabilities in bins
        assert value["coverage"] == pytest.approx(np.mean(decided))
        wrong = [n != t for n, t, d in zip(named, truths, decided, strict=True) if d]
        assert value["error_among_decided"] == pytest.approx(np.mean(wrong))
        costs = [
            0.25 if one.label is None else 4.0 if (t, one.label) == ("a", "b") else float(one.label != t)
            for one, t in zip(arm, truths, strict=True)
        ]
        assert value["cost"] == pytest.approx(np.mean(costs))
    for one in found.values():
        assert one.difference is not None
        assert one.interval is not None
        assert one.interval[0] <= one.difference <= one.interval[1]
    assert found["accuracy"].interval is not None
    assert found["accuracy"].interval[0] > 0.0


def test_nothing_is_judged_without_labels() -> None:
    found = compared([], [], [], AbstentionSettings())
    assert all(one.before is one.after is one.difference is one.interval is None for one in found.values())


def test_an_event_of_which_nothing_was_believed_counts_for_coverage_alone() -> None:
    truths = ["a", "b", "a"]
    cold = Said(None, None, {"a": 0.5, "b": 0.5})
    sure = [Said("a", "a", {"a": 1.0}), Said("b", "b", {"b": 1.0}), Said("a", "a", {"a": 1.0})]
    found = compared(truths, [cold, *sure[1:]], sure, AbstentionSettings())
    assert found["accuracy"].before == found["accuracy"].after == 1.0
    assert found["coverage"].before == pytest.approx(2 / 3)


def test_events_that_one_config_had_no_belief_for_are_counted_and_not_hidden() -> None:
    some, none = Said("a", "a", {"a": 1.0}), Said(None, None)
    before, after = [some, some, none, none], [some, none, some, none]
    assert heard(before, after) == 1
    found = compared(["a"] * 4, before, after, AbstentionSettings())
    assert (found["accuracy"].before, found["accuracy"].after) == (1.0, 1.0)  # of one event of four
    assert (found["coverage"].before, found["coverage"].after) == (0.5, 0.5)
