"""Second-order logistic regression on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.config.experts.logistic import LogisticSettings, MovingAveragesSettings, SeasonalSettings
from tocsin.models.experts.base import Expert
from tocsin.models.experts.logistic.expert import LogisticExpert
from tocsin.models.experts.logistic.moving_averages import MovingAveragesExpert
from tocsin.models.experts.logistic.seasonal import SeasonalExpert

from ..form_behaviour import FormBehaviour
from ..taught import STREAMS, Taught


class SecondOrderBehaviour(FormBehaviour):
    def most_bytes(self, taught: Taught) -> int:
        """All weights and scales, the shares of wrong labels, and the strength."""
        model, columns = taught.expert.model, taught.expert.columns  # type: ignore[attr-defined]
        return 8 * (model.weights.size + 2 * len(columns.nominal) + len(model.noise) + 1) + self.more_bytes(taught)

    def more_bytes(self, taught: Taught) -> int:
        return 0


class LogisticBehaviour(SecondOrderBehaviour):
    kind = "logistic"
    rated = 0

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> Expert:
        return LogisticExpert(LogisticSettings(buckets=4), nominal, cls.rated)


class TestHashed(LogisticBehaviour):
    def test_with_too_many_inputs_it_is_silent_there_too(self) -> None:
        taught = self.taught("numbers", columns=300)
        taught.learn(20)
        assert taught.send() == 0
        assert taught.form.bytes_needed() == 0
        assert not taught.told(taught.asked(3)).any()

    def test_more_classes_share_one_covariance_and_of_one_class_all_are_sure(self) -> None:
        for classes in (1, 2, 7):
            taught = self.taught("gaps", classes=classes)
            taught.learn(50)
            taught.send()
            self.agrees(taught)


class TestRated(LogisticBehaviour):
    rated = 10


class TestMovingAverages(SecondOrderBehaviour):
    kind = "moving-averages"
    history = 1

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> Expert:
        return MovingAveragesExpert(MovingAveragesSettings(buckets=4, history=cls.history), nominal)

    def more_bytes(self, taught: Taught) -> int:
        """The running means of each number."""
        return 8 * 8 * taught.columns


class TestMovingAveragesWithoutLabels(TestMovingAverages):
    history = 0


class TestSeasonal(SecondOrderBehaviour):
    kind = "seasonal"

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> Expert:
        return Repeating(SeasonalSettings(buckets=4), nominal)

    def more_bytes(self, taught: Taught) -> int:
        """The mean of each number."""
        return 8 * taught.columns

    def taught(self, stream: str, **more: Any) -> Taught:
        made = super().taught(stream, **more)
        if made.columns < 100:  # with more it is silent
            made.learn(420)
        return made

    def test_it_has_found_a_season(self) -> None:
        for stream in STREAMS:
            expert: Any = self.taught(stream).expert
            assert expert.season > 0

    def test_before_a_season_nothing_is_sent_or_said(self) -> None:
        taught = super().taught("numbers")
        taught.learn(100)
        assert taught.send() == 0
        assert not taught.told(taught.asked(3)).any()
        structure = taught.form.structure
        taught.learn(400)
        taught.send()
        assert taught.form.structure != structure
        self.agrees(taught)


class Repeating(SeasonalExpert):
    """An expert whose stream has a season of 20 labels in its last column, whatever the stream."""

    def learn(self, batch: Any, y: Any, weight: Any) -> None:
        _, taken = self.past.state.tolist()
        batch = batch.rows(0, len(batch))
        season = 100.0 * np.sin((taken + np.arange(len(batch))) * np.pi / 10.0)
        for array in (batch.X, *([] if batch.views is None else [batch.views.plain])):
            array[:, -1] = season
        super().learn(batch, y, weight)


def test_an_answer_before_anything_was_learnt_is_vacuous() -> None:
    behaviour = TestHashed()
    taught = behaviour.taught("numbers")
    taught.send()
    assert not taught.told(taught.asked(3)).any()


def test_the_covariances_do_not_travel() -> None:
    behaviour = TestHashed()
    taught = behaviour.taught("numbers", columns=200)
    assert taught.send() < 8 * 200 * 10
