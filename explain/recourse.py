"""What evidence would have been enough to decide instead of abstaining."""

from __future__ import annotations

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.explain.explanation import Enough
from tocsin.models.decision.abstention import COLD_START
from tocsin.models.decision.scores import Scores


def enough(scores: Scores, i: int, settings: AbstentionSettings, labels_known: int) -> Enough:
    """What would have been enough to decide event i, by what abstention controls."""
    if scores.reasons[i] == COLD_START:
        return _cold(max(settings.cold_start - labels_known, 1))
    nearest = int(scores.label[i])
    order = [k for k in np.argsort(-scores.betp[i], kind="stable").tolist() if k != nearest]
    label, rival = scores.classes[nearest], scores.classes[order[0]]
    p, q = float(scores.betp[i, nearest]), float(scores.betp[i, order[0]])
    if settings.controls == "coverage":
        needed, would = _coverage(scores.threshold, q)
    elif settings.controls == "error":
        needed, would = _error(scores.threshold, q)
    else:
        needed, would = _cost(settings.abstain_cost, settings.costs.get(rival, {}).get(label, 1.0), q)
    return Enough(
        label=label,
        rival=rival,
        probability=round(p, 6),
        rival_probability=round(q, 6),
        needed=round(needed, 6),
        words=f"nearest is {label} at {p:.0%}; {rival} is still possible at {q:.0%}: {would}",
    )


def _coverage(threshold: float, q: float) -> tuple[float, str]:
    # Below the threshold a class stays in the set while it ties with the best.
    needed = min(max(1.0 - threshold, 0.0), q)
    if needed > 0:
        return needed, f"evidence that brings it below {needed:.0%} would decide"
    return needed, "what labels are known exclude no class yet"


def _error(threshold: float, q: float) -> tuple[float, str]:
    if threshold < 0:
        return 0.0, "of late too many answers were wrong, however sure"
    return min(threshold, q), f"all others together below {threshold:.0%} would decide"


def _cost(abstain: float, mistake: float, q: float) -> tuple[float, str]:
    """The probability of the rival at which the expected cost would allow a decision."""
    needed = min(abstain / mistake, q) if mistake > 0 else q
    return needed, f"an expected cost of at most {abstain:g} would decide, and mistaking it costs {mistake:g}"


def _cold(missing: int) -> Enough:
    return Enough(
        label=None,
        rival=None,
        probability=0.0,
        rival_probability=0.0,
        needed=float(missing),
        words=f"too few labels are known: {missing} more will do",
    )
