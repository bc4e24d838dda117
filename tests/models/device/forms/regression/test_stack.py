"""The expert that hears the others, on a device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tocsin.config.experts.logistic import StackSettings
from tocsin.models.experts.stack.expert import StackExpert

from ..form_behaviour import close
from .test_logistic import SecondOrderBehaviour


class StackBehaviour(SecondOrderBehaviour):
    kind = "stack"
    traits = True

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> StackExpert:
        return StackExpert(StackSettings(traits=cls.traits), heard)

    def test_where_nobody_was_heard_the_others_are_taken_to_be_silent(self) -> None:
        taught = self.taught("numbers")
        taught.learn(50)
        taught.send()
        batch = replace(taught.asked(5), said=None)
        close(taught.told(batch), taught.expert.evidence(batch))

    def test_what_others_say_without_bound(self) -> None:
        taught = self.taught("numbers")
        taught.learn(50)
        taught.send()
        batch = taught.asked(6)
        said = np.zeros_like(batch.said)
        said[1], said[2, :, 0], said[3, 0], said[4] = 1e300, 1e-300, 1e9, 1e-320
        batch = replace(batch, said=said)
        close(taught.told(batch), taught.expert.evidence(batch))


class TestWithTraits(StackBehaviour):
    pass


class TestWithoutTraits(StackBehaviour):
    traits = False
