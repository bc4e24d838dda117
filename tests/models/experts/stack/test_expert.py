"""The expert that hears the others: what it learns from them, that it is a fold, and what a pool shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.pool import text_experts
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.model import ModelSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.stack.expert import StackExpert

E, K = 2, 3


def new(heard: int = E, classes: int = K, **settings: Any) -> StackExpert:
    expert = StackExpert(StackSettings(**settings), heard)
    expert.resize(0, classes)
    return expert


def heard(n: int, seed: int = 0) -> tuple[Batch, Ints]:
    """The first expert is right, but names another class throughout; the second says nothing, or anything."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    said = rng.gamma(1.0, 1.0, (n, E, K))
    said[np.arange(n), 0, (y + 1) % K] += 20.0
    said[rng.random(n) < 0.3, 1] = 0.0
    texts = ["".join(chr(c) for c in rng.integers(32, 127, int(size))) for size in rng.integers(0, 40, n)]
    return replace(Batch.of(np.zeros((n, 0)), texts), said=said), y


def bits(expert: StackExpert) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in expert.state_dict().items()}


def learn(expert: StackExpert, batch: Batch, y: Ints, poll: int = 1_000) -> None:
    weight = np.linspace(0.5, 2.0, len(y))
    for start in range(0, len(y), poll):
        stop = min(start + poll, len(y))
        expert.learn(batch.rows(start, stop), y[start:stop], weight[start:stop])


def right(expert: StackExpert, batch: Batch, y: Ints) -> float:
    return float((expert.evidence(batch).argmax(axis=1) == y).mean())


@pytest.mark.parametrize("poll", [1, 7])
def test_any_cut_of_the_events_gives_the_same_bits(poll: int) -> None:
    batch, y = heard(600)
    whole, parts = new(), new()
    learn(whole, batch, y)
    learn(parts, batch, y, poll)
    assert bits(whole) == bits(parts)
    alone = np.concatenate([parts.evidence(batch.rows(i, i + 1)) for i in range(30)])
    assert whole.evidence(batch.rows(0, 30)).tobytes() == alone.tobytes()


def test_asking_then_learning_in_one_pass_gives_the_bits_of_one_after_the_other() -> None:
    batch, y = heard(200)
    one, other, weight = new(), new(), np.ones(200)
    together, alone = one.predict_then_learn(batch, y, weight), []
    for i in range(200):
        event = batch.rows(i, i + 1)
        alone.append(other.evidence(event))
        other.learn(event, y[i : i + 1], weight[i : i + 1])
    assert together.tobytes() == np.concatenate(alone).tobytes()
    assert bits(one) == bits(other)


def test_what_an_expert_gets_wrong_in_the_same_way_is_put_right() -> None:
    batch, y = heard(2_000)
    expert = new()
    learn(expert, batch.rows(0, 1_000), y[:1_000])
    assert right(expert, batch.rows(1_000, 2_000), y[1_000:]) > 0.95


def test_traits_tell_what_no_expert_says() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 1_000)
    numbers = rng.integers(100_000, 999_999, 1_000)
    texts = [f"call {n} now" if k else "see you then, at noon" for n, k in zip(numbers, y, strict=True)]
    batch = replace(Batch.of(np.zeros((1_000, 0)), texts), said=np.zeros((1_000, 1, 2)))
    with_traits, without = new(1, 2), new(1, 2, traits=False)
    for expert in (with_traits, without):
        expert.learn(batch.rows(0, 200), y[:200], np.ones(200))
    assert right(with_traits, batch.rows(200, 1_000), y[200:]) == 1.0
    assert right(without, batch.rows(200, 1_000), y[200:]) < 0.6


def test_it_goes_on_when_classes_come() -> None:
    batch, y = heard(1_000)
    expert = new(classes=2)
    two = replace(batch, said=np.ascontiguousarray(np.asarray(batch.said)[:, :, :2]))
    learn(expert, two, y % 2)
    before = expert.state_dict()["weights"]
    expert.resize(0, K)
    assert expert.state_dict()["weights"].shape[1] == before.shape[1] + E
    learn(expert, batch, y)
    assert right(expert, batch, y) > 0.9


def test_with_too_many_inputs_it_is_silent() -> None:
    batch, y = heard(50)
    expert = new(max_inputs=5)
    learn(expert, batch, y)
    assert expert.silent
    assert not expert.evidence(batch).any()


