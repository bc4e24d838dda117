"""What is said to have been enough does decide, nothing smaller does, and where nothing decides that is said.

The judge is the model's own `Abstention`, whatever it controls; smaller changes are looked for on a grid.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer
from tocsin.explain.explanation import Enough
from tocsin.explain.recourse import enough, sentence, without_sentence
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.abstention import COLD_START, NOVEL, Abstention
from tocsin.models.decision.scores import Scores

CONTROLS: dict[str, dict[str, Any]] = {
    "coverage": {"error": 0.1},
    "coverage by pid": {"error": 0.1, "steering": "pid"},
    "strict coverage": {"error": 0.001},
    "per class": {"error": 0.1, "per_class": True},
    "error": {"controls": "error", "error": 0.1},
    "strict error": {"controls": "error", "error": 0.01},
    "cost": {"controls": "cost", "abstain_cost": 0.2},
    "costs": {"controls": "cost", "abstain_cost": 0.3, "costs": {"c1": {"c0": 10.0}, "c0": {"c1": 0.5}}},
    "costs of right decisions": {"controls": "cost", "abstain_cost": 0.3, "costs": {"c0": {"c0": 2.0, "c1": 0.25}}},
    "costs that nothing is worth": {
        "controls": "cost",
        "abstain_cost": 0.0,
        "costs": {"c0": {"c0": 1.0}, "c1": {"c1": 1.0}, "c2": {"c2": 1.0}},
    },
    "novel": {"abstain_novel": True},
    "costs beyond measure": {"controls": "cost", "abstain_cost": 0.5, "costs": {"c1": {"c0": 1e12}}},
}
TOLERANCE = 2e-5
"""What the grid of the figures may add to a change."""


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"c{k}" for k in range(classes))


def scores_of(abstention: Abstention, betp: Floats, novel: bool = False, conflict: float = 0.0) -> Scores:
    """The scores of one event with these probabilities, as the abstention judges them now."""
    classes = names(len(betp))
    decided, reasons, sets = abstention.judge(betp[None], np.array([conflict]), np.array([novel]), classes)
    return replace(
        Scores.before_any_class(Batch.of(np.zeros((1, 1))), 0, abstention.count),
        classes=classes,
        betp=betp[None],
        label=abstention.labels(betp[None], classes),
        decided=decided,
        reasons=reasons,
        sets=sets,
        threshold=abstention.threshold(),
        limits=abstention.limits(len(betp)),
    )


@cache
def taught(control: str, classes: int, seed: int, skill: float) -> Abstention:
    """An abstention that learnt labels of events whose probabilities were as good as `skill` says."""
    made, rng = Abstention(AbstentionSettings(**CONTROLS[control])), np.random.default_rng(seed)
    for _ in range(150):
        label = int(rng.integers(classes))
        betp = rng.dirichlet(np.where(np.arange(classes) == label, skill, 1.0))
        limits = made.limits(classes)
        limit = limits[label] if limits is not None else np.inf
        made.learn(1.0 - betp[label], made.threshold(), 0, 1.0 - betp.max(), label, limit)
    return made


def is_decided(abstention: Abstention, betp: Floats, novel: bool = False) -> bool:
    classes = names(len(betp))
    return bool(abstention.judge(betp[None], np.zeros(1), np.array([novel]), classes)[0][0])


def changed(betp: Floats, told: Enough) -> Floats:
    result = betp.copy()
    for name, probability in told.probabilities.items():
        result[int(name[1:])] = probability
    return result


@st.composite
def events(draw: st.DrawFn, least: int = 2, most: int = 10) -> Floats:
    """Probabilities, among them some that tie, some of 0 and some on a grid."""
    weights = draw(
        st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=least, max_size=most)
    )
    assume(sum(weights) > 0.01)
    return np.array(weights) / sum(weights)


@pytest.mark.parametrize("control", CONTROLS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(betp=events(), seed=st.integers(0, 5), skill=st.sampled_from([1.0, 3.0, 12.0]))
@example(betp=np.array([0.4, 0.35, 0.25]), seed=0, skill=3.0)  # a third class stays in the set
@example(betp=np.full(10, 0.1), seed=1, skill=3.0)
@example(betp=np.array([0.5, 0.5]), seed=2, skill=12.0)
def test_what_is_said_to_have_been_enough_decides(control: str, betp: Floats, seed: int, skill: float) -> None:
    config = AbstentionSettings(**CONTROLS[control])
    abstention = taught(control, len(betp), seed, skill)
    scores = scores_of(abstention, betp)
    assume(not scores.decided[0])
    told = enough(scores, 0, config, abstention.known)
    if told.change is None:
        assert told.probabilities == {}
        assert told.label is None
        return
    after = changed(betp, told)
    assert after.sum() == pytest.approx(1.0, abs=2e-6)
    assert (after >= 0).all()
    assert is_decided(abstention, after)
    assert scores.classes[abstention.labels(after[None], scores.classes)[0]] == told.label
    assert np.maximum(betp - after, 0).sum() == pytest.approx(told.change, abs=TOLERANCE)
    assert told.probability == pytest.approx(betp[int((told.label or "")[1:])], abs=1e-6)
    assert told.rival is not None
    assert told.needed == told.probabilities[told.rival] <= told.rival_probability
    # Figures have six digits, so that a change of a few millionths among many classes is told as none of each.
    assert told.needed < told.rival_probability or told.change < 1e-5


GRID = np.array([(a, b, 40 - a - b) for a, b in itertools.product(range(41), repeat=2) if a + b <= 40]) / 40
"""Three classes' probabilities, 1/40 apart."""


