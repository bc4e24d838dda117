"""A classifier that asks few experts first: what it must keep, and what it spares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.logistic import LogisticSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings, SkillSettings
from tocsin.config.service import ExplanationSettings
from tocsin.config.settings import Settings
from tocsin.explain.decision import Explainer
from tocsin.models import Batch, Classifier, FeedbackBatch
from tocsin.models.data.batch import PredictionContext
from tocsin.models.decision.scores import Scores
from tocsin.models.routing.gate import ONE_IN, asked_in

POOL = (
    LogisticSettings(name="quick", strength=100.0),
    PersistenceSettings(),
    LinearSettings(name="another", step=0.2, strength=100.0),
    NeighboursSettings(name="dear", window=2_000, strength=100.0, must_earn=True),
    RareClassSettings(),
)
LIFECYCLE = LifecycleSettings(window=300, minimum_age=2_000, patience=2, probation=2)
ROWS, PIECE = 3_000, 50
NAMES = ["a", "b"]
BAND = 0.25
"""Half the width of the band in which no line tells the classes apart."""
Labels = NDArray[np.int64]


def events(rows: int = ROWS, seed: int = 0, least: float = 0.0, most: float = 1.0) -> tuple[Batch, Labels]:
    """Two classes that a line tells apart but for a band around it; the distance from it is from `least` to `most`."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.0, 1.0, (rows, 4))
    X[:, 0] = rng.uniform(least, most, rows) * rng.choice([-1.0, 1.0], rows)
    y = np.where(np.abs(X[:, 0]) < BAND, X[:, 1] > 0.0, X[:, 0] > 0.0).astype(np.int64)
    return Batch.of(X, ids=[f"e{seed}-{i}" for i in range(rows)]), y


def model(engage: float = 0.98, router: type[Any] = ReliabilitySettings, **settings: Any) -> Classifier:
    chosen = {"experts": POOL, "lifecycle": LIFECYCLE} | settings
    made = Classifier(ModelSettings(router=router(engage=engage), **chosen))
    made.widen([str(f) for f in range(4)], [False] * 4, NAMES)
    return made


def lesson(batch: Batch, y: Labels, contexts: list[PredictionContext | None]) -> FeedbackBatch:
    return FeedbackBatch(batch, [NAMES[k] for k in y], np.ones(len(y)), contexts, [()] * len(y))


def serve(made: Classifier, batch: Batch, y: Labels) -> list[PredictionContext]:
    """Score and learn piece by piece, as a service does; returns what was seen of each event."""
    seen: list[PredictionContext] = []
    for start in range(0, len(batch), PIECE):
        piece = batch.rows(start, start + PIECE)
        scores = made.score(piece)
        seen += [scores.context(i) for i in range(len(piece))]
        made.learn(lesson(piece, y[start : start + PIECE], [*seen[start:]]))
    return seen


def bits(made: Classifier) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in made.state_dict().items()}


@pytest.fixture(scope="module")
def served() -> tuple[Classifier, list[PredictionContext]]:
    made = model()
    return made, serve(made, *events())


def asked(scores: Scores) -> NDArray[np.bool_]:
    return asked_in(scores.answers)


def test_where_all_are_asked_the_gate_is_no_part_of_the_model() -> None:
    made = model(1.0)
    batch, y = events(400)
    serve(made, batch, y)
    assert not [name for name in made.state_dict() if name.startswith("gate/")]
    assert asked(made.score(batch)).all()
    assert made.settings is not None
    assert made.settings.digest() == ModelSettings(experts=POOL, lifecycle=LIFECYCLE).digest()


def test_few_are_asked_and_nearly_as_much_is_right(served: tuple[Classifier, list[PredictionContext]]) -> None:
    made, everyone = served[0], model(1.0)
    serve(everyone, *events())
    batch, y = events(1_000, seed=1)
    scores, all_scores = made.score(batch), everyone.score(batch)
    assert asked(scores).mean() < 0.7
    assert (scores.label == y).mean() > (all_scores.label == y).mean() - 0.03


def test_every_expert_is_asked_about_its_share_of_the_events(
    served: tuple[Classifier, list[PredictionContext]],
) -> None:
    """An expert that is never asked could not come back after a drift, because nobody would know its accuracy."""
    scores = served[0].score(events(2_000, seed=2)[0])
    assert (asked(scores).mean(axis=0) > 0.8 / ONE_IN).all()
    drawn = served[0].mixture.gate.drawn(scores.batch.ids)
    assert asked(scores)[drawn].all()
    assert asked(scores)[:, 3].mean() < 0.5, "the dear one is spared"


