"""What is counted of a run of judged events, from which all figures of it come. Two runs add up to one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class JudgedCounts:
    """Judged events in their order."""

    events: int = 0
    first: int = 0
    """The time of the first event, epoch milliseconds."""
    last: int = 0
    """That of the last."""
    right: int = 0
    decided: int = 0
    decided_right: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events by true class and by the class that was named."""
    covered: Counter[str] = field(default_factory=Counter)
    """By true class, the events whose prediction set held it."""
    cost: float = 0.0
    alerts: int = 0
    hits: int = 0
    """Alerts on events of their class."""

    def add(self, other: JudgedCounts) -> None:
        """The events of another run follow."""
        self.first = self.first if self.events else other.first
        self.last = other.last if other.events else self.last
        for name in ("events", "right", "decided", "decided_right", "cost", "alerts", "hits"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.pairs.update(other.pairs)
        self.covered.update(other.covered)

    def labels(self) -> Counter[str]:
        """Events by true class."""
        return self._by(0)

    def named(self) -> Counter[str]:
        """Events by the class that was named."""
        return self._by(1)

    def _by(self, which: int) -> Counter[str]:
        found: Counter[str] = Counter()
        for pair, events in self.pairs.items():
            found[pair[which]] += events
        del found[""]  # nothing was named
        return found

    def recall(self, name: str) -> float | None:
        """Of the events of a class those that were named so."""
        return share(self.pairs[name, name], self.labels()[name])

    def precision(self, name: str) -> float | None:
        """Of the events that were named as a class those that are of it."""
        return share(self.pairs[name, name], self.named()[name])

    def f1(self, name: str) -> float | None:
        """Of one class."""
        return share(2 * self.pairs[name, name], self.labels()[name] + self.named()[name])

    def gmean(self) -> float | None:
        """The geometric mean of the recalls of the classes that have labels."""
        labels = self.labels()
        recalls = [self.pairs[name, name] / labels[name] for name in labels]
        return math.prod(recalls) ** (1 / len(recalls)) if recalls else None


def share(part: float, whole: float) -> float | None:
    """None of nothing."""
    return part / whole if whole else None
