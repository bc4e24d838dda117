"""What an explanation is made of: the typed parts of a decision's `explanation`."""

from __future__ import annotations

from typing import Literal

import msgspec


class Vote(msgspec.Struct, frozen=True):
    """What one engaged expert answered, and how far it was trusted."""

    expert: str
    vote: str | None
    """The class it favours; null where it has no evidence."""
    probability: float
    """Share of its evidence for that class."""
    reliability: float
    """Shafer's discount: 0 is not trusted at all, 1 entirely."""
    weight: float
    """Its part in what all experts add to the decision: of their discounted opinions, log(1 + b / u), or b / u under
    the cumulative rule."""


class Condition(msgspec.Struct, frozen=True):
    """One test on the way from a tree's root to the leaf that answered."""

    feature: str
    operator: Literal["<=", ">", "=", "!="]
    value: float | str
    actual: float | str | None
    """The event's own value. It is null where the value is missing or new to the tree, which then takes the branch that
    most events took."""


class TreePath(msgspec.Struct, frozen=True):
    """The path through the most trusted tree."""

    expert: str
    conditions: list[Condition]


class Word(msgspec.Struct, frozen=True):
    """A word or n-gram that moved a text expert, and how much it adds to each class."""

    word: str
    values: dict[str, float]


class Opinion(msgspec.Struct, frozen=True):
    """An expert's evidence before fusion: belief and uncertainty, undiscounted."""

    expert: str
    belief: dict[str, float]
    uncertainty: float


class Enough(msgspec.Struct, frozen=True):
    """What would have been enough to decide instead of abstaining."""

    label: str | None
    """The class that was nearest to a decision."""
    rival: str | None
    """The most probable of the other classes."""
    probability: float
    """Pignistic probability of the nearest class."""
    rival_probability: float
    needed: float
    """The rival is excluded below this probability; for a cold start, the number of labels to wait for."""
    words: str
    """The same in words."""


class MatteringPost(msgspec.Struct, frozen=True):
    """One of the posts that raised a subject's risk most."""

    event: str
    """The event's id."""
    post: int
    """Its number among the subject's posts, from 1."""
    gain: float
    """By how much it raised the excess of the class over all others or, for the policy `fused`, its log odds."""


class Tipping(msgspec.Struct, frozen=True):
    """Why an alert was raised at this post."""

    policy: Literal["accumulated", "peer-baseline", "fused", "spread"]
    """Of the config's `early_risk.policy`; records of release 0.1.0 have `spread` for `peer-baseline`."""
    score: float
    """What was compared: the accumulated risk, its excess over all other classes per post, or the fused belief."""
    threshold: float
    """What the score had to exceed."""
    gain: float
    """By how much this post raised the excess of the class over all others or, for the policy `fused`, its log odds."""
    posts: list[MatteringPost]
    """The posts that mattered most, the strongest first."""


class Explanation(msgspec.Struct, frozen=True):
    """Why an event was decided as it was, or abstained from."""

    level: Literal["brief", "full"]
    experts: list[Vote]
    """Engaged experts, the strongest first."""
    path: TreePath | None
    words: list[Word] | None
    opinions: list[Opinion] | None
    """Evidence before fusion (full)."""
    fused: dict[str, float] | None
    """Pignistic probability of each class after fusion (full)."""
    conflict: float
    used: int
    """How many experts, most reliable first, were enough to know the outcome."""
    enough: Enough | None
    """For an abstention."""
    alert: Tipping | msgspec.UnsetType = msgspec.UNSET
    """For an alert."""
