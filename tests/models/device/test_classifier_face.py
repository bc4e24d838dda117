"""A classifier that is scored on a device answers as every model that users name does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tocsin import Classifier
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.model import ModelSettings
from tocsin.models.device.scoring import score_on

from ..face_behaviour import FeatureBehaviour

usual = Classifier._begin


def begin_on_device(model: Classifier, names: Sequence[str], nominal: Sequence[bool], classes: Sequence[str]) -> None:
    usual(model, names, nominal, classes)
    score_on("torch-cpu", model.mixture)


class TestOnDevice(FeatureBehaviour):
    @pytest.fixture(autouse=True)
    def _on_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every new mixture is scored by tensors on the CPU."""
        monkeypatch.setattr(Classifier, "_begin", begin_on_device)

    def make(self) -> Classifier:
        return Classifier(ModelSettings(experts=(LinearSettings(), NaiveBayesSettings())))
