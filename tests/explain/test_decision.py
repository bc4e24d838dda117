"""Explanations: typed, true of the event they speak of, and there for every decision and abstention."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import pytest

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import MultiHotSettings as RouterSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings as Settings
from tocsin.explain import Explainer, Explanation
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.scores import Scores

COLOURS = ("red", "green", "blue")
QUICK = {"grace_period": 20, "delta": 0.05, "tau": 0.2}
FEATURES = (
    FeatureSettings(name="size"),
    FeatureSettings(name="colour", kind="category"),
    FeatureSettings(name="noise"),
)
TABLE = ModelSettings(
    features=FEATURES,
    classes=("no", "yes"),
    experts=(
        RiverSettings(name="multiway", parameters=QUICK),
        RiverSettings(name="binary", history=1, parameters={**QUICK, "binary_split": True}),
        LinearSettings(),
        PersistenceSettings(),
    ),
)
TEXT = ModelSettings(text=True, classes=("ham", "spam"), experts=(SS3Settings(), SS3Settings(name="phrases", ngrams=2)))
Level = Literal["none", "brief", "full"]


def table(rows: int, seed: int = 0) -> tuple[Batch, list[str]]:
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 3, rows)
    X = np.column_stack([rng.normal(size=rows), [category_code(COLOURS[c]) for c in colour], rng.normal(size=rows)])
    doubt = rng.random(rows) < 0.1
    y = ((X[:, 0] > 0) ^ (colour == 2)) ^ doubt
    X[rng.random(X.shape) < 0.08] = np.nan
    categories = [{category_code(COLOURS[c]): COLOURS[c]} for c in colour]
    return Batch.of(X, categories=categories), ["yes" if value else "no" for value in y]


def texts(rows: int, seed: int = 0) -> tuple[Batch, list[str]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    words = [["win", "prize", "cash", "now", "the"] if v else ["home", "dinner", "see", "you", "the"] for v in y]
    return (
        Batch.of(np.zeros((rows, 0)), texts=[" ".join(rng.choice(w, 4)) for w in words]),
        ["spam" if v else "ham" for v in y],
    )


def taught(settings: ModelSettings | None, batch: Batch, labels: list[str]) -> Classifier:
    model, rows = Classifier(settings), len(labels)
    model.learn(FeedbackBatch(batch, labels, np.ones(rows), [None] * rows, [()] * rows))
    return model


@pytest.fixture(scope="module")
def tabular() -> tuple[Classifier, Scores]:
    model = taught(TABLE, *table(900))
    return model, model.score(table(300, seed=1)[0])


@pytest.fixture(scope="module")
def compiled() -> tuple[Classifier, Scores]:
    trees = TreeSettings(history=1, **QUICK), ForestSettings(trees=3, **QUICK)
    model = taught(TABLE.model_copy(update={"experts": (*trees, LinearSettings())}), *table(900))
    return model, model.score(table(300, seed=1)[0])


@pytest.fixture(scope="module")
def textual() -> tuple[Classifier, Scores]:
    model = taught(TEXT, *texts(300))
    batch, _ = texts(100, seed=1)
    return model, model.score(Batch.of(np.zeros((102, 0)), texts=[*batch.texts, "unheard of", None]))


def validated(explanation: Explanation) -> Explanation:
    """The explanation as a reader of the wire has it, which must say the same."""
    typed = msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation, strict=True)
    assert typed == explanation
    return typed


def explained(explainer: Explainer, scores: Scores, i: int) -> Explanation:
    explanation = explainer.explain(scores, i)
    assert explanation is not None
    return validated(explanation)


# Every level, every outcome


@pytest.mark.parametrize("level", ["brief", "full"])
@pytest.mark.parametrize("kind", ["tabular", "textual"])
def test_every_explanation_is_what_its_types_say(kind: str, level: Level, request: pytest.FixtureRequest) -> None:
    model, scores = request.getfixturevalue(kind)
    explainer = Explainer(model, Settings(level=level))
    assert scores.decided.any()
    assert not scores.decided.all()
    for i in range(len(scores.batch)):
        told = explainer.explain(scores, i)
        assert told is not None
        typed = validated(told)
        assert typed.level == level
        assert (typed.enough is None) == scores.decided[i]
        assert (typed.opinions is not None) == (level == "full")
        assert (typed.fused is not None) == (level == "full")
        assert typed.used == scores.used[i]


def test_at_level_none_nothing_is_told(tabular: tuple[Classifier, Scores]) -> None:
    model, scores = tabular
    assert Explainer(model, Settings(level="none")).explain(scores, 0) is None


@pytest.mark.parametrize("level", ["brief", "full"])
def test_before_the_first_class_and_the_first_label_there_is_an_explanation(level: Level) -> None:
    for settings in (None, TABLE.model_copy(update={"classes": ()}), TABLE, TEXT):
        model = Classifier(settings)
        batch = texts(2)[0] if settings is TEXT else Batch.of(np.zeros((2, len(model.columns))))
        typed = validated(Explainer(model, Settings(level=level)).explain(model.score(batch), 1) or {})
        assert typed.enough is not None
        assert typed.enough.label is None
        assert typed.enough.needed == 30.0


def test_a_cold_start_counts_down_to_the_first_decision() -> None:
    batch, labels = table(40)
    model = Classifier(TABLE)
    explainer = Explainer(model, Settings())
    for i in range(30):
        told = explainer.explain(model.score(batch), 0)
        assert told is not None
        assert told.enough.needed == 30 - i
        assert str(30 - i) in told.enough.words
        one = Batch.of(batch.X[i : i + 1])
        model.learn(FeedbackBatch(one, labels[i : i + 1], np.ones(1), [None], [()]))
    assert "cold-start" not in model.score(batch).reasons


# What the experts said


def test_the_weights_of_all_engaged_experts_add_up_to_one(tabular: tuple[Classifier, Scores]) -> None:
    model, scores = tabular
    explainer = Explainer(model, Settings(level="full"))
    for i in range(len(scores.batch)):
        typed = explained(explainer, scores, i)
        assert len(typed.experts) == scores.engaged[i].sum()
        assert sum(vote.weight for vote in typed.experts) == pytest.approx(1.0, abs=1e-5)
        weights = [vote.weight for vote in typed.experts]
        assert weights == sorted(weights, reverse=True)
        for vote in typed.experts:
            e = [expert.name for expert in model.experts].index(vote.expert)
            evidence = scores.evidence[i, e]
            assert vote.vote == (scores.classes[evidence.argmax()] if evidence.any() else None)
            assert vote.reliability == pytest.approx(scores.reliability[i, e], abs=1e-6)
        assert typed.fused == {
            c: pytest.approx(p, abs=1e-6) for c, p in zip(scores.classes, scores.betp[i], strict=True)
        }
        for opinion in typed.opinions or []:
            assert sum(opinion.belief.values()) + opinion.uncertainty == pytest.approx(1.0, abs=1e-5)


def test_a_brief_explanation_names_the_strongest_few(tabular: tuple[Classifier, Scores]) -> None:
    model, scores = tabular
    brief = Explainer(model, Settings(level="brief", experts=2)).explain(scores, 0)
    full = Explainer(model, Settings(level="full")).explain(scores, 0)
    assert brief is not None
    assert full is not None
    assert brief.experts == full.experts[:2]


def test_experts_that_were_not_engaged_have_no_vote_and_no_path() -> None:
    model = taught(TABLE.model_copy(update={"router": RouterSettings(top_p=0.3)}), *table(600))
    scores = model.score(table(50, seed=1)[0])
    assert not scores.engaged.all()
    explainer = Explainer(model, Settings(level="full"))
    for i in range(50):
        typed = explained(explainer, scores, i)
        engaged = {expert.name for e, expert in enumerate(model.experts) if scores.engaged[i, e]}
        assert {vote.expert for vote in typed.experts} == engaged
        assert sum(vote.weight for vote in typed.experts) == pytest.approx(1.0, abs=1e-5)
        assert typed.path is None or typed.path.expert in engaged


# The tree's path


@pytest.mark.parametrize("kind", ["tabular", "compiled"])
def test_every_condition_holds_for_the_events_own_value(kind: str, request: pytest.FixtureRequest) -> None:
    model, scores = request.getfixturevalue(kind)
    explainer = Explainer(model, Settings())
    operators, paths = set(), 0
    for i in range(len(scores.batch)):
        typed = explained(explainer, scores, i)
        if typed.path is None:
            continue
        paths += 1
        own = dict(zip(model.columns, scores.batch.X[i].tolist(), strict=True))
        for condition in typed.path.conditions:
            operators.add(condition.operator)
            if condition.actual is None:
                continue
            assert {
                "<=": lambda a, v: a <= v,
                ">": lambda a, v: a > v,
                "=": lambda a, v: a == v,
                "!=": lambda a, v: a != v,
            }[condition.operator](condition.actual, condition.value), condition
            if condition.feature == "colour":
                assert category_code(str(condition.actual)) == own["colour"]
                assert condition.value in COLOURS
            elif condition.feature in own:
                assert condition.actual == own[condition.feature]
    assert paths > 200
    assert {"<=", ">", "="} <= operators


def test_the_path_is_of_the_most_trusted_tree_with_conditions(tabular: tuple[Classifier, Scores]) -> None:
    model, scores = tabular
    explainer = Explainer(model, Settings())
    trees = {expert.name: e for e, expert in enumerate(model.experts) if expert.name in ("multiway", "binary")}
    for i in range(50):
        told = explainer.explain(scores, i)
        assert told is not None
        assert told.path.expert == max(trees, key=lambda name: scores.reliability[i, trees[name]])


def test_compiled_trees_and_forests_have_paths(compiled: tuple[Classifier, Scores]) -> None:
    model, scores = compiled
    explainer = Explainer(model, Settings())
    told = [explained(explainer, scores, i) for i in range(len(scores.batch))]
    experts = [one.path.expert if one.path else None for one in told]
    trees = [e for e, expert in enumerate(model.experts) if expert.name in ("tree", "forest")]
    most = [model.experts[max(trees, key=lambda e: scores.reliability[i, e])].name for i in range(len(told))]
    assert experts == most
    assert all(model.experts[e].explain(scores.batch, i, 0) for e in trees for i in range(len(told)))
    assert not model.experts[2].explain(scores.batch, 0, 0)


# Words


def test_the_words_that_moved_a_text_are_told_with_their_classes(textual: tuple[Classifier, Scores]) -> None:
    model, scores = textual
    explainer = Explainer(model, Settings(level="full"))
    for i in range(100):
        typed = explained(explainer, scores, i)
        assert bool(typed.words) == scores.evidence[i].any()
        label = scores.classes[scores.label[i]]
        for word in typed.words or []:
            assert set(word.word.replace("→", " ").split()) <= set((scores.batch.texts[i] or "").split())
            assert word.values
            assert all(value > 0 for value in word.values.values())
        if scores.decided[i]:
            assert max(word.values.get(label, 0.0) for word in typed.words or []) > 0


def test_a_text_without_known_words_or_no_text_at_all_moves_nothing(textual: tuple[Classifier, Scores]) -> None:
    model, scores = textual
    explainer = Explainer(model, Settings())
    unheard, none = explainer.explain(scores, 100), explainer.explain(scores, 101)
    assert unheard is not None
    assert none is not None
    assert unheard.words == []
    assert none.words is None
    assert all(vote.vote is None for vote in unheard.experts)
    assert not scores.decided[100:].any()
    assert unheard.enough.label is not None
    assert unheard.enough.probability == 0.5


def test_a_brief_explanation_names_the_strongest_words(textual: tuple[Classifier, Scores]) -> None:
    model, scores = textual
    brief = Explainer(model, Settings(words=1)).explain(scores, 0)
    assert brief is not None
    assert 1 <= len(brief.words) <= 2  # one of each text expert


def test_a_model_without_texts_tells_no_words(tabular: tuple[Classifier, Scores]) -> None:
    model, scores = tabular
    told = Explainer(model, Settings()).explain(scores, 0)
    assert told is not None
    assert told.words is None


def test_an_abstention_that_no_evidence_could_have_spared_says_so() -> None:
    strict_settings = TABLE.model_copy(update={"abstention": TABLE.abstention.model_copy(update={"error": 0.001})})
    model = taught(strict_settings, *table(100))
    scores = model.score(table(1, seed=1)[0])
    assert scores.threshold == 1.0
    told = explained(Explainer(model, Settings()), scores, 0)
    assert told.enough is not None
    assert told.enough.label is told.enough.change is None
    assert "exclude no class yet" in told.enough.words
