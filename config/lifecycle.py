"""When an expert is started anew, merged with another of its kind, or retired."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tocsin.config.base import FrozenSettings


class LifecycleSettings(FrozenSettings):
    """When an expert counts as ill, and what is done about it.

    Every expert is judged over a window of feedback. It is *starved* where the router hardly uses it, *collapsed* where
    it always answers the same class although the pool does clearly better, and *redundant* where another expert that is
    of the same kind and sees the same answers as it does. An expert with `must_earn` is retired as well where another
    is as accurate as it is, because it costs more time than others or helps on few streams alone.
    """

    renamed_keys: ClassVar[dict[str, str]] = {"keep": "minimum_active", "constant": "collapsed"}

    enabled: bool = True
    """Whether anything is done about an ill expert. Its health is reported either way."""
    window: int = Field(default=2_000, ge=10, le=1_000_000)
    """Feedback records in one window. Windows are counted from the first feedback record."""
    patience: int = Field(default=3, ge=1, le=1_000)
    """An expert is ill after this many windows in a row with the same finding."""
    minimum_age: int = Field(default=5_000, ge=0, le=100_000_000)
    """An expert is not judged before it has learnt this many feedback records."""
    minimum_active: int = Field(default=2, ge=1, le=1_000)
    """This many experts stay active, however ill they are."""
    starved: float = Field(default=0.01, ge=0, lt=1)
    """An expert is starved below this fraction of an even share of the routing."""
    collapsed: float = Field(default=0.995, gt=0.5, le=1)
    """An expert has collapsed where at least this share of its answers is one class."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """An expert has collapsed only where the pool's accuracy exceeds its own by this much: else one class is a good
    answer."""
    agreement: float = Field(default=0.99, ge=1e-9, le=1)
    """One of two like experts is redundant from this agreement on (Cohen's kappa, agreement beyond chance)."""
    earned: float = Field(default=0.0, ge=0, lt=1)
    """An expert with `must_earn` has earned its place where its accuracy exceeds that of the best other expert by more
    than this."""
    chances: int = Field(default=1, ge=0, le=100)
    """How often a starved or collapsed expert is started anew before it is retired. The count begins again after
    `patience` windows of health."""
    probation: int = Field(default=10, ge=1, le=1_000_000)
    """A retired expert is tried again after this many windows, or earlier where the router notices drift."""
