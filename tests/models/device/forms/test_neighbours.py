"""Nearest neighbours on a device."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.models.experts.neighbours import NeighboursExpert

from .form_behaviour import FormBehaviour, close
from .taught import TRITON, Taught


class NeighboursBehaviour(FormBehaviour):
    kind = "neighbours"
    window, k = 90, 3

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> NeighboursExpert:
        return NeighboursExpert(NeighboursSettings(window=cls.window, k=cls.k), nominal)

    def most_bytes(self, taught: Taught) -> int:
        """The row of the event with its label, its weight and its place, all scales, and three numbers."""
        return 8 * (taught.columns + 3) + 8 * taught.columns + 8 * 3


class TestNeighbours(NeighboursBehaviour):
    """The window turns over several times."""

    def test_more_labels_than_the_window_holds_come_at_once(self) -> None:
        taught = self.taught("gaps")
        for size in (5, 700, 89, 90, 91):
            taught.learn(size)
            taught.send()
            self.agrees(taught)

    def test_65536_events_at_once(self) -> None:
        taught = self.taught("numbers")
        taught.learn(200)
        taught.send()
        batch = taught.asked(65_536)
        close(taught.told(batch), taught.expert.evidence(batch))


class TestOne(NeighboursBehaviour):
    window, k = 500, 1


class TestMany(NeighboursBehaviour):
    """More neighbours than the window holds."""

    window, k = 7, 12


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
@pytest.mark.parametrize("stream", ["gaps", "huge"])
def test_the_triton_kernel_says_the_same(stream: str) -> None:
    assert TRITON.triton
    taught = TestNeighbours().taught(stream, at=TRITON)
    for size in (1, 40, 120):
        taught.learn(size)
        taught.send()
        batch = taught.asked(20)
        told = taught.told(batch)
        close(told, taught.expert.evidence(batch))
        assert np.array_equal(taught.told(batch.rows(3, 4)), told[3:4])
