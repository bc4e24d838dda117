"""The votes of the experts: what each answered, how far it was trusted, and its part in the decision."""

from __future__ import annotations

import numpy as np

from tocsin.explain.explanation import Opinion, Vote
from tocsin.kernels.fusion import discount, opinions
from tocsin.models.data.batch import Floats
from tocsin.models.decision.scores import Scores


def prior_weight(scores: Scores, configured: float | None) -> float:
    """The prior weight s that the fusion used."""
    return float(max(len(scores.classes), 1)) if configured is None else configured


def votes(scores: Scores, i: int, names: list[str], s: float, rule: str, most: int | None) -> list[Vote]:
    """The votes of the engaged experts on event i, the strongest first; at most `most` of them."""
    if not scores.classes:
        return []
    evidence = scores.evidence[i]
    pull = _pull(evidence, scores.reliability[i], s, rule)
    total = float(pull[scores.engaged[i]].sum())
    sums = evidence.sum(axis=1).tolist()
    best = evidence.argmax(axis=1).tolist()
    order = sorted(np.flatnonzero(scores.engaged[i]).tolist(), key=lambda e: (-pull[e], e))
    return [
        Vote(
            expert=names[e],
            vote=scores.classes[best[e]] if sums[e] > 0 else None,
            probability=round(float(evidence[e, best[e]]) / sums[e], 6) if sums[e] > 0 else 0.0,
            reliability=round(float(scores.reliability[i, e]), 6),
            weight=round(float(pull[e]) / total, 6) if total > 0 else 0.0,
        )
        for e in order[:most]
    ]


def _pull(evidence: Floats, reliability: Floats, s: float, rule: str) -> Floats:
    """How much each expert [E] adds for the class it favours: evidence by the cumulative rule, or Dempster's log P."""
    b, u = discount(*opinions(evidence[None], s), reliability[None])
    odds: Floats = b[0].max(axis=1) / u[0]
    return odds if rule == "cumulative" else np.log1p(odds)


def opinions_before_fusion(scores: Scores, i: int, names: list[str], s: float) -> list[Opinion]:
    """Each engaged expert's opinion before discounting and fusion."""
    b, u = opinions(scores.evidence[i : i + 1], s)
    return [
        Opinion(
            expert=names[e],
            belief=by_class(scores.classes, b[0, e]),
            uncertainty=round(float(u[0, e]), 6),
        )
        for e in np.flatnonzero(scores.engaged[i]).tolist()
    ]


def by_class(classes: tuple[str, ...], values: Floats) -> dict[str, float]:
    """Numbers by class, to six digits."""
    return {c: round(v, 6) for c, v in zip(classes, values.tolist(), strict=True)}