def test_who_was_not_asked_has_no_part(served: tuple[Classifier, list[PredictionContext]]) -> None:
    scores = served[0].score(events(500, seed=3)[0])
    silent = ~asked(scores)
    assert silent.any()
    assert not scores.engaged[silent].any()
    assert not scores.reliability[silent].any()
    assert not scores.evidence[silent].any()


def test_hard_events_get_more_experts(served: tuple[Classifier, list[PredictionContext]]) -> None:
    hard, easy = served[0].score(events(600, 4, most=BAND)[0]), served[0].score(events(600, 5, least=0.7)[0])
    assert asked(hard).mean() > asked(easy).mean() + 0.1


def test_an_event_alone_is_asked_about_as_among_others(served: tuple[Classifier, list[PredictionContext]]) -> None:
    batch = events(40, seed=6)[0]
    together = served[0].score(batch)
    for i in range(40):
        alone = served[0].score(batch.rows(i, i + 1))
        np.testing.assert_array_equal(alone.answers[0], together.answers[i])
        np.testing.assert_array_equal(alone.betp[0], together.betp[i])


def test_feedback_cut_into_polls_of_any_length_leaves_the_same_bits(
    served: tuple[Classifier, list[PredictionContext]],
) -> None:
    made, seen = served
    batch, y = events()
    for poll in (7, 1_000):
        other = model()
        for start in range(0, ROWS, poll):
            rows = slice(start, start + poll)
            other.learn(lesson(batch.rows(start, min(start + poll, ROWS)), y[rows], [*seen[rows]]))
        assert bits(other) == bits(made)


def test_events_that_are_scored_anew_leave_the_same_bits_too() -> None:
    made, (batch, y) = model(abstention=AbstentionSettings(controls="error")), events(2_000)
    seen = serve(made, batch, y)
    other = model(abstention=AbstentionSettings(controls="error"))
    for start in range(0, 2_000, 333):
        rows = slice(start, start + 333)
        other.learn(lesson(batch.rows(start, min(start + 333, 2_000)), y[rows], [*seen[rows]]))
    assert made.state_dict()["gate/counters"].any()
    assert bits(other) == bits(made)


def test_labels_that_come_with_their_events_teach_the_gate_as_well() -> None:
    batch, y = events()
    states = []
    for poll in (61, 3_000):
        made = model()
        for start in range(0, ROWS, poll):
            rows = slice(start, start + poll)
            made.learn_at_once(batch.rows(start, min(start + poll, ROWS)), y[rows], np.ones(len(y[rows])))
        states.append(bits(made))
        assert not asked(made.score(events(300, seed=7)[0])).all()
    assert states[0] == states[1]


def test_a_snapshot_goes_on_with_the_same_bits(
    served: tuple[Classifier, list[PredictionContext]], tmp_path: Path
) -> None:
    made = served[0]
    made.save(tmp_path / "one")
    again, (batch, y) = Classifier.load(tmp_path / "one", made.settings), events(600, seed=8)
    made.save(tmp_path / "two")
    twin = Classifier.load(tmp_path / "two", made.settings)
    np.testing.assert_array_equal(again.score(batch).answers, made.score(batch).answers)
    serve(again, batch, y)
    serve(twin, batch, y)
    assert bits(again) == bits(twin)


def test_an_explanation_speaks_of_those_that_were_asked(served: tuple[Classifier, list[PredictionContext]]) -> None:
    made = served[0]
    scores, names = made.score(events(300, seed=9)[0]), [expert.name for expert in made.experts]
    explainer, told = Explainer(made, ExplanationSettings()), 0
    for i in np.flatnonzero(~asked(scores).all(axis=1))[:40].tolist():
        found = explainer.explain(scores, i)
        assert found is not None
        heard = {names[e] for e in np.flatnonzero(asked(scores)[i])}
        told += len(found.experts)
        assert {vote.expert for vote in found.experts} <= heard
    assert told


def test_asking_few_makes_no_event_seem_novel(served: tuple[Classifier, list[PredictionContext]]) -> None:
    scores = served[0].score(events(1_500, seed=10)[0])
    assert scores.nonconformity is not None
    few = ~asked(scores)[:, 3]
    support = -scores.nonconformity[:, 1]
    assert np.median(support[few]) > 0.5 * np.median(support[~few])


