"""When a column goes by rank instead of by value."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tocsin.config.base import FrozenSettings


class TailsSettings(FrozenSettings):
    """A column of heavy tails goes by rank for whatever standardises it: neighbours, linear experts, the router."""

    enabled: bool = True
    heavy: float = Field(default=4.0, ge=1, le=1_000)
    """A column goes by rank from where its 99th percentile lies so many interquartile ranges above its median, or its
    first so many below. A normal distribution has 1.7, an exponential one 3.6."""
    light: float = Field(default=3.0, ge=1, le=1_000)
    """It does so until both lie within so many."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.light > self.heavy:
            raise ValueError(f"light: {self.light} must be at most heavy, {self.heavy}")
        return self
