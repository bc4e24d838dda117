"""When an expert is made anew, merged with its like, or retired."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class LifecycleSettings(FrozenSettings):
    """What is told of every expert over a window of feedback, and from when on it counts as ill.

    Starved: the router hardly uses it. Collapsed: it always answers one class, and the pool does clearly better.
    Redundant: it answers as another does that is of the same kind and sees the same.
    """

    enabled: bool = True
    """Whether anything is done about an ill expert; its health is told either way."""
    window: int = Field(default=2_000, ge=10, le=1_000_000)
    """Feedback records that one look at the pool rests on, counted from the first."""
    patience: int = Field(default=3, ge=1, le=1_000)
    """An expert is ill after so many windows in a row with the same finding."""
    minimum_age: int = Field(default=5_000, ge=0, le=100_000_000)
    """Feedback records for which an expert is left alone after it began."""
    keep: int = Field(default=2, ge=1, le=1_000)
    """So many experts stay active whatever is found."""
    starved: float = Field(default=0.01, ge=0, lt=1)
    """Below this part of an even share of the routing an expert is starved."""
    constant: float = Field(default=0.995, gt=0.5, le=1)
    """An expert with at least this share of its answers for one class answers always the same."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """By how much the pool's accuracy exceeds that of an expert that collapsed: else its one class is a good answer."""
    agreement: float = Field(default=0.99, gt=0, le=1)
    """From this agreement (Cohen's kappa: what chance gives is taken away) on one of two like experts is redundant."""
    chances: int = Field(default=1, ge=0, le=100)
    """How often a starved or collapsed expert is begun anew, with no `patience` windows of health between, before it is
    retired."""
    probation: int = Field(default=10, ge=1, le=1_000_000)
    """Windows after which a retired expert is tried again, if the router notices no drift before."""
