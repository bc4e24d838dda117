"""The settings of the naive Bayes expert."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class NaiveBayesSettings(ExpertSettings):
    """Naive Bayes on Gaussians and tables of categories, both of which forget."""

    renamed_keys: ClassVar[dict[str, str]] = {"fade": "fading_factor"}

    kind: Literal["naive-bayes"] = "naive-bayes"
    name: str = Field(default="naive-bayes", min_length=1, max_length=64)
    fading_factor: float = Field(default=0.999, gt=0.5, le=1)
    """What a count keeps at each event; 1 forgets nothing. SEA scores best near 0.999, RandomRBF with fast drift below
    0.998."""
    buckets: int = Field(default=64, ge=1, le=4_096)
    """Buckets that the categories of a feature are hashed to."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""
