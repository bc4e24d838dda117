"""The settings of the expert on rare classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class RareClassSettings(ExpertSettings):
    """Gaussians of the latest examples of a rare class, and a vote of the experts before it by likelihood ratios.

    What it says of a rare class is what the model believes of it. While no class is rare it is silent. It stands behind
    the experts that are to vote.
    """

    hears: ClassVar[bool] = True
    stays: ClassVar[bool] = True
    sees_rates: ClassVar[bool] = True

    kind: Literal["rare-class"] = "rare-class"
    name: str = Field(default="rare-class", min_length=1, max_length=64)
    share: float = Field(default=0.05, ge=1e-6, le=0.5)
    """A class is rare where less than this share of the labels have it, and less than a quarter of an even share."""
    memory: float = Field(default=20_000.0, ge=100, le=1e9)
    """Labels after which older ones fade in the mean and the covariance of all events."""
    eta: float = Field(default=1.0, ge=0, le=100)
    """How fast the weights of the experts follow their losses: 0 weighs all alike."""
    max_inputs: int = Field(default=64, ge=0, le=512)
    """Numbers, and rates of categories, up to which there are Gaussians. An event costs time by their square."""
    max_own: int = Field(default=100_000, ge=0, le=10_000_000)
    """Up to classes x inputs x inputs of so much there are Gaussians, which take about 90 bytes each. Beyond it there
    is the vote alone."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""