@pytest.mark.parametrize("control", CONTROLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(betp=events(3, 3), seed=st.integers(0, 5), skill=st.sampled_from([1.0, 3.0, 12.0]))
@example(betp=np.array([0.4, 0.35, 0.25]), seed=0, skill=3.0)
@example(betp=np.array([0.36, 0.34, 0.3]), seed=3, skill=12.0)
def test_no_smaller_change_decides_and_none_does_where_that_is_said(
    control: str, betp: Floats, seed: int, skill: float
) -> None:
    config = AbstentionSettings(**CONTROLS[control])
    abstention = taught(control, 3, seed, skill)
    scores = scores_of(abstention, betp)
    assume(not scores.decided[0])
    told = enough(scores, 0, config, abstention.known)
    decided, _, _ = abstention.judge(GRID, np.zeros(len(GRID)), np.zeros(len(GRID), np.bool_), scores.classes)
    if told.change is None:
        assert not decided.any()
    else:
        sizes = np.maximum(betp - GRID[decided], 0).sum(axis=1)
        assert told.change <= sizes.min(initial=1.0) + TOLERANCE


def test_where_every_novel_event_is_abstained_from_no_probabilities_are_said_to_decide() -> None:
    config = AbstentionSettings(**CONTROLS["novel"])
    abstention = taught("novel", 2, 0, 12.0)
    for betp in (np.array([0.5, 0.5]), np.array([0.99, 0.01])):
        scores = scores_of(abstention, betp, novel=True)
        assert scores.reasons == [NOVEL]
        told = enough(scores, 0, config, abstention.known)
        assert told.label is told.rival is told.change is None
        assert "abstain_novel" in told.words
        assert not any(is_decided(abstention, np.array([p, 1.0 - p]), novel=True) for p in np.linspace(0, 1, 101))


def test_a_novel_event_that_better_evidence_would_decide_is_told_so() -> None:
    config = AbstentionSettings(**CONTROLS["coverage"])
    abstention = taught("coverage", 2, 0, 12.0)
    betp = np.array([0.5, 0.5])
    told = enough(scores_of(abstention, betp, novel=True, conflict=0.9), 0, config, abstention.known)
    assert is_decided(abstention, changed(betp, told), novel=True)


def test_one_class_alone_is_explained_too() -> None:
    config = AbstentionSettings(**CONTROLS["strict error"])
    abstention = taught("strict error", 3, 0, 1.0)
    assert abstention.threshold() < 0
    told = enough(scores_of(abstention, np.array([1.0])), 0, config, abstention.known)
    assert told.label is None
    assert "too many answers were wrong" in told.words


@given(betp=events(), control=st.sampled_from(sorted(CONTROLS)))
@settings(max_examples=100, deadline=None)
def test_the_words_tell_the_figures_and_no_others(betp: Floats, control: str) -> None:
    config = AbstentionSettings(**CONTROLS[control])
    abstention = taught(control, len(betp), 0, 12.0)
    scores = scores_of(abstention, betp)
    assume(not scores.decided[0])
    told = enough(scores, 0, config, abstention.known)
    moves = re.findall(r"(c\d) (up|down) from ([\d.]+)% to ([\d.]+)%", told.words)
    assert bool(moves) == bool(told.probabilities)
    for name, way, before, after in moves:
        assert float(before) / 100 == pytest.approx(betp[int(name[1:])], abs=1e-6)
        assert float(after) / 100 == pytest.approx(told.probabilities[name], abs=1e-9)
        assert (float(after) > float(before)) == (way == "up")
    if told.label is not None:
        assert told.words.startswith(f"{told.label} would be decided")


# Models that learnt real streams, with labels that come late


@given(betp=events(2, 2), control=st.sampled_from(["coverage", "per class", "error"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_reader_of_a_brief_explanation_makes_the_same_sentence(betp: Floats, control: str) -> None:
    abstention = taught(control, 2, 1, 3.0)
    scores = scores_of(abstention, betp)
    assume(not scores.decided[0])
    told = enough(scores, 0, AbstentionSettings(**CONTROLS[control]), abstention.known)
    brief = without_sentence(told)
    assert brief is not None
    assert (brief.words == "") == (told.change is not None)
    assert sentence(brief) == told.words


def gaussians(classes: int, rows: int, seed: int = 4) -> tuple[Floats, list[str]]:
    """Classes around centres of their own, the first of them rare where there are two."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows) if classes > 2 else (rng.random(rows) > 1 / 9).astype(int)
    centres = np.random.default_rng(0).normal(size=(classes, 4)) * 1.3
    return centres[y] + rng.normal(size=(rows, 4)), [f"c{k}" for k in y]


def late(config: AbstentionSettings, classes: int, rows: int, delay: int) -> tuple[Classifier, list[Scores]]:
    """A model that decided events in batches of 20 and learnt their labels `delay` events later."""
    X, labels = gaussians(classes, rows)
    model = Classifier(
        ModelSettings(
            features=tuple(FeatureSettings(name=f"f{j}") for j in range(4)),
            classes=names(classes),
            experts=(NaiveBayesSettings(), ForestSettings(trees=3)),
            abstention=config,
        )
    )
    told: list[Scores] = []
    for start in range(0, rows, 20):
        told.append(model.score(Batch.of(X[start : start + 20])))
        if start >= delay:
            past = slice(start - delay, start - delay + 20)
            seen = told[(start - delay) // 20]
            contexts = [seen.context(i) for i in range(20)]
            model.learn(FeedbackBatch(Batch.of(X[past]), labels[past], np.ones(20), contexts, [()] * 20))
    return model, told


@pytest.mark.parametrize(
    ("classes", "config"),
    [
        (2, {"error": 0.03, "per_class": True}),
        (10, {"error": 0.1}),
        (10, {"error": 0.1, "per_class": True}),
        (10, {"controls": "cost", "abstain_cost": 0.2}),
        (2, {"controls": "cost", "abstain_cost": 0.3, "costs": {"c1": {"c0": 10.0}}}),
        (2, {"abstain_novel": True, "novelty": 0.2}),
    ],
    ids=["per class, two", "ten", "per class, ten", "cost, ten", "costs, two", "novel"],
)
def test_a_model_that_learns_tells_what_its_own_abstention_would_decide(classes: int, config: dict[str, Any]) -> None:
    model, _ = late(AbstentionSettings(**config), classes, 1_200, 20)
    scores = model.score(Batch.of(gaussians(classes, 400, seed=5)[0]))
    explainer, silent = Explainer(model, ExplanationSettings()), np.flatnonzero(~scores.decided).tolist()
    assert len(silent) > 5
    for i in silent:
        explanation = explainer.explain(scores, i)
        assert explanation is not None
        told = explanation.enough
        assert told is not None
        novel = np.array([scores.reasons[i] == NOVEL])
        after = changed(scores.betp[i], told)
        decided = model.abstention.judge(after[None], scores.conflict[i : i + 1], novel, scores.classes)[0][0]
        assert decided == (told.change is not None)


def test_labels_that_do_not_count_are_not_promised_to_do() -> None:
    """With labels 400 events late nearly all that are learnt at first say nothing of the model, and are told so."""
    model, told = late(AbstentionSettings(), 2, 1_200, 400)
    explainer = Explainer(model, ExplanationSettings())
    first = next(i for i, scores in enumerate(told) if scores.reasons[0] != COLD_START)
    assert 20 * first >= 2 * 400  # twice the delay, as the words say
    explanation = explainer.explain(told[first - 2], 0)
    assert explanation is not None
    assert explanation.enough is not None
    assert f"of the {told[first - 2].learnt} learnt so far" in explanation.enough.words
    assert "twice their delay" in explanation.enough.words


@settings(max_examples=40, deadline=None)
@given(delay=st.integers(0, 120), cold_start=st.integers(0, 40))
def test_as_many_labels_that_count_as_are_said_to_be_missing_end_the_cold_start(delay: int, cold_start: int) -> None:
    config = AbstentionSettings(cold_start=cold_start)
    abstention = Abstention(config)
    judged: list[int] = []  # labels learnt when each event came
    for event in range(2 * (delay + cold_start) + 5):
        judged.append(abstention.count)
        if not abstention.cold:
            break
        told = enough(scores_of(abstention, np.array([0.6, 0.4])), 0, config, abstention.known)
        missing, known = told.needed, abstention.known
        if event >= delay:
            late_by = abstention.count - judged[event - delay]
            counts = judged[event - delay] >= min(cold_start, late_by)
            abstention.learn(0.4, np.inf, late_by, 0.4)
            assert (abstention.known > known) == counts
            assert abstention.cold == (missing - counts > 0)
    assert not abstention.cold


def test_what_an_earlier_release_said_was_enough_is_read() -> None:
    old = b"""{"label": "a", "rival": "b", "probability": 0.6, "rival_probability": 0.4, "needed": 0.2, "words": "w"}"""
    told = msgspec.json.decode(old, type=Enough)
    assert told.change is None
    assert told.probabilities == {}