def test_an_expert_that_learnt_nothing_has_no_evidence() -> None:
    assert not new().evidence(heard(3)[0]).any()


def test_a_restored_state_goes_on_as_the_original() -> None:
    batch, y = heard(400)
    original, copy = new(), new()
    learn(original, batch.rows(0, 200), y[:200])
    copy.load_state_dict(original.state_dict())
    for expert in (original, copy):
        learn(expert, batch.rows(200, 400), y[200:])
    assert bits(copy) == bits(original)


def test_the_state_of_another_pool_is_refused() -> None:
    expert = new(heard=3)
    with pytest.raises(SnapshotError, match="inputs are not the"):
        expert.load_state_dict(new(heard=2).state_dict())


# In a pool


def words(n: int) -> tuple[Batch, Ints]:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, n)
    own = [["lunch", "home", "later", "mum"], ["win", "cash", "prize", "claim"]]
    texts = [" ".join(rng.choice(own[k if rng.random() < 0.9 else 1 - k], 4)) for k in y]
    return Batch.of(np.zeros((n, 0)), texts), y


def model(*experts: Any) -> Classifier:
    made = Classifier(ModelSettings(text=True, experts=experts or text_experts(), classes=("no", "yes")))
    made.widen([], [], ["no", "yes"])
    return made


def test_the_default_pool_of_texts_has_it_behind_the_others() -> None:
    assert [expert.kind for expert in text_experts()] == ["ss3", "linear-text", "stack"]


@pytest.mark.parametrize("cut", [1, 13])
def test_a_pool_with_it_is_the_same_under_any_cut_of_the_feedback(cut: int) -> None:
    batch, y = words(120)
    whole, parts = model(), model()
    p = whole.learn_at_once(batch, y, np.ones(120))
    said = []
    for start in range(0, 120, cut):
        stop = min(start + cut, 120)
        said.append(parts.learn_at_once(batch.rows(start, stop), y[start:stop], np.ones(stop - start)))
    assert p.tobytes() == np.concatenate(said).tobytes()
    assert whole.score(batch).betp.tobytes() == parts.score(batch).betp.tobytes()


def test_it_hears_only_the_experts_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Floats] = []
    answer = StackExpert.evidence

    def listen(self: StackExpert, batch: Batch) -> Floats:
        shown.append(np.array(batch.said))
        return answer(self, batch)

    monkeypatch.setattr(StackExpert, "evidence", listen)
    batch, y = words(60)
    pool = model(SS3Settings(), StackSettings(), LinearTextSettings(), LinearSettings())
    pool.learn_at_once(batch, y, np.ones(60))
    scores = pool.score(batch)
    assert [one.shape for one in shown] == [(60, 1, 2)]
    np.testing.assert_array_equal(shown[0], scores.answers[:, :1])


def test_failure_late_labels_teach_it_what_was_said_at_the_time_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Floats] = []
    teach = StackExpert.learn

    def listen(self: StackExpert, batch: Batch, y: Ints, weight: Floats) -> None:
        shown.append(np.array(batch.said))
        teach(self, batch, y, weight)

    monkeypatch.setattr(StackExpert, "learn", listen)
    batch, y = words(80)
    pool = model()
    pool.learn_at_once(batch.rows(0, 40), y[:40], np.ones(40))
    late = batch.rows(40, 60)
    scores = pool.score(late)
    contexts = [scores.context(i) for i in range(20)]
    pool.learn_at_once(batch.rows(60, 80), y[60:], np.ones(20))
    names = [("no", "yes")[k] for k in y[40:60].tolist()]
    pool.learn(FeedbackBatch(late, names, np.ones(20), contexts, [()] * 20))
    np.testing.assert_array_equal(shown[-1], scores.answers[:, :2])
    assert np.any(pool.score(late).answers[:, :2] != shown[-1])


def test_failure_a_class_of_one_event_in_thirty_is_named_only_where_its_labels_count_more() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(4_000) < 1 / 30).astype(np.int64)
    said = np.exp(rng.normal(0.0, 1.0, (4_000, 1, 2)))
    said[np.arange(4_000), 0, y] *= 4.0
    batch = replace(Batch.of(np.zeros((4_000, 0))), said=said)
    found = []
    for power in (0.0, 1.0):
        expert = new(1, 2, traits=False, rare_class_power=power)
        learn(expert, batch, y)
        found.append(expert.evidence(batch)[y == 1].argmax(axis=1).mean())
    assert found[1] > found[0] + 0.1
