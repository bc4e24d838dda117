"""What tipped an alert: the comparison that raised it, and the posts that mattered most."""

from __future__ import annotations

from typing import Literal

from tocsin.explain.explanation import MatteringPost, Tipping
from tocsin.models.early_risk.policies import RaisedAlert

Policy = Literal["accumulated", "peer-baseline", "fused", "learnt"]


def tipping(policy: Policy, raised: RaisedAlert) -> Tipping:
    """The part of an alert's explanation that says why it was raised just now."""
    return Tipping(
        policy=policy,
        score=round(raised.score, 6),
        threshold=round(raised.threshold, 6),
        gain=round(raised.gain, 6),
        posts=[MatteringPost(**post) for post in raised.mattered],
    )
