"""The preset `tocsin` of `tocsin.models.DriftMoE`: one set of settings for all streams."""

from __future__ import annotations

from typing import Literal

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings

STRENGTH = 100.0
"""The most pseudo-counts of evidence that an expert's answer is worth. It is high because the router discounts."""


def experts(variant: Literal["data", "task"]) -> tuple[ExpertSettings, ...]:
    """The pool: experts of different kinds rather than copies of one."""
    task = variant == "task"
    return (
        NeighboursSettings(name="nearest-500", window=500, k=1, strength=STRENGTH),
        NeighboursSettings(name="neighbours-500", window=500, k=3, strength=STRENGTH),
        NeighboursSettings(name="neighbours-2000", window=2_000, k=5, strength=STRENGTH),
        # On Electricity, where consecutive events are alike, this expert raises the pool's accuracy by 1.4 points.
        LinearSettings(name="linear-faster", step=0.2, strength=STRENGTH),
        LinearSettings(name="linear-fast", step=0.02, strength=STRENGTH),
        LinearSettings(name="linear-slow", step=0.002, strength=STRENGTH),
        PersistenceSettings(name="persistence", strength=STRENGTH),
        TreeSettings(name="tree", strength=STRENGTH, one_vs_rest=task),
        TreeSettings(name="tree-history", history=1, strength=STRENGTH, one_vs_rest=task),
        # The forest does not see the last label, and has 15 trees: a second forest that sees it and twice the trees
        # together add 0.1 point, and would take most of an event's time. Its grace period is four times the default:
        # a forest spends most of its time on attempts to split, so this halves its cost. Its own accuracy falls by 0.1
        # to 1.4 points on RandomRBF, where neighbours lead, and not at all on other streams.
        ForestSettings(
            name="forest", trees=15, grace_period=200.0, warning_delta=0.3, drift_delta=0.1, strength=STRENGTH
        ),
    )


def tocsin(variant: Literal["data", "task"] = "data", seed: int = 0) -> ModelSettings:
    """The settings of the preset "tocsin"."""
    return ModelSettings(
        experts=experts(variant),
        router=ReliabilitySettings(),
        # The preset aims at accuracy, and Dempster's rule is a tenth of a point more accurate on SEA.
        fusion=FusionSettings(rule="dempster"),
        abstention=AbstentionSettings(enabled=False),
        seed=seed,
    )
