"""How the experts' opinions become one belief."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.config.base import FrozenSettings


class FusionSettings(FrozenSettings):
    """How the experts' opinions become one belief."""

    rule: Literal["dempster", "cautious", "cumulative", "averaging", "murphy"] = "cumulative"
    """The default is the one whose decisions could be trusted most (`benchmarks/trust.py`)."""
    prior: float | None = Field(default=None, gt=0)
    """The prior weight s of an opinion, u = s / (sum e + s); the number of classes where none is given."""
    contextual: bool = False
    """Whether what an expert says is first discounted class by class, by how often it was right when it named that
    class; with `router.kind: skill` that is all the discounting there is."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast that record forgets."""
