"""How what is not known of an event is guessed."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class ImputationSettings(FrozenSettings):
    """Numbers that are not known are guessed from the rest of their event, for linear experts, trees and the router."""

    enabled: bool = True
    rows: int = Field(default=1_000, ge=100, le=100_000)
    """How many of the latest labelled events are remembered, from the nearest of which a number is guessed. With many
    columns there are fewer: at most `numbers` over the columns, at least 100."""
    numbers: int = Field(default=32_000, ge=1_000, le=100_000_000)
    """The most numbers that all remembered events may have, which bounds memory and the time of a guess."""
    neighbours: int = Field(default=5, ge=1, le=100)
    """The mean of how many of the nearest is a guess."""
    columns: int = Field(default=32, ge=0, le=256)
    """How many columns of numbers, of the first, are in the Gaussian. Its cost grows with the square."""
    memory: int = Field(default=500, ge=50, le=1_000_000)
    """Events after which its covariance fades."""
