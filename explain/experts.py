"""The votes of the experts: what each answered, how far it was trusted, and what its word changed."""

from __future__ import annotations

import numpy as np

from tocsin.config.fusion import FusionSettings
from tocsin.explain.explanation import Opinion, Vote
from tocsin.explain.rare_reading import SecondReading
from tocsin.explain.rounding import six_digits
from tocsin.kernels.fusion import discount, fuse, opinions
from tocsin.models.data.batch import Bools, Floats
from tocsin.models.data.belief import pignistic
from tocsin.models.decision.scores import Scores


def prior_weight(scores: Scores, configured: float | None) -> float:
    """The prior weight s that the fusion used."""
    return float(max(len(scores.classes), 1)) if configured is None else configured


class Influence:
    """How much each expert put into the fusion of B events, and what its word changed.

    What it changed is of the fused belief, and where a class is rare of what the `reading` makes of it.
    """

    def __init__(
        self, scores: Scores, fusion: FusionSettings, backend: str, reading: SecondReading | None = None
    ) -> None:
        self.scores, self.reading = scores, reading
        self._rule, self._backend = fusion.rule, backend
        self.prior = prior_weight(scores, fusion.prior)
        self.strength = _strengths(scores, self.prior, self._rule)
        """[B, E], 0 for an expert that is not engaged."""
        self.order = np.lexsort((-self.strength, ~scores.engaged), axis=1)
        """[B, E], the experts of each event: the engaged ones first, those of greatest strength first."""
        self._changes: list[Floats] = []
        self._of_all: Floats | None = None
        self._with_all: Floats | None = None

    def change(self, i: int, place: int) -> float:
        """How much probability lies elsewhere where event i is fused without the expert at this place of its order."""
        return float(self.changes(place)[i])

    def changes(self, place: int) -> Floats:
        """`change` of all events, [B], which are fused at once when first asked for."""
        if self._with_all is None:
            self._with_all = self.fused if self.reading is None else self.reading.after(self.fused)
        while len(self._changes) <= place:
            without, silent = self.scores.engaged.copy(), self.order[:, len(self._changes)]
            without[np.arange(len(without)), silent] = False
            fused = self._fused(without)
            left = fused if self.reading is None else self.reading.without(fused, silent)
            self._changes.append(0.5 * np.abs(left - self._with_all).sum(axis=1))
        return self._changes[place]

    @property
    def fused(self) -> Floats:
        """BetP [B, K] of what all engaged experts amount to."""
        if self._of_all is None:
            self._of_all = self._fused(self.scores.engaged)
        return self._of_all

    def _fused(self, engaged: Bools) -> Floats:
        """BetP [B, K] of the belief that these experts [B, E] amount to."""
        scores = self.scores
        fused = fuse(scores.evidence, scores.reliability, engaged, self._rule, self.prior, self._backend)
        return pignistic(fused.belief, fused.uncertainty)


def _strengths(scores: Scores, s: float, rule: str) -> Floats:
    """What each engaged expert [B, E] puts into the fusion for the class it favours, as the rule counts it."""
    b, u = discount(*opinions(scores.evidence, s), scores.reliability)
    most = b.max(axis=2, initial=0.0)
    counted = {"dempster": np.log1p(most / u), "murphy": most}.get(rule, most / u)
    return np.where(scores.engaged, counted, 0.0)


def votes(influence: Influence, i: int, names: list[str], most: int | None) -> list[Vote]:
    """The votes of the engaged experts on event i, those of greatest weight first; at most `most` of them."""
    scores = influence.scores
    if not scores.classes:
        return []
    evidence, strength = scores.evidence[i], influence.strength[i].tolist()
    total = float(influence.strength[i].sum())
    sums, best = evidence.sum(axis=1).tolist(), evidence.argmax(axis=1).tolist()
    told = influence.order[i, : int(scores.engaged[i].sum())].tolist()[:most]
    return [
        Vote(
            expert=names[e],
            vote=scores.classes[best[e]] if sums[e] > 0 else None,
            probability=six_digits(float(evidence[e, best[e]]) / sums[e]) if sums[e] > 0 else 0.0,
            reliability=six_digits(float(scores.reliability[i, e])),
            weight=six_digits(strength[e] / total) if total > 0 else 0.0,
            change=six_digits(influence.change(i, place)),
        )
        for place, e in enumerate(told)
    ]


def opinions_before_fusion(scores: Scores, i: int, names: list[str], s: float) -> list[Opinion]:
    """Each engaged expert's opinion before discounting and fusion."""
    b, u = opinions(scores.evidence[i : i + 1], s)
    return [
        Opinion(
            expert=names[e],
            belief=by_class(scores.classes, b[0, e]),
            uncertainty=six_digits(float(u[0, e])),
        )
        for e in np.flatnonzero(scores.engaged[i]).tolist()
    ]


def by_class(classes: tuple[str, ...], values: Floats) -> dict[str, float]:
    """Numbers by class, to six digits."""
    return {c: six_digits(v) for c, v in zip(classes, values.tolist(), strict=True)}
