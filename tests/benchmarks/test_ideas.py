"""Ideas over recorded evidence: none sees a label before its event, and the recording is that of the classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ideas import IDEAS, TEXT
from parts.ideas import heard as recordings
from parts.ideas.heard import Heard, Source, heard
from parts.ideas.removal import leave_one_out
from parts.ideas.smaller import rounded
from parts.ideas.texts import hashed, neighbours

from tocsin.config.experts.pool import tabular_experts, text_experts
from tocsin.config.model import ModelSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch

T = 240


def invented(text: bool, seed: int = 0) -> Heard:
    """Evidence that knows the class somewhat, of the experts of a default pool."""
    rng = np.random.default_rng(seed)
    experts = text_experts()[:2] if text else tabular_experts(2)
    y = rng.integers(0, 3, T)
    evidence = rng.gamma(0.5, 4.0, (2, T, len(experts), 3))
    evidence[:, np.arange(T), :, y] += 3.0
    evidence[:, rng.random((T, len(experts))) < 0.1] = 0.0
    words = np.array(["win", "500", "HOME", "lunch!", "www.example.com", "later"])
    texts = [" ".join(rng.choice(words, 3)) for _ in range(T)]
    batch = Batch.of(np.zeros((T, 0)) if text else rng.normal(size=(T, 2)), texts)
    source = Source(batch, y, 3, ModelSettings(text=text, experts=experts, seed=seed), rng.integers(0, 9, T))
    return Heard(batch.X, evidence[0], y, source, evidence[1])


def first(whole: Heard, events: int) -> Heard:
    """The same, as it was after so many events."""
    own = whole.source
    source = own._replace(batch=own.batch.rows(0, events), y=own.y[:events], customers=own.customers[:events])
    return Heard(whole.X[:events], whole.evidence[:events], whole.y[:events], source, whole.weighed[:events])


@pytest.mark.parametrize("name", IDEAS)
def test_failure_an_idea_that_sees_a_label_before_its_event(name: str) -> None:
    whole = invented(text=IDEAS[name].streams == TEXT)
    p = IDEAS[name].tried(whole)
    assert p.shape == (T, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(IDEAS[name].tried(first(whole, T // 2)), p[: T // 2], rtol=0, atol=1e-12)
    # The labels behind an event change nothing of it.
    other = whole._replace(y=np.append(whole.y[: T // 2], (whole.y[T // 2 :] + 1) % 3))
    np.testing.assert_allclose(IDEAS[name].tried(other)[: T // 2], p[: T // 2], rtol=0, atol=1e-12)


def test_what_is_replayed_is_what_the_classifier_says(tmp_path: Path) -> None:
    recorded = heard("SEA_a", 5, 300, tmp_path)
    again = heard("SEA_a", 5, 300, tmp_path)
    model = Classifier(recorded.source.model)
    model.widen(["0", "1", "2"], [False] * 3, ["0", "1"])
    said = model.learn_at_once(recorded.source.batch, recorded.y, np.ones(300))
    np.testing.assert_array_equal(recorded.fused(), said)
    np.testing.assert_array_equal(again.fused(), said)


def test_the_one_expert_that_knows_is_missed_most() -> None:
    whole = invented(text=False)
    evidence = np.random.default_rng(1).gamma(0.5, 4.0, whole.evidence.shape)
    evidence[np.arange(T), 4, whole.y] += 50.0
    assert leave_one_out(whole._replace(evidence=evidence))[0].name == whole.experts[4]


def test_neighbours_find_the_text_that_is_most_alike() -> None:
    texts = ["claim your prize now", "see you at lunch", "your prize: claim it now", "lunch, see you there"]
    said = neighbours(hashed(texts), np.array([0, 1, 0, 1]), 2, k=1)
    assert said[2:].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(("bits", "error"), [(32, 1e-7), (16, 1e-3), (8, 0.06)])
def test_fewer_bits_round_by_so_much(bits: int, error: float) -> None:
    values = np.array([0.0, 1.0, -3.7, 812.5, 2.4, np.inf, -0.01])
    said = rounded(values, bits)
    np.testing.assert_allclose(said, values, rtol=error)
    assert bits == 32 or (said != values).any()


def test_rare_labels_weigh_more_and_at_most_ten_times() -> None:
    y = np.zeros(2_000, np.int64)
    y[1_500] = 1
    weight = recordings.weights(y)
    assert weight[1_500] == 10.0
    assert recordings.rare_class(y) == 1
    assert recordings.rare_class(np.arange(30) % 3) is None
