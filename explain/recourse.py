"""What evidence would have been enough to decide instead of abstaining."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.models.abstention import COLD_START
from tocsin.models.classifier import Scores


def enough(scores: Scores, i: int, cold_start: int, labels_known: int) -> dict[str, Any]:
    """For an abstention, `Enough`."""
    if scores.reasons[i] == COLD_START:
        missing = max(cold_start - labels_known, 1)
        return _cold(missing)
    order = np.argsort(-scores.betp[i], kind="stable")
    label, rival = scores.classes[order[0]], scores.classes[order[1]]
    p, q = float(scores.betp[i, order[0]]), float(scores.betp[i, order[1]])
    # Below the threshold a class stays in the set while it ties with the best.
    needed = min(max(1.0 - scores.threshold, 0.0), q)
    if needed > 0:
        would = f"evidence that brings it below {needed:.0%} would decide"
    else:
        would = "what labels are known exclude no class yet"
    return {
        "label": label,
        "rival": rival,
        "probability": round(p, 6),
        "rival_probability": round(q, 6),
        "needed": round(needed, 6),
        "words": f"nearest is {label} at {p:.0%}; {rival} is still possible at {q:.0%}: {would}",
    }


def _cold(missing: int) -> dict[str, Any]:
    return {
        "label": None,
        "rival": None,
        "probability": 0.0,
        "rival_probability": 0.0,
        "needed": float(missing),
        "words": f"too few labels are known: {missing} more will do",
    }
