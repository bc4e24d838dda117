"""The settings of the nearest-neighbour expert."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class NeighboursSettings(ExpertSettings):
    """The labels of the nearest events among the latest, weighted by distance."""

    kind: Literal["neighbours"] = "neighbours"
    name: str = Field(default="neighbours", min_length=1, max_length=64)
    window: int = Field(default=500, ge=1, le=100_000)
    """How many of the latest labelled events are searched. A small window follows fast changes; a large one knows
    more."""
    k: int = Field(default=3, ge=1, le=100)
    """How many of the nearest events vote."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""

    def cost(self, features: int, classes: int) -> float:
        """An answer compares the event with the whole window."""
        return 0.3 + 0.00018 * self.window * features
