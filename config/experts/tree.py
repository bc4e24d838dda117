"""The settings of one Hoeffding tree."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class TreeSettings(ExpertSettings):
    """A Hoeffding tree (river's parameters, split for split, compiled)."""

    sees: ClassVar[tuple[str, ...]] = ("history", "one_vs_rest")

    kind: Literal["tree"] = "tree"
    name: str = Field(default="tree", min_length=1, max_length=64)
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    grace_period: int = Field(default=50, ge=1, le=1_000_000)
    delta: float = Field(default=1e-5, gt=0, le=1)
    tau: float = Field(default=0.05, ge=0, le=1)
    leaf_prediction: Literal["mc", "nb", "nba"] = "nba"
    max_depth: int | None = Field(default=None, ge=1)
    max_size: float = Field(default=16.0, gt=0)
    """MiB above which the least promising leaves lose their observers."""
    forget: float = Field(default=1.0, gt=0, le=1)
    """What a leaf keeps of its class weights at each of its events; 1 keeps all. By what is left it answers (where it
    answers by the majority) and its answer weighs; where trees split does not change."""
    one_vs_rest: bool = False
    """One tree a class, each of which tells its class from the rest."""
    strength: float = Field(default=30.0, gt=0, le=1_000)
    """The most pseudo-counts of evidence that a leaf is worth."""
