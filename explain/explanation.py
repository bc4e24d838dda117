"""What an explanation is made of: the typed parts of a decision's `explanation`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Vote(_Part):
    """What one engaged expert said, and how far it was trusted."""

    expert: str
    vote: str | None
    """The class it favours; null where it has no evidence."""
    probability: float
    """Share of its evidence for that class."""
    reliability: float
    """Shafer's discount: 0 is not trusted at all, 1 entirely."""
    weight: float
    """Its pull on the fused belief, log(1 + b / u) of its discounted opinion, as a share of all experts'."""


class Condition(_Part):
    """One test on the way from a tree's root to the leaf that answered."""

    feature: str
    operator: Literal["<=", ">", "=", "!="]
    value: float | str
    actual: float | str | None
    """The event's own value; null where it is not known or the tree has not met it: then most events' way is taken."""


class TreePath(_Part):
    """The way through the most trusted tree."""

    expert: str
    conditions: list[Condition]


class Word(_Part):
    """A word or n-gram that moved a text expert, and how much it adds to each class."""

    word: str
    values: dict[str, float]


class Opinion(_Part):
    """An expert's evidence before fusion: belief and uncertainty, undiscounted."""

    expert: str
    belief: dict[str, float]
    uncertainty: float


class Enough(_Part):
    """What would have sufficed to decide instead of abstaining."""

    label: str | None
    """The class that was nearest."""
    rival: str | None
    """The class that could not be excluded."""
    probability: float
    """Pignistic probability of the nearest class."""
    rival_probability: float
    needed: float
    """The rival is excluded below this probability; for a cold start, the number of labels to wait for."""
    words: str
    """The same in words."""


class MatteringPost(_Part):
    """One of the posts that raised a subject's risk most."""

    event: str
    """The event's id."""
    post: int
    """Its number among the subject's posts, from 1."""
    gain: float
    """By how much it raised what the policy compares; in log odds for the policy `fused`."""


class Tipping(_Part):
    """Why an alert rang at this post."""

    policy: Literal["accumulated", "spread", "fused"]
    score: float
    """What was compared: the accumulated risk, its excess over all other classes per post, or the fused belief."""
    threshold: float
    """What it had to exceed."""
    gain: float
    """By how much this post raised it."""
    posts: list[MatteringPost]
    """The posts that mattered most, the strongest first."""


class Explanation(_Part):
    """Why an event was decided as it was, or abstained from."""

    level: Literal["brief", "full"]
    experts: list[Vote]
    """Engaged experts, the strongest first."""
    path: TreePath | None = None
    words: list[Word] | None = None
    opinions: list[Opinion] | None = None
    """Evidence before fusion (full)."""
    fused: dict[str, float] | None = None
    """Pignistic probability of each class after fusion (full)."""
    conflict: float
    used: int
    """How many experts, most reliable first, were enough to know the outcome."""
    enough: Enough | None = None
    """For an abstention."""
    alert: Tipping | None = None
    """For an alert."""
