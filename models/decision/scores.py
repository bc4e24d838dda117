"""What the classifier says of events, and what is kept of it until their labels come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tocsin.models.data.batch import (
    Batch,
    Bools,
    Floats,
    Ints,
    PredictionContext,
)
from tocsin.models.data.subject_text import SubjectText


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of B events; E experts, K classes."""

    batch: Batch
    """The events as they were scored: with the label history as it was known."""
    classes: tuple[str, ...]
    said: Floats
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
    """[B, K] pignistic probabilities, as sharp as the router learnt they should be."""
    label: Ints
    """[B], the most probable class, or that of least expected cost where costs are controlled; -1 while no class is
    known."""
    decided: Bools
    reasons: Sequence[str | None]
    """Why an event was abstained from; None where it was decided."""
    sets: Bools
    """[B, K] conformal prediction sets."""
    threshold: float
    learnt: int
    """Feedback records the model had learnt."""
    limits: Sequence[float] | None = None
    """The threshold of each class, [K]; None where they have none of their own."""
    nonconformity: Floats | None = None
    """[B, 2], see `tocsin.models.decision.novelty`; None where abstention is off."""
    plain: Floats | None = None
    """[B, K], BetP before class priors were followed; None where nobody asks for that."""
    ratio: Floats | None = None
    """[B, K], how much more frequent than usual each class is taken to be; ones where priors are not followed."""
    threads: dict[str, list[SubjectText]] = field(default_factory=dict)
    """By expert that reads whole subjects: what to keep of each event's subject after that event."""

    def follows(self, i: int) -> bool:
        """Whether the decision on event i follows class priors that have moved."""
        return self.ratio is not None and bool((self.ratio[i] != 1.0).any())

    def seen(self, i: int) -> PredictionContext:
        """What to keep with event i until its label comes."""
        followed = self.follows(i)
        return PredictionContext(
            history=self.batch.history[i].tolist(),
            subject_label=int(self.batch.subject_label[i]),
            evidence=self.said[i],
            betp=self.betp[i],
            threshold=self.threshold,
            learnt=self.learnt,
            limits=self.limits,
            nonconformity=self.nonconformity[i].tolist() if self.nonconformity is not None else None,
            plain=self.plain[i] if followed and self.plain is not None else None,
            ratio=self.ratio[i] if followed and self.ratio is not None else None,
        )
