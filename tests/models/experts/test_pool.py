"""A pool that is asked about some events by some experts says what it says to all, and zeros elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts import AnyExpert, default_experts
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.model import ModelSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.pool import ExpertPool

F = 4


def pool(*experts: AnyExpert, seed: int = 0) -> tuple[ExpertPool, Batch]:
    """A pool that has learnt 600 events, and 50 others with texts."""
    settings = ModelSettings(experts=experts or default_experts(F, text=False), text=bool(experts))
    made, rng = ExpertPool(settings, [f"f{i}" for i in range(F)], [False] * F), np.random.default_rng(seed)
    made.resize(3)
    X, y = rng.normal(size=(650, F)), rng.integers(0, 3, 650)
    X += 2.0 * np.eye(3, F)[y]
    texts = [f"class{k} words and more words {k}" for k in y.tolist()]
    subjects = [f"s{i}" for i in rng.integers(0, 9, 650)]
    batch = Batch.of(X, texts, subjects, history=rng.integers(0, 3, (650, 4)))
    active = np.ones(len(made), np.bool_)
    made.predict_then_learn(batch.rows(0, 600), y[:600], np.ones(600), [()] * 600, active)
    return made, batch.rows(600, 650)


@pytest.mark.parametrize("seed", range(3))
def test_asking_by_rows_is_asking_all_and_leaving_out_the_rest(seed: int) -> None:
    made, batch = pool()
    everyone, _ = made.evidence(batch, np.ones(len(made), np.bool_))
    assert (everyone > 0).any(axis=(0, 2)).sum() > 8
    asked = np.random.default_rng(seed).random((50, len(made))) < 0.4
    asked[:, 0], asked[:, 1] = True, False
    hears = np.array([expert.hears for expert in made.experts])
    some, _ = made.evidence(batch, asked)
    rows = asked & ~hears
    np.testing.assert_array_equal(some[rows], everyone[rows])
    assert not some[~asked].any()


def test_who_hears_others_hears_those_that_were_asked() -> None:
    made, batch = pool(LinearSettings(), PersistenceSettings(by="stream"), StackSettings())
    asked = np.ones((50, 3), np.bool_)
    asked[:25, 0] = False
    some, _ = made.evidence(batch, asked)
    everyone, _ = made.evidence(batch, np.ones(3, np.bool_))
    fewer, _ = made.evidence(batch, np.array([False, True, True]))
    np.testing.assert_array_equal(some[25:], everyone[25:])
    np.testing.assert_array_equal(some[:25], fewer[:25])
    assert not np.array_equal(some[:25, 2], everyone[:25, 2])


def test_what_whole_subjects_wrote_is_read_of_every_event() -> None:
    made, batch = pool(LinearSettings(), LinearTextSettings(name="whole", scope="subject"))
    nobody, texts = made.evidence(batch, np.zeros((50, 2), np.bool_))
    everyone, all_texts = made.evidence(batch, np.ones(2, np.bool_))
    for one, other in zip(texts["whole"], all_texts["whole"], strict=True):
        np.testing.assert_array_equal(one.sums, other.sums)
    assert not nobody.any()
    asked = np.zeros((50, 2), np.bool_)
    asked[::2, 1] = True
    some, _ = made.evidence(batch, asked)
    np.testing.assert_array_equal(some[::2, 1], everyone[::2, 1])


def test_more_experts_can_be_asked_after_the_first() -> None:
    made, batch = pool()
    active = np.ones(len(made), np.bool_)
    everyone, _ = made.evidence(batch, active)
    first = np.arange(len(made)) % 2 == 0
    first &= ~np.array([expert.hears for expert in made.experts])
    answers, _ = made.evidence(batch, first)
    made.ask(batch, active & ~first, answers)
    np.testing.assert_array_equal(answers, everyone)
