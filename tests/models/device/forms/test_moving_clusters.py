"""Moving clusters on a device."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from tocsin.config.experts.moving_clusters import MovingClustersSettings
from tocsin.kernels.device import pieces
from tocsin.models.experts.moving_clusters import MovingClustersExpert

from .form_behaviour import FormBehaviour, close
from .taught import TRITON, Taught

MOVE = 12
"""Clusters that one label moves in the streams of these tests."""


class TestMovingClusters(FormBehaviour):
    kind = "moving-clusters"

    @staticmethod
    def new(nominal: list[bool], heard: int) -> MovingClustersExpert:
        return MovingClustersExpert(MovingClustersSettings(), nominal)

    def most_bytes(self, taught: Taught) -> int:
        """The rows of the clusters that move and their places, all scales, and six numbers."""
        expert = taught.expert
        assert isinstance(expert, MovingClustersExpert)
        F = len(expert.columns)
        return MOVE * 8 * (9 + 2 * F + 1) + 8 * F + 8 * 6

    def test_with_too_many_inputs_it_is_silent_there_too(self) -> None:
        taught = self.taught("numbers", columns=100)
        taught.learn(20)
        assert taught.send() == 0
        assert not taught.told(taught.asked(3)).any()

    def test_in_pieces_it_says_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taught = self.taught("gaps", columns=9)
        taught.learn(100)
        taught.send()
        batch = taught.asked(30)
        monkeypatch.setattr(pieces, "IN_CACHE", pieces.AT_ONCE)
        told = taught.told(batch)
        monkeypatch.setattr(pieces, "AT_ONCE", 200)
        assert np.array_equal(taught.told(batch), told)

    def test_either_norm_is_followed(self) -> None:
        taught = self.taught("numbers")
        seen = set()
        for _ in range(40):
            taught.learn(10)
            taught.send()
            seen.add(taught.tensors()["expert/numbers"][4])
            self.agrees(taught)
        assert seen == {0.0, 1.0}


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
@pytest.mark.parametrize("stream", ["gaps", "huge"])
def test_the_triton_kernel_says_the_same(stream: str) -> None:
    assert TRITON.triton
    taught = TestMovingClusters().taught(stream, at=TRITON)
    for size in (0, 1, 40, 120):
        taught.learn(size)
        taught.send()
        batch = taught.asked(20)
        told = taught.told(batch)
        close(told, taught.expert.evidence(batch))
        assert taught.told(batch.rows(0, 0)).shape == (0, 2)
