"""The preset `tocsin` of `tocsin.models.DriftMoE`: the default model, which decides every event."""

from __future__ import annotations

from typing import Literal

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.pool import tabular_experts
from tocsin.config.model import ModelSettings


def tocsin(variant: Literal["data", "task"] = "data", seed: int = 0) -> ModelSettings:
    """The settings of the preset "tocsin"."""
    return ModelSettings(
        experts=tabular_experts(one_vs_rest=variant == "task"),
        abstention=AbstentionSettings(enabled=False),
        seed=seed,
    )
