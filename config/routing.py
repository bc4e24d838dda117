"""What says, for each event, how far each expert can be trusted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tocsin.config.base import FrozenSettings


class ReliabilitySettings(FrozenSettings):
    """A small network whose reliabilities are learnt online through the fused decision."""

    kind: Literal["reliability"] = "reliability"
    hidden: int = Field(default=24, ge=1, le=1_024)
    """Hidden units."""
    step: float = Field(default=0.002, gt=0, le=1)
    every: int = Field(default=1, ge=1, le=100_000)
    """One training step each so many feedback records, counted from the first."""
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the fewest experts that hold this share of what all can add to the decision."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""
    balance: float = Field(default=0.0001, ge=0, le=1)
    """How strongly an expert with more than its share of the decisions is pulled down, and one with less up."""
    window: int = Field(default=1_000, ge=1, le=1_000_000)
    """Feedback records over which those shares are taken."""
    boost: float = Field(default=1.0, ge=0, le=100)
    """By how much steps are larger than usual at the start and after a drift; it fades within some 500 records."""
    rare: float = Field(default=0.0, ge=0, le=1)
    """How much more labels of rare classes count in learning whom to trust: by (1 / (classes x own share)) ** rare, at
    most tenfold. At 0 all count alike, as suits accuracy and calibration; 0.5 suits macro-F1."""
    inverse_temperature_step: float = Field(default=0.001, ge=0, le=0.1)
    """Step of the power of the pignistic probability that decisions are made by, learnt with the reliabilities; at 0 it
    stays 1."""


class MultiHotSettings(FrozenSettings):
    """DriftMoE's network, trained on the mask of the experts that were right."""

    kind: Literal["multi-hot"] = "multi-hot"
    hidden: tuple[int, ...] = Field(default=(32,), max_length=4)
    """Units of each hidden layer."""
    step: float = Field(default=0.002, gt=0, le=1)
    every: int = Field(default=32, ge=1, le=100_000)
    """One training step each so many feedback records, counted from the first."""
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the most reliable experts are engaged until their share of all reliability reaches this."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""


class SkillSettings(FrozenSettings):
    """No network: every expert is trusted as far as its recent record goes, the same for every event."""

    kind: Literal["skill"] = "skill"
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the most reliable experts are engaged until their share of all reliability reaches this."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""


def _router_kind(value: Any) -> Any:
    """The kind of router that settings speak of; where they do not say, they speak of the default."""
    return value.get("kind", "reliability") if isinstance(value, dict) else getattr(value, "kind", None)


RouterSettings = Annotated[
    Annotated[ReliabilitySettings, Tag("reliability")]
    | Annotated[MultiHotSettings, Tag("multi-hot")]
    | Annotated[SkillSettings, Tag("skill")],
    Discriminator(_router_kind),
]
"""What says, for each event, how far each expert can be trusted."""
