"""What holds for every expert whose state is a fold over its events, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import Expert

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F, K = 4, 3
NOMINAL = [False, False, False, True]


def learn(expert: Expert, X: Floats, y: Ints, poll: int = 1_000) -> None:
    weight = np.linspace(0.5, 2.0, len(X))
    for start in range(0, len(X), poll):
        rows = slice(start, start + poll)
        expert.learn(Batch.of(X[rows]), y[rows], weight[rows])


def bits(expert: Expert) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in expert.state_dict().items()}


class FoldBehaviour:
    """The suite. A subclass says how an expert of `F` features and `K` classes is made, and what it learns."""

    new: Callable[[], Expert]
    events: Callable[[int], tuple[Floats, Ints]]

    @pytest.mark.parametrize("poll", [1, 7])
    def test_any_cut_of_the_events_gives_the_same_bits(self, poll: int) -> None:
        X, y = self.events(1_500)
        whole, parts = self.new(), self.new()
        learn(whole, X, y, 1_000)
        learn(parts, X, y, poll)
        assert bits(whole) == bits(parts)
        assert whole.evidence(Batch.of(X)).tobytes() == parts.evidence(Batch.of(X)).tobytes()

    def test_asking_changes_nothing_and_each_event_is_answered_alone(self) -> None:
        X, y = self.events(500)
        expert = self.new()
        learn(expert, X, y)
        before = bits(expert)
        together = expert.evidence(Batch.of(X[:20]))
        alone = np.concatenate([expert.evidence(Batch.of(X[i : i + 1])) for i in range(20)])
        assert together.tobytes() == alone.tobytes()
        assert bits(expert) == before

    def test_an_expert_that_learnt_nothing_has_no_evidence(self) -> None:
        assert not self.new().evidence(Batch.of(np.zeros((2, F)))).any()

    def test_a_restored_state_goes_on_as_the_original(self) -> None:
        X, y = self.events(900)
        original, copy = self.new(), self.new()
        learn(original, X[:500], y[:500])
        copy.load_state_dict(original.state_dict())
        assert bits(copy) == bits(original)
        for expert in (original, copy):
            learn(expert, X[500:], y[500:])
        assert bits(copy) == bits(original)
        assert copy.evidence(Batch.of(X)).tobytes() == original.evidence(Batch.of(X)).tobytes()