def test_an_expert_that_is_seldom_asked_is_not_put_to_sleep_for_its_silence() -> None:
    """Its right answers were counted over all events, also those about which it had not been asked."""
    made = model(0.95)
    serve(made, *events(5_950))
    assert asked(made.score(events(500, seed=14)[0]))[:, 3].mean() < 0.6
    known = made.mixture.gate.known()
    assert known is not None
    assert known.missed[3]
    assert known.accuracy[3] > known.accuracy[:3].max(), "it does earn its place"
    assert made.lifecycle.health()[3].events["retired"] == 0


def test_who_begins_anew_is_asked_about_every_event_until_it_is_known() -> None:
    """It had been asked about one event in ten, and ten times as many labels went by until it was trusted."""
    made = model()
    serve(made, *events())
    before = asked(made.score(events(400, seed=15)[0]))[:, 3].mean()
    made.mixture.gate.forget(3)
    assert before < 0.6
    assert asked(made.score(events(400, seed=15)[0]))[:, 3].all()


def test_while_a_class_is_rare_all_are_heard() -> None:
    batch, _ = events(4_000)
    y = (np.arange(4_000) % 100 == 0).astype(np.int64)
    made = model()
    serve(made, batch, y)
    assert made.mixture.rare.rare.any()
    assert asked(made.score(events(300, seed=11)[0])).all()


def test_decisions_that_cannot_change_need_no_second_question() -> None:
    made, batch = model(0.999, SkillSettings), events(500, seed=12)[0]
    serve(made, *events())
    front = np.array([True, True, True, False, False])
    answers, _ = made.mixture.pool.evidence(batch, front)
    rest = made.lifecycle.active & ~front
    stays, everyone = made.mixture.combiner.settled(answers, rest), model(1.0, SkillSettings)
    serve(everyone, *events())
    assert stays.dtype == np.bool_
    few = made.mixture.combiner.combine(batch.ranked, answers, front & made.lifecycle.active)
    answers[:, 3] = made.experts[3].evidence(batch)
    every = made.mixture.combiner.combine(batch.ranked, answers, made.lifecycle.active)
    assert (few.betp.argmax(axis=1) == every.betp.argmax(axis=1))[stays].all()


@pytest.mark.parametrize("engage", [0.98, 1.0])
def test_overload_asks_fewer(engage: float) -> None:
    made = model(engage)
    serve(made, *events())
    batch = events(500, seed=13)[0]
    usual, less = asked(made.score(batch)), asked(made.score(batch, share=0.8))
    assert less.mean() < usual.mean()


def test_the_code_of_a_category_says_nothing_of_how_difficult_an_event_is() -> None:
    made, (batch, y) = Classifier(ModelSettings(experts=POOL, router=ReliabilitySettings(engage=0.95))), events(1_500)
    made.widen(["a", "code", "c", "d"], [False, True, False, False], NAMES)
    batch.X[:, 1] = np.where(batch.X[:, 1] > 0.0, 2.0**52, 7.0)
    serve(made, batch, y)
    weights = made.state_dict()["gate/weights"]
    assert weights[1] == 0.0
    assert weights[[0, 2, 3, 4]].all()


def test_failure_a_new_class_makes_unasked_experts_seem_asked(
    served: tuple[Classifier, list[PredictionContext]],
) -> None:
    made = served[0]
    scores = made.score(events(300, seed=9)[0])
    before = asked(scores)
    assert not before.all()
    one, y = scores.batch, np.zeros(len(scores.batch), np.int64)
    found = lesson(one, y, [scores.context(i) for i in range(len(one))])
    wider = Classifier(made.settings)
    wider.widen(made.columns, made.nominal, [*NAMES, "c"])
    contexts = found.contexts_of(0, len(one))
    assert contexts is not None
    np.testing.assert_array_equal(asked_in(wider.mixture._answers_of(contexts)), before)


def test_a_promise_on_errors_is_not_made_of_decisions_by_a_few(tmp_path: Path) -> None:
    values = {"schema": {"features": [{"name": "a"}]}, "router": {"engage": 0.9}, "abstention": {"controls": "error"}}
    with pytest.raises(ValidationError, match=r"router\.engage: abstention\.controls: error judges each decision"):
        Settings(**values)
