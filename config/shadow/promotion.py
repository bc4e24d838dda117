"""What must hold before the shadow's config may decide."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.config.base import FrozenSettings, Share

Measure = Literal["accuracy", "balanced", "wrong", "coverage"]


class PromotionSettings(FrozenSettings):
    """When `tocsin promote` may let the config of the shadow decide: only once it is shown not to be worse than the one
    that decides by more than `margin`."""

    measure: Measure = "accuracy"
    """What they are compared by, on events whose labels have come. `accuracy`: how many have their true class as the
    most probable one, decided or not. `balanced`: the mean over the classes of the share of each that was found so.
    `wrong`: how many were decided, and wrongly, of all events. `coverage`: how many were decided."""
    margin: Share = Field(default=0.01, ge=0, le=0.5)
    """By how much it may be worse, as a number or a percentage; with 0 it must be shown to be no worse at all."""
    confidence: Share = Field(default=0.95, ge=0.5, le=0.999999)
    """How sure that must be, however often it is looked at."""
    after: int = Field(default=1_000, ge=1, le=10**12)
    """Labels that both must have been compared on at least."""
