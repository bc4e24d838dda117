"""What tipped an alert: the comparison that raised it, and the posts that mattered most."""

from __future__ import annotations

from typing import Literal

from tocsin.explain.explanation import MatteringPost, Tipping
from tocsin.models.early_risk.policies import Ring


def tipping(policy: Literal["accumulated", "peer-baseline", "fused"], ring: Ring) -> Tipping:
    """The part of an alert's explanation that says why it was raised just now."""
    return Tipping(
        policy=policy,
        score=round(ring.score, 6),
        threshold=round(ring.threshold, 6),
        gain=round(ring.gain, 6),
        posts=[MatteringPost(**post) for post in ring.mattered],
    )
