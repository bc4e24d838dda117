"""What the classifier says of events, and the part of it that is kept until their labels come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tocsin.models.data.batch import (
    Batch,
    Bools,
    Floats,
    Ints,
    PredictionContext,
)
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.decision.traffic.recent import RecentTraffic

_OF_EVENTS = (
    "given", "answers", "evidence", "reliability", "engaged", "belief", "uncertainty", "conflict", "used", "betp",
    "label", "raised_at", "decided", "sets",
)  # fmt: skip
_OF_SOME = ("nonconformity", "plain", "ratio")
"""The arrays with a row an event, and those that may be None."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of B events, with E experts and K classes."""

    batch: Batch
    """The events as they were scored: with the label history as it was known, and extreme values clipped."""
    given: Floats
    """[B, F], the features as they came."""
    classes: tuple[str, ...]
    answers: Floats
    """[B, E, K], the experts' evidence as they gave it, in pseudo-counts."""
    evidence: Floats
    """[B, E, K], what of it is fused: the same, unless it is discounted class by class (`fusion.contextual`)."""
    reliability: Floats
    """[B, E]"""
    engaged: Bools
    """[B, E]"""
    belief: Floats
    """[B, K]; with the uncertainty it adds up to 1."""
    uncertainty: Floats
    conflict: Floats
    used: Ints
    """[B], how many experts the decision needed."""
    betp: Floats
    """[B, K], pignistic probabilities raised to the inverse temperature that the router has learnt."""
    label: Ints
    """[B], the most probable class, that of least expected cost where costs are controlled, or a rare class that
    reached its operating point; -1 while no class is known."""
    raised_at: Floats
    """[B], the probability from which on that rare class is decided for; NaN where there is none."""
    decided: Bools
    reasons: Sequence[str | None]
    """Why an event was abstained from; None where it was decided."""
    sets: Bools
    """[B, K] conformal prediction sets."""
    threshold: float
    learnt: int
    """Feedback records the model had learnt."""
    limits: Sequence[float] | None = None
    """The threshold of each class, [K]; None where classes have no thresholds of their own."""
    nonconformity: Floats | None = None
    """[B, 2 or 3], see `tocsin.models.decision.novelty`; None where abstention is off."""
    plain: Floats | None = None
    """[B, K], BetP before class priors were followed; None where they are not followed."""
    ratio: Floats | None = None
    """[B, K], how much more frequent than usual each class is taken to be; None where priors are not followed."""
    priors: Mapping[int, bytes] = field(default_factory=dict)
    """By stream, its class priors of late after these events; empty where priors are not followed."""
    traffic: Mapping[int, RecentTraffic] = field(default_factory=dict)
    """By stream, its recent traffic after these events; empty where traffic is not compared."""
    subject_texts: dict[str, list[SubjectText]] = field(default_factory=dict)
    """By expert of whole subjects: the subject text state after each event."""

    @classmethod
    def before_any_class(cls, batch: Batch, experts: int, learnt: int) -> Scores:
        """The scores of B events while no class is known: all is uncertain."""
        rows = len(batch)
        no_class, vacuous = np.zeros((rows, 0)), np.zeros((rows, experts, 0))
        return cls(
            batch=batch,
            given=batch.X,
            classes=(),
            answers=vacuous,
            evidence=vacuous,
            reliability=np.zeros((rows, experts)),
            engaged=np.zeros((rows, experts), np.bool_),
            belief=no_class,
            uncertainty=np.ones(rows),
            conflict=np.zeros(rows),
            used=np.zeros(rows, np.int64),
            betp=no_class,
            label=np.full(rows, -1, np.int64),
            raised_at=np.full(rows, np.nan),
            decided=np.zeros(rows, np.bool_),
            reasons=["cold-start"] * rows,
            sets=np.zeros((rows, 0), np.bool_),
            threshold=math.inf,
            learnt=learnt,
        )

    @property
    def clipped(self) -> Bools:
        """[B, F], which features were extreme, so that the experts saw a smaller value."""
        clipped: Bools = np.isfinite(self.given) & (self.given != self.batch.X)
        return clipped

    def take(self, rows: Ints) -> Scores:
        """The scores of these events, without what must be kept of all."""
        of_events = {name: getattr(self, name)[rows] for name in _OF_EVENTS}
        return replace(
            self,
            batch=self.batch.take(rows),
            reasons=[self.reasons[i] for i in rows.tolist()],
            **of_events,
            **{name: array[rows] for name in _OF_SOME if (array := getattr(self, name)) is not None},
            priors={},
            traffic={},
            subject_texts={},
        )

    def follows(self, i: int) -> bool:
        """Whether the decision on event i follows class priors that have moved."""
        return self.ratio is not None and bool((self.ratio[i] != 1.0).any())

    def context(self, i: int) -> PredictionContext:
        """The prediction context of event i, which is kept until its label comes."""
        followed = self.follows(i)
        return PredictionContext(
            history=self.batch.history[i].tolist(),
            subject_label=int(self.batch.subject_label[i]),
            evidence=self.answers[i],
            betp=self.betp[i],
            threshold=self.threshold,
            learnt=self.learnt,
            limits=self.limits,
            nonconformity=self.nonconformity[i].tolist() if self.nonconformity is not None else None,
            plain=self.plain[i] if followed and self.plain is not None else None,
            ratio=self.ratio[i] if followed and self.ratio is not None else None,
        )
