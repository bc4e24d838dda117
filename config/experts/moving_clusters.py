"""The settings of the expert of moving clusters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class MovingClustersSettings(ExpertSettings):
    """Clusters of labelled events, each with a centre that moves at a velocity of its own.

    It is worth having where classes are clouds that move. On other streams the router learns to leave it aside.
    """

    kind: Literal["moving-clusters"] = "moving-clusters"
    name: str = Field(default="moving-clusters", min_length=1, max_length=64)
    clusters: int = Field(default=80, ge=2, le=1_000)
    """How many clusters are held, over all classes. An event costs time in proportion to it."""
    max_inputs: int = Field(default=48, ge=1, le=1_024)
    """Numeric features up to which the expert takes part. An event costs time in proportion to their number, and where
    there are more of them the expert is silent: it learns nothing and has no evidence."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""

    def cost(self, features: int, classes: int) -> float:
        """An answer compares the event with every cluster; with too many features there is none."""
        return 0.0025 * self.clusters * features if features <= self.max_inputs else 0.01
