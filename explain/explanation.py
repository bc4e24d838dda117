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
    """Its share of what all engaged experts put into the fusion, each by the class it favours. From the belief b in
    that class and the uncertainty u of its discounted opinion that is b / u where `fusion.rule` is `cumulative` (the
    default), `averaging` or `cautious`, log(1 + b / u) where it is `dempster`, and b where it is `murphy`. It does not
    say how far the expert moves the decision; `change` does."""
    change: float | None = None
    """The probability that would lie with other classes if the expert were left out: half the sum, over classes, of how
    far the pignistic probabilities of the fused belief differ, before inverse temperature and prior shift. Null in
    older records."""


class Condition(msgspec.Struct, frozen=True):
    """One test on the way from a tree's root to the leaf that answered. Of a deep tree only the first are told."""

    feature: str
    operator: Literal["<=", ">", "=", "!="]
    value: float | str
    actual: float | str | None
    """The event's own value. It is null where the value is missing or new to the tree, which then takes the branch that
    most events took. A category that is missing is `(not known)` where the tree takes that for a category."""


class TreePath(msgspec.Struct, frozen=True):
    """The path through the most trusted expert that is a tree, or through the tree of a forest that was right most."""

    expert: str
    conditions: list[Condition]


class Word(msgspec.Struct, frozen=True):
    """A word or n-gram that moved a text expert."""

    word: str
    values: dict[str, float]
    """What it adds to each class, in the unit that `part_of` names."""
    expert: str | None = None
    """The expert that it moved; null in older records."""
    part_of: Literal["evidence", "log-odds"] | None = None
    """What the values are parts of. `evidence`: pseudo-counts, which add up to the expert's evidence unless
    `strength` caps it. `log-odds`: the logarithm of the class's probability above the mean of all classes' logarithms,
    of this text alone; what it starts from (the bias) and words that are not told are the rest. Null in older
    records."""


class FiredRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that a team declared, and that fired on the event."""

    rule: str
    """Its name in the config."""
    expert: str
    label: str
    """The class that it speaks for."""
    precision: float
    """The share of the events on which it fires that are of this class, as the model believes it now."""
    says: str = ""
    """What its author wants to be said."""


class Opinion(msgspec.Struct, frozen=True):
    """An expert's evidence before fusion: belief and uncertainty, before its reliability discounts them."""

    expert: str
    belief: dict[str, float]
    uncertainty: float


class Enough(msgspec.Struct, frozen=True):
    """What would have been enough to decide instead of abstaining: the smallest change of the probabilities that
    decides, over all classes, by the thresholds that judged the event."""

    label: str | None
    """The class that would be decided. Null where no probabilities decide, and for a cold start."""
    rival: str | None
    """The class that must lose most for it."""
    probability: float
    """Probability of the label now: pignistic, after inverse temperature and prior shift."""
    rival_probability: float
    """That of the rival now."""
    needed: float
    """What the rival's probability would be. For a cold start: how many labels that count are missing."""
    words: str
    """The same in words; empty in a brief explanation, whose readers make the sentence from the figures."""
    change: float | None = None
    """The probability that would move from some classes to others. Null where no probabilities decide, for a cold
    start, and in older records."""
    probabilities: dict[str, float] = {}
    """The probabilities after the change, of the classes whose own changes. In the place of the old ones they
    decide."""


class ClippedFeature(msgspec.Struct, frozen=True):
    """A feature whose value lies far outside what is usual in its column, so that it was clipped for the experts."""

    feature: str
    value: float
    """The event's own value."""
    seen: float
    """What the experts saw in its place: the end of the usual range."""


class RareClass(msgspec.Struct, frozen=True):
    """Why an event was decided for a rare class, though another class is more probable."""

    label: str
    probability: float
    """Its probability: pignistic, after inverse temperature and prior shift."""
    threshold: float
    """The probability from which on the class is decided for: that of its greatest F1 score on the labels of late."""


class VoteOnRareClass(msgspec.Struct, frozen=True):
    """How far the reading of rare classes moved the belief: a vote on one of them took the place of what was fused."""

    label: str
    """The rare class whose probability it changed most."""
    fused: float
    """Its probability as the experts were fused, before inverse temperature and prior shift."""
    probability: float
    """Its probability by the expert on rare classes, which hears the others."""


class MatteringPost(msgspec.Struct, frozen=True):
    """One of the posts that raised a subject's risk most."""

    event: str
    """The event's id."""
    post: int
    """Its number among the subject's posts, from 1."""
    gain: float
    """By how much it raised the alert's score when it came, in the unit of `Tipping.score`."""


class Tipping(msgspec.Struct, frozen=True):
    """Why an alert was raised at this post."""

    policy: Literal["accumulated", "peer-baseline", "fused", "learnt", "spread"]
    """Of the config's `early_risk.policy`; records of release 0.1.0 have `spread` for `peer-baseline`."""
    score: float
    """What was compared: the evidence accumulated for the class (`accumulated`), its excess over that for all other
    classes, per post (`peer-baseline`), the belief in the class (`fused`), or its probability (`learnt`)."""
    threshold: float
    """What the score had to exceed or, for the policies `fused` and `learnt`, to reach."""
    gain: float
    """By how much this post raised the score: the score after the post less the score just before it, when what was
    accumulated had faded by its time. (Releases 0.1.0 and 0.2.0 told the rise of the class's excess over all others or,
    for the policy `fused`, of its log odds.)"""
    posts: list[MatteringPost]
    """The posts that raised the score most, the strongest first."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an event was decided as it was, or abstained from. What there is nothing to say of is left out."""

    level: Literal["brief", "full"]
    experts: list[Vote]
    """Engaged experts, those of greatest weight first."""
    path: TreePath | None = None
    words: list[Word] | None = None
    rules: list[FiredRule] | None = None
    """The declared rules of engaged experts that fired on the event, in the config's order."""
    opinions: list[Opinion] | None = None
    """Evidence before fusion (full)."""
    fused: dict[str, float] | None = None
    """Probability of each class, by which it was decided: pignistic, after inverse temperature and prior shift
    (full)."""
    conflict: float
    """Mean pairwise conflict of the experts' discounted opinions, from 0 to 1."""
    used: int
    """How many experts, most reliable first, were enough to know which class the fused belief favours. Under other
    rules than Dempster's that is every expert that has a say."""
    enough: Enough | None = None
    """For an abstention."""
    clipped: list[ClippedFeature] | msgspec.UnsetType = msgspec.UNSET
    """The features that were clipped."""
    rare: RareClass | msgspec.UnsetType = msgspec.UNSET
    """For an event that was decided for a rare class, though another class is more probable."""
    read: VoteOnRareClass | msgspec.UnsetType = msgspec.UNSET
    """Where a class is rare, so that the vote on it took the place of what was fused."""
    alert: Tipping | msgspec.UnsetType = msgspec.UNSET
    """For an alert."""
