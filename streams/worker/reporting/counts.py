"""What a worker did since it started: the figures behind its telemetry and its report."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import accumulate

from tocsin.streams.worker.reporting.judged_counts import JudgedTotals

BATCH_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Up to how many seconds the buckets of the batches' histogram reach; a last one holds what takes longer."""


class BatchTimes:
    """A histogram of how long batches took, and the latest of these times."""

    def __init__(self) -> None:
        self.latest: deque[float] = deque(maxlen=10_000)
        """Seconds from poll to commit of the last batches that held events."""
        self.seconds = 0.0
        """Those of all batches, added up."""
        self._batches = [0] * (len(BATCH_SECONDS) + 1)
        """Batches by bucket."""

    def add(self, seconds: float) -> None:
        """Count one batch."""
        self.latest.append(seconds)
        self.seconds += seconds
        self._batches[bisect_left(BATCH_SECONDS, seconds)] += 1

    def at_most(self) -> dict[str, int]:
        """How many batches took at most so many seconds, by that number as Prometheus writes it, `+Inf` the last."""
        bounds = (*map(str, BATCH_SECONDS), "+Inf")
        return dict(zip(bounds, accumulate(self._batches), strict=True))


@dataclass(slots=True)
class Counts:
    """Totals since the start, and recent latencies."""

    events: int = 0
    """Events decided or abstained from."""
    decided: int = 0
    abstained: int = 0
    over_budget: int = 0
    """Events that would have gone to review, had the budget not been spent."""
    quick_labels: int = 0
    """Events for which a quick label was asked."""
    duplicates: int = 0
    """Events whose id was pending already: not decided again."""
    decided_twice: int = 0
    """Events decided again after a crash: their first decision had gone out, its commit had not.

    It counts from when the worker's state was made, because a worker that is killed reports nothing.
    """
    feedback: int = 0
    """Feedback records learnt."""
    scored_anew: int = 0
    """Those of them whose event another model had seen: it was scored anew before it was learnt."""
    alerts: int = 0
    rebuilt: int = 0
    """Pending events read back from the logs."""
    without_decision: int = 0
    """Of these, events whose decision is in the log no more: their feedback will not say what was decided."""
    unfit_events: int = 0
    """Records that were read again and are no events by the schema of today."""
    expired: int = 0
    """Pending events forgotten: too old, or too many."""
    forgotten: int = 0
    """Events and labels that were not used, because their subject was forgotten after they were sent."""
    batches: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    """What this config has no use for in the feedback, by reason: records of a class that it does not name
    (`unknown-class`) or has no room for (`too-many-classes`), and values of features that are of another kind now
    (`unfit-value`), which count as not known."""
    snapshots_failed: int = 0
    """Snapshots that were not written."""
    went_back: int = 0
    """How often the model was made anew without feedback that was left out."""
    not_left_out: int = 0
    """Control records whose feedback stays learnt, because neither a snapshot nor the log reaches far enough back."""
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """By topic, records that were deleted before they were read."""
    classes: Counter[str] = field(default_factory=Counter)
    shortened: Counter[str] = field(default_factory=Counter)
    """Records of which something was left out, because their topics take no larger ones; by the kind of record."""
    judged: JudgedTotals = field(default_factory=JudgedTotals)
    """How decisions stand whose labels were learnt, but for those that a start folds."""
    batch_times: BatchTimes = field(default_factory=BatchTimes)
    """How long batches with events took, from poll to commit."""

    def totals(self) -> dict[str, int]:
        """The plain totals, by name."""
        names = (
            "events", "decided", "abstained", "over_budget", "duplicates", "decided_twice", "feedback", "scored_anew",
            "alerts", "quick_labels", "rebuilt", "without_decision", "unfit_events", "expired", "forgotten", "batches",
            "snapshots_failed", "went_back", "not_left_out",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"shortened": self.shortened.total()}
