"""How far events lie from those labelled of late, on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.decision.novelty import Novelty
from tocsin.models.device.forms.form import Copies
from tocsin.models.device.forms.novelty import NoveltyDistances
from tocsin.models.device.inputs import Inputs
from tocsin.models.experts.base import Arrays, Expert

from .form_behaviour import FormBehaviour, close


class Remembering(Expert):
    """A part that remembers events, as an expert whose evidence [B, 1] is how far they lie from it."""

    def __init__(self, nominal: list[bool]) -> None:
        self.novelty = Novelty(AbstentionSettings(novelty_memory=50))
        self.nominal, self.classes = nominal, 0
        self.novelty.resize(nominal)

    @classmethod
    def from_settings(cls, settings: Any, pool: Any) -> Expert:
        raise NotImplementedError

    def set_columns(self, names: Any, nominal: Any) -> None:
        self.nominal = list(nominal)

    def resize(self, features: int, classes: int) -> None:
        self.novelty.resize(self.nominal)
        self.classes = classes

    def evidence(self, batch: Batch) -> Floats:
        distance = self.novelty.nonconformity(batch.X, np.zeros(len(batch)))[:, :1]
        return distance.repeat(self.classes, axis=1)

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        self.novelty.learn(batch.X, np.full((len(batch), 2), np.nan))

    def state_dict(self) -> Any:
        return self.novelty.state_dict()

    def load_state_dict(self, arrays: Arrays) -> None:
        self.novelty.load_state_dict(arrays)


class RememberingForm:
    """The distances as a form."""

    def __init__(self, expert: Remembering, copies: Copies) -> None:
        self.expert, self.part = expert, NoveltyDistances(expert.novelty, copies)
        self.views = self.part.views
        self.follow, self.bytes_needed = self.part.follow, self.part.bytes_needed

    def own_columns(self, batch: Batch) -> None:
        return None

    @property
    def structure(self) -> Any:
        return self.part.structure

    def evidence(self, inputs: Inputs) -> Any:
        return self.part.distances(inputs)[:, None].expand(-1, self.expert.classes)


class TestNovelty(FormBehaviour):
    @staticmethod
    def new(nominal: list[bool], heard: int) -> Remembering:
        return Remembering(nominal)

    def form(self, expert: Remembering, copies: Copies) -> RememberingForm:
        return RememberingForm(expert, copies)

    def most_bytes(self, taught: Any) -> int:
        """The row of the event and its place, all scales, and two numbers."""
        return 8 * (taught.columns + 1) + 8 * taught.columns + 8 * 2

    def test_nothing_is_far_while_nothing_is_remembered(self) -> None:
        taught = self.taught("gaps")
        taught.send()
        assert not taught.told(taught.asked(5)).any()

    @pytest.mark.parametrize("size", [49, 50, 51, 200])
    def test_more_than_is_remembered_comes_at_once(self, size: int) -> None:
        taught = self.taught("gaps")
        taught.learn(3)
        taught.send()
        taught.learn(size)
        taught.send()
        batch = taught.asked(20)
        close(taught.told(batch), taught.expert.evidence(batch))
