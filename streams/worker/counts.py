"""What a worker did since it started: the figures behind its telemetry and its report."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Totals since the start, and recent latencies."""

    events: int = 0
    """Events decided or abstained from."""
    decided: int = 0
    abstained: int = 0
    over_budget: int = 0
    """Events that would have gone to review, had the budget not been spent."""
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
    expired: int = 0
    """Pending events forgotten: too old, or too many."""
    batches: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    """What this config has no use for in the feedback, by reason: records of a class that it does not name
    (`unknown-class`) or has no room for (`too-many-classes`), and values of features that are of another kind now
    (`unfit-value`), which count as not known."""
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """By topic, records that were deleted before they were read."""
    classes: Counter[str] = field(default_factory=Counter)
    shortened: Counter[str] = field(default_factory=Counter)
    """Records of which something was left out, because their topics take no larger ones; by the kind of record."""
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Seconds from poll to commit of the last batches that held events."""

    def totals(self) -> dict[str, int]:
        """The plain totals, by name."""
        names = (
            "events", "decided", "abstained", "over_budget", "duplicates", "decided_twice", "feedback", "scored_anew",
            "alerts", "rebuilt", "without_decision", "expired", "batches",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"shortened": self.shortened.total()}
