"""The classifier answers as every model that users name does, on features and on texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tocsin import Classifier
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.model import ModelSettings

from .face_behaviour import FaceBehaviour, FeatureBehaviour

WORDS = {"left": "port red", "middle": "keel bow", "right": "starboard green"}


class TestClassifier(FeatureBehaviour):
    def make(self) -> Classifier:
        return Classifier(ModelSettings(experts=(LinearSettings(), NaiveBayesSettings())))


class TestTextClassifier(FaceBehaviour):
    def make(self) -> Classifier:
        return Classifier(ModelSettings(text=True, experts=(SS3Settings(),)))

    def events(self, n: int, seed: int = 0) -> tuple[list[Any], list[str]]:
        rng = np.random.default_rng(seed)
        y = rng.choice([*WORDS], n).tolist()
        return [" ".join(rng.choice((WORDS[label] + " the ship").split(), 5)) for label in y], y

    def frame(self, xs: list[Any]) -> pd.DataFrame | pd.Series[Any]:
        return pd.DataFrame({"text": xs}, index=[f"event {i}" for i in range(len(xs))])

    def array(self, xs: list[Any]) -> Any:
        return np.array(xs, object)

    def datasets(self) -> list[list[tuple[Any, Any]]] | None:
        return [[({"text": x}, y) for x, y in zip(*self.events(30, seed), strict=True)] for seed in (1, 2)]
