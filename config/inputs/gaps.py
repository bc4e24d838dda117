"""When it counts that something is not known."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class GapsSettings(FrozenSettings):
    """Experts see that a value is not known where the labels of such events differ from those of others: linear ones as
    one input more, and all others, of categories, as one more category."""

    enabled: bool = True
    least: float = Field(default=20.0, ge=1, le=1_000_000)
    """How much they must differ: the likelihood ratio statistic G of two classes. Each more class raises it by 2.5."""
