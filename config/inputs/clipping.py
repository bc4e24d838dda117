"""How extreme values are clipped."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class ClippingSettings(FrozenSettings):
    """Extreme values are clipped to what is usual in their column, so that one wrong record spoils no expert."""

    enabled: bool = True
    deviations: float = Field(default=8.0, ge=1, le=1_000)
    """How many standard deviations from the running mean a value may lie."""
    memory: int = Field(default=10_000, ge=100, le=10_000_000)
    """How many labelled values of a column are remembered."""
