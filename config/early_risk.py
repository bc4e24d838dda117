"""When a subject that writes over time rings the alarm."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tocsin.config.base import ClassName, FrozenSettings


class EarlyRiskSettings(FrozenSettings):
    """Alerts for subjects that write over time."""

    classes: tuple[ClassName, ...] = ()
    """The classes that ring the alarm; none switches alerts off."""
    policy: Literal["accumulated", "spread", "fused"] = "accumulated"
    """What rings: more evidence than for all other classes together; so much more per post than other subjects have; or
    the fused belief."""
    minimum_posts: int = Field(default=1, ge=1, le=10_000)
    half_life_hours: float | None = Field(default=None, gt=0)
    """After so long what was accumulated counts half, so that old posts of a long-lived subject fade; none for ever."""
    posts: int = Field(default=3, ge=0, le=20)
    """How many of a subject's posts are kept by name, those that mattered most, for the alert's explanation."""
    margin: float = Field(default=0.0, ge=0)
    """Policy `accumulated`: the accumulated risk must exceed all other classes' together by this."""
    gamma: float = Field(default=2.0, ge=0, le=100)
    """Policy `spread`: by so many median absolute deviations the median of the live subjects must be exceeded."""
    live_hours: float | None = Field(default=None, gt=0, le=1_000_000)
    """Policy `spread`: after so long without a post a subject is live no more, by the times of events; where none is
    given, it is as long as it is held (`bounds.subjects`)."""
    minimum_subjects: int = Field(default=20, ge=1, le=1_000_000)
    """Policy `spread`: fewer live subjects have no median to speak of, and nothing rings."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Policy `fused`: the belief that rings after many posts."""
    patience: float = Field(default=0.0, ge=0, lt=1)
    """Policy `fused`: by so much more belief is needed at the first post; a larger delay of few posts costs little."""
    patience_posts: float = Field(default=3.0, gt=0, le=10_000)
    """Policy `fused`: after so many posts the patience has fallen to a third (1 / e)."""
    memory: float = Field(default=0.0, ge=0, le=1)
    """Policy `fused`: what the log odds of earlier posts keep at each post; 0 where an expert of scope `subject` reads
    them all anyway, 1 adds up what posts say each by itself."""
    confirm: int = Field(default=1, ge=1, le=1_000)
    """Policy `fused`: at so many posts the belief must stand at the threshold before it rings."""
    hysteresis: float = Field(default=0.1, ge=0, lt=1)
    """Policy `fused`: confirmations are void when the belief has fallen this far below the threshold."""

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in classes if classes.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is named twice: name each class once")
        return classes
