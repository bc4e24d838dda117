"""What is said of the experts is what the formulae of fusion give, written here once more, event by event."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import msgspec
import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.config.routing import MultiHotSettings, SkillSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer
from tocsin.explain.explanation import Vote
from tocsin.kernels.fusion import RULES, Rule
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Bools, Floats
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.scores import Scores


def discounted(scores: Scores, i: int, e: int, engaged: Bools, s: float) -> tuple[Floats, float]:
    """An expert's belief [K] and uncertainty after Shafer's discount; vacuous where it is not engaged."""
    evidence, rho = scores.evidence[i, e], float(scores.reliability[i, e]) if engaged[e] else 0.0
    total = float(evidence.sum()) + s
    return rho * evidence / total, 1.0 - rho + rho * s / total


def probabilities(scores: Scores, i: int, engaged: Bools, rule: str, s: float) -> Floats:
    """BetP [K] of what the engaged experts amount to, by the rules as the literature writes them."""
    said = [discounted(scores, i, e, engaged, s) for e in range(len(engaged))]
    ratios = np.array([b / u for b, u in said])
    P = {
        "dempster": lambda: np.prod(1.0 + ratios, axis=0),
        "cautious": lambda: 1.0 + ratios.max(axis=0),
        "cumulative": lambda: 1.0 + ratios.sum(axis=0),
        "averaging": lambda: 1.0 + ratios.mean(axis=0),
        "murphy": lambda: (1.0 + np.mean([b for b, _ in said], axis=0) / np.mean([u for _, u in said])) ** len(said),
    }[rule]()
    Z = P.sum() - (len(P) - 1)
    result: Floats = (P - 1.0) / Z + 1.0 / Z / len(P)
    return result


def put_in(scores: Scores, i: int, e: int, rule: str, s: float) -> float:
    """What `Vote.weight` says that an expert puts into the fusion."""
    b, u = discounted(scores, i, e, scores.engaged[i], s)
    most = float(b.max())
    if rule == "dempster":
        return math.log(1.0 + most / u)
    return most if rule == "murphy" else most / u


def model_of(rule: Rule, **changes: object) -> Classifier:
    """A model that learnt 400 events of three classes."""
    settings = ModelSettings(
        features=tuple(FeatureSettings(name=f"f{j}") for j in range(3)),
        classes=("a", "b", "c"),
        experts=(NaiveBayesSettings(), LinearSettings(), PersistenceSettings()),
        fusion=FusionSettings(rule=rule, contextual=bool(changes.pop("contextual", False))),
    ).model_copy(update=changes)
    model, (X, labels) = Classifier(settings), events(400, 0)
    model.learn(FeedbackBatch(Batch.of(X), labels, np.ones(400), [None] * 400, [()] * 400))
    return model


def events(rows: int, seed: int) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    return np.eye(3)[y] * 1.5 + rng.normal(size=(rows, 3)), ["abc"[k] for k in y]


@pytest.mark.parametrize("level", ["brief", "full"])
@pytest.mark.parametrize("rule", get_args(Rule))
def test_what_an_expert_is_said_to_change_is_the_difference_that_leaving_it_out_makes(rule: Rule, level: str) -> None:
    model = model_of(rule)
    scores = model.score(Batch.of(events(40, 1)[0]))
    explainer = Explainer(model, ExplanationSettings(level=level, experts=2))  # type: ignore[arg-type]
    names, changes = [expert.name for expert in model.experts], []
    for i in range(40):
        told = explainer.explain(scores, i)
        assert told is not None
        assert len(told.experts) == (2 if level == "brief" else 3)
        everyone = probabilities(scores, i, scores.engaged[i], rule, 3.0)
        total = sum(put_in(scores, i, e, rule, 3.0) for e in np.flatnonzero(scores.engaged[i]))
        for vote in told.experts:
            e = names.index(vote.expert)
            without = scores.engaged[i].copy()
            without[e] = False
            difference = 0.5 * np.abs(probabilities(scores, i, without, rule, 3.0) - everyone).sum()
            assert vote.change == pytest.approx(difference, abs=1e-5)
            assert vote.weight == pytest.approx(put_in(scores, i, e, rule, 3.0) / total, abs=1e-5)
            changes.append(difference)
    assert max(changes) > 0.05


@pytest.mark.parametrize("kind", ["engaged in part", "contextual", "prior shift", "skill"])
def test_it_holds_where_fewer_are_engaged_and_whatever_else_the_model_does(kind: str) -> None:
    changes: dict[str, object] = {
        "engaged in part": {"router": MultiHotSettings(top_p=0.3)},
        "contextual": {"contextual": True},
        "prior shift": {"prior_shift": PriorShiftSettings(enabled=True)},
        "skill": {"router": SkillSettings()},
    }[kind]
    model = model_of("cumulative", **changes)
    scores = model.score(Batch.of(events(40, 1)[0]))
    explainer, names = Explainer(model, ExplanationSettings(level="full")), [e.name for e in model.experts]
    for i in range(40):
        told = explainer.explain(scores, i)
        assert told is not None
        everyone = probabilities(scores, i, scores.engaged[i], "cumulative", 3.0)
        assert len(told.experts) == scores.engaged[i].sum()
        for vote in told.experts:
            without = scores.engaged[i].copy()
            without[names.index(vote.expert)] = False
            difference = 0.5 * np.abs(probabilities(scores, i, without, "cumulative", 3.0) - everyone).sum()
            assert vote.change == pytest.approx(difference, abs=1e-5)


def test_an_explanation_does_not_depend_on_what_was_explained_before_it_or_beside_it() -> None:
    model = model_of("cumulative")
    X = events(20, 1)[0]
    explainer, together = Explainer(model, ExplanationSettings()), model.score(Batch.of(X))
    for i in range(20):
        alone = model.score(Batch.of(X[i : i + 1]))
        assert explainer.explain(alone, 0) == explainer.explain(together, i)


def test_an_expert_without_evidence_changes_nothing() -> None:
    model = model_of("dempster")
    scores = model.score(Batch.of(events(1, 1)[0]))
    evidence = scores.evidence.copy()
    evidence[0, 1] = 0.0
    told = Explainer(model, ExplanationSettings(level="full")).explain(replace(scores, evidence=evidence), 0)
    assert told is not None
    [silent] = [vote for vote in told.experts if vote.vote is None]
    assert silent == Vote("linear", None, 0.0, silent.reliability, 0.0, 0.0)


def test_a_vote_that_an_earlier_release_wrote_is_read() -> None:
    old = b'{"expert":"tree","vote":"a","probability":0.9,"reliability":0.8,"weight":0.68}'
    assert msgspec.json.decode(old, type=Vote).change is None


def test_every_rule_of_fusion_is_tried() -> None:
    assert get_args(Rule) == RULES


@pytest.mark.parametrize("rule", get_args(Rule))
def test_opinions_conflict_and_probabilities_are_those_of_the_formulae(rule: Rule) -> None:
    model = model_of(rule)
    scores = model.score(Batch.of(events(20, 1)[0]))
    explainer, names = Explainer(model, ExplanationSettings(level="full")), [e.name for e in model.experts]
    for i in range(20):
        told = explainer.explain(scores, i)
        assert told is not None
        for opinion in told.opinions or []:
            evidence = scores.evidence[i, names.index(opinion.expert)]
            assert list(opinion.belief.values()) == pytest.approx(list(evidence / (evidence.sum() + 3.0)), abs=1e-6)
            assert opinion.uncertainty == pytest.approx(3.0 / (evidence.sum() + 3.0), abs=1e-6)
        beliefs = [discounted(scores, i, e, scores.engaged[i], 3.0)[0] for e in range(3)]
        apart = [a.sum() * b.sum() - a @ b for j, a in enumerate(beliefs) for k, b in enumerate(beliefs) if j != k]
        assert told.conflict == pytest.approx(np.mean(apart), abs=1e-5)
        powers = probabilities(scores, i, scores.engaged[i], rule, 3.0) ** model.router.inverse_temperature
        assert list((told.fused or {}).values()) == pytest.approx(list(powers / powers.sum()), abs=1e-5)
        if rule != "dempster":
            assert told.used == (scores.engaged[i] & (scores.reliability[i] > 0)).sum()
