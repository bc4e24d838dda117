"""The expert on rare classes on a device."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.models.experts.rare_class.expert import RareClassExpert

from .form_behaviour import FormBehaviour, close
from .taught import STREAMS, TRITON, Taught


class RareClassBehaviour(FormBehaviour):
    kind = "rare-class"
    before = 600
    own = {"share": 0.02}  # noqa: RUF012 - as the behaviour has it
    rated, inputs = 0, 64

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> RareClassExpert:
        return RareClassExpert(RareClassSettings(max_inputs=cls.inputs), nominal, heard, cls.rated)

    def most_bytes(self, taught: Taught) -> int:
        """All that there is of one rare class: an example of it changes its discriminants."""
        expert: Any = taught.expert
        D, V, L, Q = expert.model.common.mean.shape[1], 2, 7, 4
        common = V * D * 2 + V * D * D + V
        own = V * L * (D + 1) + V * Q * (D * D + D + 1) + V * (L + Q)
        voting = 5 + 5 * (taught.heard + 1) + 5 + 3 * taught.classes + 1
        return 8 * (common + own + voting) + 8 * 30

    def test_where_no_class_is_rare_it_costs_nothing(self) -> None:
        taught = Taught(self.new, "numbers", form=self.form, share=0.5)
        taught.learn(400)
        assert taught.send() == 0
        assert taught.form.bytes_needed() == 0
        assert not taught.told(taught.asked(3)).any()

    def test_a_class_that_becomes_rare_changes_the_structure(self) -> None:
        taught = Taught(self.new, "numbers", form=self.form, share=0.02)
        taught.learn(100)
        taught.send()
        before = taught.form.structure
        taught.learn(500)
        taught.send()
        assert taught.form.structure != before
        self.agrees(taught)

    def test_where_nobody_was_heard_the_others_are_taken_to_be_silent(self) -> None:
        taught = self.taught("numbers")
        taught.send()
        batch = replace(taught.asked(5), said=None)
        close(taught.told(batch), taught.expert.evidence(batch))

    @pytest.mark.parametrize("stream", STREAMS)
    def test_several_classes_are_rare(self, stream: str) -> None:
        taught = self.taught(stream, classes=4)
        taught.learn(2_000)
        expert: Any = taught.expert
        assert expert.rare.sum() == 3
        taught.send()
        self.agrees(taught, 200)


class TestHashed(RareClassBehaviour):
    pass


class TestRated(RareClassBehaviour):
    rated = 10


class TestVoteAlone(RareClassBehaviour):
    """Too many inputs for Gaussians."""

    inputs = 1


def test_most_labels_send_what_changes_with_each_of_them() -> None:
    taught = TestHashed().taught("numbers", columns=20)
    taught.send()
    sent = []
    for _ in range(60):
        taught.learn(1)
        sent.append(taught.send())
    assert np.median(sent) <= 8 * (2 * 2 * 20 + 5 * 4 + 5 + 5 + 1 + 30)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
@pytest.mark.parametrize("stream", ["gaps", "huge"])
def test_the_triton_kernels_say_the_same(stream: str) -> None:
    assert TRITON.triton
    taught = TestRated().taught(stream, at=TRITON, classes=3)
    taught.learn(1_500)
    for size in (0, 1, 100):
        taught.learn(size)
        taught.send()
        batch = taught.asked(150)
        assert taught.expert.evidence(batch).any()
        close(taught.told(batch), taught.expert.evidence(batch))
        assert taught.told(batch.rows(0, 0)).shape == (0, 3)
