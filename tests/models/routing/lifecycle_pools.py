"""Pools and streams that the tests of the lifecycle share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.lifecycle import LifecycleSettings as Settings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import MultiHotSettings, ReliabilitySettings
from tocsin.models import (
    Batch,
    Classifier,
)

CLASSES = ("a", "b")
QUICK = Settings(window=100, patience=2, minimum_age=200, minimum_active=1, probation=4)
NEVER = QUICK.model_copy(update={"enabled": False})
ROUTERS = {
    "reliability": ReliabilitySettings(),
    "top-p": ReliabilitySettings(top_p=0.9),
    "multi-hot": MultiHotSettings(),
}
STUMP = TreeSettings(name="stump", grace_period=1_000_000, leaf_prediction="mc")
"""A tree that never splits: it answers the most frequent class for ever."""
Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def events(n: int, seed: int = 0, flipped: bool = False) -> Rows:
    """Three numbers, the first of which tells the class up to a tenth of noise; class 0 comes more often."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, ((X[:, 0] > 0.5) ^ (rng.random(n) < 0.1) ^ flipped).astype(np.int64)


def classifier(*experts: ExpertSettings, lifecycle: Settings = QUICK, router: str = "reliability") -> Classifier:
    # Who is starved depends on how opinions are combined, too: these pools were made to fall ill by this rule.
    fusion = FusionSettings(rule="dempster")
    settings = ModelSettings(
        experts=experts, lifecycle=lifecycle, router=ROUTERS[router], classes=CLASSES, fusion=fusion
    )
    model = Classifier(settings)
    model.widen(["x", "y", "z"], [False] * 3, CLASSES)
    return model


def right(model: Classifier, events: Rows, poll: int = 500) -> NDArray[np.bool_]:
    """Learn events at once; whether each was foretold."""
    X, y = events
    parts = [
        model.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(X[i : i + poll])))
        for i in range(0, len(X), poll)
    ]
    result: NDArray[np.bool_] = np.concatenate(parts).argmax(axis=1) == y
    return result


def happened(model: Classifier) -> list[dict[str, int]]:
    """What befell each expert."""
    return [{event: n for event, n in one.events.items() if n} for one in model.lifecycle.health()]


def bits(model: Classifier) -> dict[str, bytes]:
    parts: dict[str, Any] = {"router": model.router, "lifecycle": model.lifecycle, "abstention": model.abstention}
    parts |= {expert.name: expert for expert in model.experts}
    return {f"{p}/{name}": array.tobytes() for p, part in parts.items() for name, array in part.state_dict().items()}
