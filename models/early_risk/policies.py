"""Early risk: what a subject's posts accumulate to, and the alert that is raised once.

Four policies say when an alert is raised for a class (`tocsin.config.early_risk`):

- `accumulated`: the accumulated evidence for the class exceeds that for all others together (Burdisso et al. 2019);
- `peer-baseline`: that excess, per post, lies above median + gamma MAD of all live subjects (as in the later systems
  of the same authors; in their streams all subjects are at the same post, and here they are not, hence "per post");
- `learnt`: what the subject wrote raises its odds above those of labelled subjects of late, and these odds reach a
  threshold that is learnt from how such subjects fared (`tocsin.kernels.decision.subject_threshold`);
- `fused`: the fused belief reaches a threshold that falls with the number of posts read. Waiting for a few posts costs
  little and improves the belief much, so a higher belief may be asked for at the first posts.

The cost of a post does not depend on how many came before it. An alert is raised at most once for a subject and class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.data.batch import Floats
from tocsin.models.data.subject_text import SubjectStanding
from tocsin.models.early_risk.peers import Counts, median_and_deviation

MOST_ODDS = 7.0
"""The log odds that one post can be worth: a belief of 0.999."""
HOUR = 3_600_000
"""Milliseconds."""


@dataclass(slots=True)
class SubjectRisk:
    """What early risk keeps of a subject. Each decision of the subject carries it, so the latest one has all of it."""

    posts: int = 0
    risk: dict[str, float] = field(default_factory=dict)
    """Accumulated evidence by class."""
    alerts: dict[str, int] = field(default_factory=dict)
    """The classes for which an alert was raised, with its delay: the number of posts read until then."""
    time: int = 0
    """Time of the latest post, epoch milliseconds."""
    faded: float = 0.0
    """The number of posts, each faded as the evidence it added; 0 where nothing fades."""
    odds: dict[str, float] = field(default_factory=dict)
    """Log odds by class; policy `fused`: above those of a class of which nothing is known."""
    confirmed: dict[str, int] = field(default_factory=dict)
    """Policy `fused`: by class, at how many posts the belief has reached the threshold."""
    mattered: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By class, until its alert is raised: the posts that raised its score most, as `event`, `post` (its number),
    `gain`."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a policy needs of an event beside its evidence."""

    event: str = ""
    time: int = 0
    """Epoch milliseconds."""
    belief: Floats | None = None
    """Pignistic probability of each class [K]; the policy `fused` asks for it."""
    standing: SubjectStanding | None = None
    """How the subject stands after the post; the policy `learnt` asks for it."""


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert that one post raised for a class, and what tipped it."""

    name: str
    score: float
    """What the policy compares: the evidence accumulated for the class, its excess over all others per post, or the
    belief."""
    threshold: float
    """What the score exceeds or, for the policy `fused`, reaches."""
    gain: float
    """By how much the post raised the score: the score after it less the score just before it, when what was
    accumulated had faded by the time of the post."""
    mattered: list[dict[str, Any]]


NO_POST = Post()


def excess(risk: Mapping[str, float], name: str) -> float:
    """By how much the accumulated evidence for a class exceeds that for all others together."""
    own = risk.get(name, 0.0)
    return own - (sum(risk.values()) - own)


class Accumulated(Protocol):
    """The part of a subject's state that says what its posts accumulated to; see `SubjectRisk`."""

    @property
    def posts(self) -> int:
        """Posts read."""

    @property
    def faded(self) -> float:
        """The number of posts, each faded as the evidence it added; 0 where nothing fades."""

    @property
    def risk(self) -> Mapping[str, float]:
        """Accumulated evidence by class."""


def excess_per_post(state: Accumulated, name: str) -> float:
    """The excess of a class, divided by the number of posts: that of the subject's mean post."""
    return excess(state.risk, name) / max(state.faded or state.posts, 1.0)


def add_post(
    state: SubjectRisk,
    evidence: Floats,
    classes: list[str],
    settings: EarlyRiskSettings,
    post: Post = NO_POST,
    baselines: Mapping[str, Counts] | None = None,
) -> list[RaisedAlert]:
    """Add one post to a subject's state (in place); returns the alerts that it raises, in the order of the settings.

    `evidence` [K] is the post's, for `classes` [K]. `baselines` are the peer baselines by class, before this post: the
    excesses per post of the live subjects. Only the policy `peer-baseline` needs them. Raises ValueError where the
    policy is `fused` and the post has no belief, or `learnt` and it has no standing.
    """
    learnt = _least(classes, settings, post) if settings.policy == "learnt" else {}
    for name, (_, prior, _) in learnt.items():
        state.odds.setdefault(name, prior)
    fades = settings.half_life_hours is not None
    # Posts from before the setting was made have not faded.
    state.faded = (state.faded or float(state.posts)) if fades else 0.0
    _fade(state, settings, post.time)
    before = {name: _score(state, name, len(classes), settings) for name in settings.classes}
    state.posts += 1
    state.faded += float(fades)
    for name, value in zip(classes, evidence.tolist(), strict=True):
        if value:
            state.risk[name] = state.risk.get(name, 0.0) + value
    if settings.policy == "fused":
        _add_odds(state, classes, settings, post)
    state.odds.update({name: odds for name, (odds, _, _) in learnt.items()})
    raised = []
    for name in settings.classes:
        if name in state.alerts:
            continue
        if settings.policy == "learnt":
            score, threshold, reached = _judge_odds(state, name, len(classes), settings, learnt)
        else:
            score, threshold, reached = _judge(state, name, len(classes), settings, baselines or {})
        gain = score - before[name]
        _note(state, name, gain, settings.explanation_posts, post)
        if reached and state.posts >= settings.minimum_posts:
            raised.append(RaisedAlert(name, score, threshold, gain, state.mattered.pop(name, [])))
    state.alerts.update({alert.name: state.posts for alert in raised})
    return raised


