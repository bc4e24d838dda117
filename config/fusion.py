"""How the experts' opinions become one belief."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.base import FrozenSettings


class FusionSettings(FrozenSettings):
    """How the experts' opinions become one belief."""

    renamed_keys: ClassVar[dict[str, str]] = {"fade": "fading_factor"}

    rule: Literal["dempster", "cautious", "cumulative", "averaging", "murphy"] = "cumulative"
    """The rule of combination. `cumulative` is the default because its decisions could be trusted most
    (`benchmarks/trust.py`)."""
    prior: float | None = Field(default=None, ge=1e-9, le=1_000_000)
    """The prior weight s of an opinion, whose uncertainty is s / (sum of evidence + s). Without a value it is the
    number of classes."""
    contextual: bool = False
    """Whether each expert's evidence is first discounted class by class, by how often the expert was right when it
    named that class. With `router.kind: skill` there is no other discounting."""
    fading_factor: float = Field(default=0.995, ge=1e-9, lt=1)
    """What that precision keeps of the past at each label: nearer to 1 it changes more slowly."""
