"""When a column is left out because it tells nothing of the class."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tocsin.config.base import FrozenSettings


class RelevanceSettings(FrozenSettings):
    """Columns of numbers that tell nothing of the class are left out by whatever standardises its inputs.

    They are left out where the nearest of the latest events has the right label more often without them. What is looked
    at are the values that `inputs.tails` makes: where that is not enabled, this rests.
    """

    enabled: bool = True
    out: float = Field(default=3.0, ge=0, le=1_000)
    """A column is in doubt where it and the class agree by less than so many standard deviations beyond chance."""
    back: float = Field(default=6.0, ge=0, le=1_000)
    """It is no longer where they agree by more than so many."""
    columns: int = Field(default=128, ge=1, le=100_000)
    """With more columns than so many it rests, because what it costs grows with them."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.out > self.back:
            raise ValueError(f"out: {self.out} must be at most back, {self.back}")
        return self