def _fade(state: SubjectRisk, settings: EarlyRiskSettings, time: int) -> None:
    """Fade what was accumulated, by the time since the latest post."""
    if settings.half_life_hours is not None and state.posts and time > state.time:
        left = 0.5 ** ((time - state.time) / (settings.half_life_hours * HOUR))
        for kept in (state.risk, state.odds):
            for name in kept:
                kept[name] *= left
        state.faded *= left
    state.time = max(state.time, time)


def _add_odds(state: SubjectRisk, classes: list[str], settings: EarlyRiskSettings, post: Post) -> None:
    """Add the log odds of one post's belief."""
    if post.belief is None:
        raise ValueError("the policy fused needs the post's belief")
    for name in settings.classes:
        if name in classes:
            old = state.odds.get(name, 0.0)
            said = log_odds(float(post.belief[classes.index(name)])) - _unknown(len(classes))
            state.odds[name] = settings.odds_fading_factor * old + said


def _least(classes: list[str], settings: EarlyRiskSettings, post: Post) -> dict[str, tuple[float, float, float]]:
    """By class its log odds after a post, those of its prior, and those from which on an alert is raised."""
    standing = post.standing
    at = {name: classes.index(name) for name in settings.classes if name in classes}
    if not at:
        return {}  # none of them is known yet
    if standing is None:
        raise ValueError("the policy learnt needs an expert that reads whole subjects")
    rows = np.stack([standing.odds, standing.odds - standing.lift, standing.least], axis=1).tolist()
    return {name: (rows[k][0], rows[k][1], rows[k][2]) for name, k in at.items()}


def _judge_odds(
    state: SubjectRisk,
    name: str,
    classes: int,
    settings: EarlyRiskSettings,
    learnt: Mapping[str, tuple[float, float, float]],
) -> tuple[float, float, bool]:
    """As `_judge`, for the policy `learnt`: what was read must raise the odds, and they must reach the threshold."""
    score = _score(state, name, classes, settings)
    if name not in learnt:
        return score, math.inf, False
    odds, prior, least = learnt[name]
    return score, probability(least), odds > prior and odds >= least


def probability(odds: float) -> float:
    """The probability of log odds; far ones are taken for the last that a number can tell from 0 and 1."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -500.0), 500.0)))


def log_odds(p: float) -> float:
    """log(p / (1 - p)), at most MOST_ODDS to either side."""
    if not 0.0 < p < 1.0:
        return math.copysign(MOST_ODDS, p - 0.5)
    return min(max(math.log(p / (1.0 - p)), -MOST_ODDS), MOST_ODDS)


def _unknown(classes: int) -> float:
    """The log odds of one class of which nothing is known."""
    return -math.log(max(classes - 1, 1))


def _note(state: SubjectRisk, name: str, gain: float, most: int, post: Post) -> None:
    """Keep a post if it is among those that raised the score of the class most."""
    if gain > 0 and most:
        kept = [*state.mattered.get(name, []), {"event": post.event, "post": state.posts, "gain": round(gain, 6)}]
        state.mattered[name] = sorted(kept, key=lambda one: -float(one["gain"]))[:most]


def _score(state: SubjectRisk, name: str, classes: int, settings: EarlyRiskSettings) -> float:
    """What the policy compares, as the state stands."""
    if settings.policy == "learnt":
        return probability(state.odds.get(name, -math.inf))
    if settings.policy == "fused":
        return 1.0 / (1.0 + math.exp(-state.odds.get(name, 0.0) - _unknown(classes)))
    if settings.policy == "peer-baseline":
        return excess_per_post(state, name)
    return state.risk.get(name, 0.0)


def _judge(
    state: SubjectRisk, name: str, classes: int, settings: EarlyRiskSettings, baselines: Mapping[str, Counts]
) -> tuple[float, float, bool]:
    """The score, the threshold it is compared with, and whether that is exceeded."""
    score = _score(state, name, classes, settings)
    if settings.policy == "fused":
        threshold = threshold_at(state.posts, settings)
        return score, threshold, _confirmed(state, name, score, threshold, settings)
    if settings.policy == "peer-baseline":
        counts = baselines.get(name)
        if counts is None or int(counts.sum()) < settings.minimum_subjects:
            return score, math.inf, False
        median, deviation = median_and_deviation(counts)
        threshold = median + settings.gamma * deviation
        return score, threshold, score > threshold
    threshold = sum(state.risk.values()) - score + settings.margin
    return score, threshold, score > threshold


def _confirmed(state: SubjectRisk, name: str, belief: float, threshold: float, settings: EarlyRiskSettings) -> bool:
    """Whether the belief has reached the threshold at as many posts as are asked for."""
    if belief >= threshold:
        state.confirmed[name] = state.confirmed.get(name, 0) + 1
    elif belief < threshold - settings.hysteresis:
        state.confirmed.pop(name, None)
    reached = belief >= threshold and state.confirmed[name] >= settings.confirmations
    if reached:
        del state.confirmed[name]
    return reached


def threshold_at(posts: int, settings: EarlyRiskSettings) -> float:
    """The belief at which an alert is raised after so many posts.

    It starts at threshold + extra_threshold and falls exponentially to threshold.
    """
    extra = settings.extra_threshold * math.exp(-(posts - 1) / settings.extra_threshold_posts)
    return min(settings.threshold + extra, 1.0)
