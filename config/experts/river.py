"""The settings of a river classifier as an expert."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class RiverSettings(ExpertSettings):
    """Any classifier of river, by its path below `river` (for example `tree.HoeffdingTreeClassifier`)."""

    sees: ClassVar[tuple[str, ...]] = ("model", "history")

    kind: Literal["river"] = "river"
    name: str = Field(min_length=1, max_length=64)
    model: str = Field(default="tree.HoeffdingTreeClassifier", pattern=r"^[a-z_]+(\.[A-Za-z_]+)+$")
    """The classifier's path below `river`."""
    parameters: dict[str, int | float | bool | str | None] = Field(default_factory=dict)
    """The arguments of its constructor."""
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    strength: float = Field(default=10.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""
