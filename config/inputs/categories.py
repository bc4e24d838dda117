"""How categories become numbers."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class CategoriesSettings(FrozenSettings):
    """Linear and logistic experts see of a category how often each class came with it, instead of hashed columns."""

    enabled: bool = True
    values: int = Field(default=32_768, ge=64, le=16_777_216)
    """How many categories of all columns together are remembered; those that came longest ago make room. With two
    classes they are 1.5 MB."""
    classes: int = Field(default=10, ge=2, le=1_000)
    """Where there are more than two classes, so many of them, the first, have a number of their own for each column."""
    prior: float = Field(default=2.0, ge=1e-3, le=1_000_000)
    """How many events with a category the share of a class among all events is worth."""
    fading_factor: float = Field(default=0.999, gt=0.5, le=1)
    """What is kept, at each event with a category, of what was counted for it before; 1 forgets nothing."""
