"""Softmax regression on a device."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.models.experts.linear import LinearExpert

from ..form_behaviour import FormBehaviour, close
from ..taught import Taught


class LinearBehaviour(FormBehaviour):
    kind = "linear"
    rated, step = 0, 0.02

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> LinearExpert:
        settings = LinearSettings(step=cls.step, strength=100.0, buckets=4)
        return LinearExpert(settings, nominal, cls.rated)

    def most_bytes(self, taught: Taught) -> int:
        """All weights and scales, and the strength: every input of an event moves by its label."""
        expert: Any = taught.expert
        return 8 * expert.model.weights.size + 16 * len(expert.moments.mean) + 8

    def test_65536_events_at_once(self) -> None:
        taught = self.taught("categories")
        taught.learn(200)
        taught.send()
        batch = taught.asked(65_536)
        close(taught.told(batch), taught.expert.evidence(batch))


class TestHashed(LinearBehaviour):
    def test_what_was_merged_is_sent(self) -> None:
        taught, other = self.taught("numbers"), self.taught("numbers", seed=1)
        for one in (taught, other):
            one.learn(50)
            one.send()
        taught.expert.merge(other.expert, 0.25)
        assert taught.send() > 0
        self.agrees(taught)


class TestRated(LinearBehaviour):
    """Categories by their rates."""

    rated = 10

    def test_gaps_are_seen(self) -> None:
        taught = self.taught("gaps")
        taught.learn(600)
        expert: Any = taught.expert
        assert expert.sees_gaps
        taught.send()
        self.agrees(taught)

    @pytest.mark.parametrize("stream", ["categories", "gaps"])
    def test_events_that_nobody_prepared(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.learn(600)
        taught.send()
        batch = taught.batch(taught.labels(20))
        close(taught.told(batch), taught.expert.evidence(batch))


class TestLongSteps(LinearBehaviour):
    """Gaps are not seen."""

    rated, step = 10, 0.2
