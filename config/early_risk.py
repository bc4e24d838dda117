"""When a subject that writes over time raises an alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from tocsin.config.base import ClassName, FrozenSettings


class EarlyRiskSettings(FrozenSettings):
    """Alerts for subjects that write over time."""

    renamed_keys: ClassVar[dict[str, str]] = {
        "posts": "explanation_posts",
        "patience": "extra_threshold",
        "patience_posts": "extra_threshold_posts",
        "memory": "odds_fading_factor",
        "confirm": "confirmations",
    }
    renamed_values: ClassVar[dict[str, dict[str, str]]] = {"policy": {"spread": "peer-baseline"}}

    classes: tuple[ClassName, ...] = ()
    """The classes that raise an alert. Where none is named there are no alerts."""
    policy: Literal["auto", "learnt", "accumulated", "peer-baseline", "fused"] = "auto"
    """What raises an alert for a class. `learnt`: what the subject wrote raises the odds of the class above those among
    labelled subjects of late, and as far as such subjects say is best; it needs an expert with `scope: subject`.
    `accumulated`: the subject's posts bring more evidence for it than for all other classes together. `peer-baseline`:
    they bring far more evidence a post than those of other live subjects. `fused`: the fused belief in it is high
    enough. `auto`: `learnt` where an expert has `scope: subject`, else `accumulated`."""
    minimum_posts: int = Field(default=1, ge=1, le=10_000)
    """A subject raises no alert before it has written this many posts."""
    half_life_hours: float | None = Field(default=None, ge=1e-9, le=1_000_000)
    """After this time accumulated evidence counts half, so that old posts of a long-lived subject fade. Without a value
    nothing fades."""
    explanation_posts: int = Field(default=3, ge=0, le=20)
    """How many posts an alert's explanation names: those that raised the class most."""
    margin: float = Field(default=0.0, ge=0, le=1e12)
    """Policy `accumulated`: by this much the evidence for a class must exceed that for all other classes together."""
    gamma: float = Field(default=2.0, ge=0, le=100)
    """Policy `peer-baseline`: how many median absolute deviations a subject must lie above the live subjects'
    median."""
    live_hours: float | None = Field(default=None, ge=1e-9, le=1_000_000)
    """Policy `peer-baseline`: a subject is live until this time after its latest post, by the times of events. Without
    a value it is live for as long as its state is held (`bounds.subjects`)."""
    minimum_subjects: int = Field(default=20, ge=1, le=1_000_000)
    """Policy `peer-baseline`: with fewer live subjects there are no alerts, because their median says little."""
    threshold: float = Field(default=0.5, ge=1e-9, lt=1)
    """Policy `fused`: the belief that raises an alert after many posts."""
    extra_threshold: float = Field(default=0.0, ge=0, lt=1)
    """Policy `fused`: how much more belief the first post needs. Where a delay of a few posts costs little, a larger
    value avoids false alarms."""
    extra_threshold_posts: float = Field(default=3.0, ge=1e-9, le=10_000)
    """Policy `fused`: after this many posts the extra has fallen to 1 / e, about a third."""
    odds_fading_factor: float = Field(default=0.0, ge=0, le=1)
    """Policy `fused`: what the log odds of earlier posts are multiplied by at each post. 0 judges by the latest post
    alone, which suits an expert of scope `subject`, because it reads all posts anyway; 1 adds up the log odds of single
    posts."""
    confirmations: int = Field(default=1, ge=1, le=1_000)
    """Policy `fused`: at how many posts the belief must reach the threshold before it raises an alert."""
    hysteresis: float = Field(default=0.1, ge=0, lt=1)
    """Policy `fused`: the count of confirmations starts anew when the belief falls this far below the threshold."""

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in classes if classes.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is named twice: name each class once")
        return classes


def alerts(early_risk: Any) -> bool:
    """Whether these settings, as a mapping or validated, name a class that raises an alert."""
    named = early_risk.get("classes") if isinstance(early_risk, Mapping) else getattr(early_risk, "classes", None)
    return bool(named)
