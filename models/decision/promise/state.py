"""Whether the promise on errors is kept: what labels say, and what may be among decisions that have no label yet."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

MARGIN = 0.01
"""The promise is that at most the target and this share of decisions are wrong."""
FEWEST = 500
"""Fewer labelled decisions do not tell that it is kept."""
SURE = 1.64
"""Standard deviations by which the wrong decisions exceed what luck may do, before the promise counts as broken."""
AFTER_A_DRIFT = 0.9
"""The share of decisions that is wrong in excess of the usual, from a drift until its labels come."""

State = Literal["kept", "at risk", "cannot be kept"]
KEPT: State = "kept"
AT_RISK: State = "at risk"
CANNOT: State = "cannot be kept"

STATES = (KEPT, AT_RISK, CANNOT)
"""From the best to the worst."""


class LatestDecisions(NamedTuple):
    """What is known of the latest decisions."""

    labels: float = 0.0
    """Labels that are looked back on."""
    decided: float = 0.0
    """Decisions among them."""
    wrong: float = 0.0
    """Those of them that were wrong."""
    waiting: float = 0.0
    """Decisions whose label has not come yet."""
    stale: float = 0.0
    """Those of them that a drift made wrong which was noticed later."""
    usual: float = 0.0
    """The share of wrong answers while nothing changes."""
    drifts: float = 0.0
    """Drifts that were noticed within the labels."""
    delay: float = 0.0
    """How many labels are learnt between a decision and its own label."""
    open: bool = False
    """Whether anything is decided now."""


class Promise(NamedTuple):
    """The state of the promise, and what it rests on."""

    state: State = AT_RISK
    error: float | None = None
    """The share of wrong ones among the latest labelled decisions; None where there is none."""
    drifts_every: float | None = None
    """Labels from one drift to the next; None where none was noticed of late."""
    delay: float = 0.0
    """How many labels are learnt between a decision and its own label."""

    @property
    def reason(self) -> str | None:
        """Why it cannot be kept; None where that is not so.

        >>> Promise("cannot be kept", 0.25, 3_000.0, 500.0).reason
        'drifts come every 3000 labels, and labels come 500 late'
        """
        if self.state != CANNOT:
            return None
        late = f"labels come {self.delay:.0f} late"
        if self.drifts_every is None:
            return f"the classes change without a drift that could be noticed, and {late}"
        return f"drifts come every {self.drifts_every:.0f} labels, and {late}"


def promise(target: float, known: LatestDecisions) -> Promise:
    """The state of the promise that at most the share `target` of the decisions, and one point more, is wrong.

    It cannot be kept where even without another drift too many are wrong, by more than luck. It is kept where not too
    many would be wrong if a drift had come unnoticed, as often as drifts come.

    >>> calm = LatestDecisions(10_000, 9_000, 300, 450, 0, 0.03, 0, 500, True)
    >>> [promise(0.1, one).state for one in (calm, calm._replace(drifts=9, waiting=4_000), calm._replace(wrong=2_000))]
    ['kept', 'at risk', 'cannot be kept']
    """
    most, (labels, decided, wrong, waiting, stale, usual, drifts, delay, is_open) = target + MARGIN, known
    share = wrong / decided if decided else None
    made = Promise(AT_RISK, share, labels / drifts if drifts else None, delay)
    if decided + waiting < 1.0:
        return made
    fresh = max(waiting - stale, 0.0)
    sure = wrong + stale + fresh * min(usual, target)
    luck = SURE * math.sqrt(wrong * (1.0 - wrong / decided)) if decided else 0.0
    if sure - luck > most * (decided + waiting):
        return made._replace(state=CANNOT)
    drift = 1.0 - math.exp(-(drifts + 1.0) * delay / max(labels, 1.0))
    feared = sure + fresh * AFTER_A_DRIFT * drift
    if is_open and share is not None and decided >= FEWEST and max(share, feared / (decided + waiting)) <= most:
        return made._replace(state=KEPT)
    return made
