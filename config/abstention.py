"""When to abstain."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tocsin.config.base import ClassName, FrozenSettings

CostValue = Annotated[float, Field(ge=0, le=1e12)]


class AbstentionSettings(FrozenSettings):
    """When to keep silent: adaptive conformal inference on the pignistic probability."""

    enabled: bool = True
    controls: Literal["coverage", "error", "cost"] = "coverage"
    """`coverage`: an event is decided where its prediction set holds one class, and sets miss the true class in a share
    `error` of all events. `error`: decided where the most probable class is probable enough that a share `error` of
    what is decided is wrong. `cost`: decided for the class of least expected cost, where that is at most
    `abstain_cost`."""
    error: float = Field(default=0.1, gt=0, lt=0.5)
    """Target share of events whose prediction set misses the true class, or of decisions that are wrong."""
    per_class: bool = False
    """Whether sets miss at most the share `error` of every class rather than of all events: a rare class keeps its
    coverage, and more is abstained from. A class with fewer than 1 / error labels shares the threshold of all."""
    costs: dict[ClassName, dict[ClassName, CostValue]] = Field(default_factory=dict)
    """What a decision costs: true class, then decided class; 0 where right and 1 where wrong, if nothing is given."""
    abstain_cost: float = Field(default=0.1, ge=0)
    """What an abstention costs, in the unit of `costs`."""
    steering: Literal["aci", "pid"] = "aci"
    """How late labels steer the threshold: `aci` moves the level of its quantile (adaptive conformal inference), `pid`
    the threshold itself (conformal PID control)."""
    gain: float = Field(default=0.0025, ge=0, le=0.5)
    """Step of adaptive conformal inference; it shrinks as labels come later: an integrator with dead time swings. With
    `steering: pid` it is of no account."""
    window: int = Field(default=300, ge=20, le=1_000_000)
    """How many labelled scores the sliding quantile sees; where labels come late, two fifths of their delay, if that
    is more."""
    late_window: int = Field(default=3_000, ge=20, le=1_000_000)
    """The most that it sees however late labels come; and what the control of `error` sees, since only the part of the
    events that is decided tells."""
    cold_start: int = Field(default=30, ge=0, le=1_000_000)
    """Labels to learn before the first decision."""
    conflict: float = Field(default=0.4, gt=0, le=1)
    """An abstention at or above this conflict is put down to `conflict`."""
    budget: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """At most so many abstentions an hour of event time go to review, each partition of the events having its share of
    them. Beyond it the least doubtful events are decided all the same. No bound where none is given."""
    novelty: float = Field(default=0.01, gt=0, le=0.5)
    """An event is novel where at most this share of recent labelled events lay as far from those before them, or found
    as little support with the experts: the share of false alarms. An abstention from one is put down to `novel`."""
    novelty_window: int = Field(default=1_000, ge=20, le=1_000_000)
    """How many labelled events that share is taken of."""
    novelty_memory: int = Field(default=256, ge=1, le=100_000)
    """How many labelled events are remembered for distances to be taken from."""
    abstain_novel: bool = False
    """Whether novel events are abstained from even where their evidence would decide."""

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if self.costs and self.controls != "cost":
            raise ValueError(f"costs are given but abstention controls {self.controls}: set controls to cost")
        if self.steering == "pid" and (self.per_class or self.controls == "error"):
            raise ValueError("steering: pid goes with controls: coverage or cost, and not with per_class")
        if self.per_class and self.controls == "error":
            raise ValueError("per_class speaks of prediction sets: it goes with controls: coverage or cost, not error")
        return self
