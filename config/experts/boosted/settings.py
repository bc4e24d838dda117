"""The settings of the boosted expert."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tocsin.config.experts.base import ExpertSettings


class BoostedSettings(ExpertSettings):
    """Gradient boosting (LightGBM) on a window of the latest labelled events, trained anew once in a while."""

    sees: ClassVar[tuple[str, ...]] = ("history",)

    kind: Literal["boosted"] = "boosted"
    name: str = Field(default="boosted", min_length=1, max_length=64)
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    window: int = Field(default=2_000, ge=50, le=1_000_000)
    """How many of the latest labelled events it is trained on. A small window follows changes, a large one knows
    more."""
    every: int = Field(default=500, ge=10, le=1_000_000)
    """It is trained anew whenever so many more labelled events were learnt."""
    lag: int = Field(default=100, ge=0, le=1_000_000)
    """Labelled events that it is trained for, in a thread of its own, before the new model answers. Where it takes
    longer, learning waits. At most `every`."""
    trees: int = Field(default=60, ge=1, le=10_000)
    """Rounds of boosting. Each grows a tree, and one for each class where there are more than two."""
    most_trees: int = Field(default=1_200, ge=1, le=100_000)
    """Trees in all: with many classes there are fewer rounds, but at least one."""
    leaves: int = Field(default=31, ge=2, le=4_096)
    """Leaves of each tree at the most."""
    least_events: int = Field(default=20, ge=1, le=100_000)
    """Events in each leaf at the least."""
    learning_rate: float = Field(default=0.1, ge=0.001, le=1)
    """The part of each tree's correction that is taken."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""

    @model_validator(mode="after")
    def _lag_within(self) -> Self:
        if self.lag > self.every:
            raise ValueError(f"lag is {self.lag}, more than every: {self.every}: the next training begins by then")
        return self
