"""The settings of the second-order logistic experts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.base import FrozenSettings
from tocsin.config.experts.base import ExpertSettings


class SecondOrderSettings(FrozenSettings):
    """What the logistic experts have in common: how they learn, and what they may cost."""

    fading_factor: float = Field(default=0.9998, ge=0.9, le=1)
    """What the expert keeps, at each event, of what it knows about the inputs that the event has; 1 forgets nothing."""
    noise: float = Field(default=0.05, ge=1e-4, le=0.45)
    """The share of labels that are taken to be wrong whatever the inputs say, at first. It is learnt."""
    restart_threshold: float = Field(default=3.5, ge=1, le=1_000)
    """By how many standard deviations the error of late must exceed that of the long run for the expert to learn as
    fast as at first again."""
    variance: float = Field(default=10.0, ge=1e-6, le=1e6)
    """The prior variance of a weight: the larger it is, the longer are the first steps."""
    buckets: int = Field(default=16, ge=1, le=4_096)
    """One-hot columns that the categories of a feature are hashed to where `inputs.categories` is not enabled."""
    max_inputs: int = Field(default=256, ge=2, le=2_048)
    """The most inputs. An event costs time by their square: about 50 microseconds for 256. A number is one input; a
    category is one where there are two classes, else up to `inputs.categories.classes`, or `buckets` where that is not
    enabled."""
    max_own: int = Field(default=40_000, ge=0, le=1_000_000)
    """Up to classes x inputs x inputs of so much, each class has a covariance of its own; beyond, they share one. Two
    classes count as one."""


class LogisticSettings(SecondOrderSettings, ExpertSettings):
    """One-vs-rest logistic regression by Newton steps, which learns anew after a drift.

    With more than `max_inputs` inputs the expert is silent and costs nothing.
    """

    sees: ClassVar[tuple[str, ...]] = ("buckets",)
    sees_rates: ClassVar[bool] = True

    kind: Literal["logistic"] = "logistic"
    name: str = Field(default="logistic", min_length=1, max_length=64)
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""


class MovingAveragesSettings(SecondOrderSettings, ExpertSettings):
    """A logistic expert on the features, their deviations from running means, and the last known label.

    The means are over 2, 4, 8, ... 256 events. Where all of them would be more than `max_inputs` inputs, fewer are
    taken; where not even one fits, the expert is silent and costs nothing.
    """

    sees: ClassVar[tuple[str, ...]] = ("buckets", "history")

    kind: Literal["moving-averages"] = "moving-averages"
    name: str = Field(default="moving-averages", min_length=1, max_length=64)
    fading_factor: float = Field(default=0.9999, ge=0.9, le=1)
    """What the expert keeps, at each event, of what it knows about the inputs that the event has; 1 forgets nothing."""
    noise: float = Field(default=0.01, ge=1e-4, le=0.45)
    """The share of labels that are taken to be wrong whatever the inputs say, at first. It is learnt."""
    restart_threshold: float = Field(default=4.0, ge=1, le=1_000)
    """By how many standard deviations the error of late must exceed that of the long run for the expert to learn as
    fast as at first again."""
    max_inputs: int = Field(default=128, ge=2, le=2_048)
    """The most inputs. An event costs time by their square. A number is one input and one more for each running mean,
    a category `buckets`, the last label as many as there are classes."""
    history: int = Field(default=1, ge=0, le=1)
    """Whether the last known label is an input (1) or not (0)."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""


class SeasonalSettings(SecondOrderSettings, ExpertSettings):
    """A logistic expert on the features and their deviations from the mean of the last season.

    The season, up to 400 events long, is found by itself. While there is none the expert is silent and costs next to
    nothing; so it is with more than `max_inputs` inputs.
    """

    sees: ClassVar[tuple[str, ...]] = ("buckets",)

    kind: Literal["seasonal"] = "seasonal"
    name: str = Field(default="seasonal", min_length=1, max_length=64)
    fading_factor: float = Field(default=0.9999, ge=0.9, le=1)
    """What the expert keeps, at each event, of what it knows about the inputs that the event has; 1 forgets nothing."""
    noise: float = Field(default=0.01, ge=1e-4, le=0.45)
    """The share of labels that are taken to be wrong whatever the inputs say, at first. It is learnt."""
    restart_threshold: float = Field(default=4.0, ge=1, le=1_000)
    """By how many standard deviations the error of late must exceed that of the long run for the expert to learn as
    fast as at first again."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""


class StackSettings(SecondOrderSettings, ExpertSettings):
    """One-vs-rest logistic regression on what the experts before it in the pool say, and on traits of the text.

    With more than `max_inputs` inputs the expert is silent and costs next to nothing. Each expert before it is as many
    inputs as there are classes.
    """

    kind: Literal["stack"] = "stack"
    hears: ClassVar[bool] = True
    name: str = Field(default="stack", min_length=1, max_length=64)
    traits: bool = True
    """Whether traits of the event's text are inputs, too: how many digits, capitals, links and the like it has."""
    characters: int = Field(default=2_000, ge=1, le=100_000)
    """Traits are those of so many characters at the beginning of a text."""
    rare_class_power: float = Field(default=0.5, ge=0, le=1)
    """How much more the labels of rare classes count: their weight is (1 / (number of classes x share of the class)) to
    this power, at most 10. At 0 all labels count alike, and a class of one event in twenty is hardly ever named."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""
