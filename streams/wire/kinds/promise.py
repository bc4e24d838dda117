"""How the promise on errors stands, as a worker's telemetry and a replay's report say it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class PromiseTelemetry(Struct, frozen=True):
    """Whether at most the share `abstention.error` of decisions, and one point more, is wrong."""

    state: Literal["kept", "at risk", "cannot be kept"]
    """What the labels of the latest decisions say, and what may be among those that have no label yet."""
    target: float
    """`abstention.error`."""
    reason: str | None = None
    """Why it cannot be kept; null where that is not so."""
    error: float | None = None
    """The share of wrong ones among the latest labelled decisions; null where there is none."""
    drifts_every: float | None = None
    """Labels from one drift to the next; null where none was noticed of late."""
    delay: float = 0.0
    """How many other labels are learnt between a decision and its own label, quick ones left out."""
    silent: bool = False
    """Whether nothing is decided now, because a drift left the model behind."""
