"""The settings of a linear expert."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class LinearSettings(ExpertSettings):
    """Multinomial logistic regression on standardised inputs, with RMS-normalised steps."""

    sees: ClassVar[tuple[str, ...]] = ("buckets",)
    sees_rates: ClassVar[bool] = True

    kind: Literal["linear"] = "linear"
    name: str = Field(default="linear", min_length=1, max_length=64)
    step: float = Field(default=0.02, ge=1e-9, le=1)
    """Learning rate."""
    buckets: int = Field(default=16, ge=1, le=4_096)
    """One-hot columns that the categories of a feature are hashed to."""
    strength: float = Field(default=10.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""
