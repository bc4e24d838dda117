"""What tipped an alert: the comparison that rang, and the posts that mattered most."""

from __future__ import annotations

from typing import Any

from tocsin.models.early_risk.policies import Ring


def tipping(policy: str, ring: Ring) -> dict[str, Any]:
    """The part of an alert's explanation that says why it rang just now, as `Tipping`."""
    return {
        "policy": policy,
        "score": round(ring.score, 6),
        "threshold": round(ring.threshold, 6),
        "gain": round(ring.gain, 6),
        "posts": ring.mattered,
    }
