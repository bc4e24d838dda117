"""How good a replay's decisions were, judged as the stream went (prequentially), beside the baselines to beat."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any


class Prequential:
    """Figures over decisions and their true classes, in the events' order.

    `accuracy` counts every event by its most probable class, abstained from or not; `selective_accuracy` counts the
    decided ones alone. `no_change` repeats the previous event's class, `majority` says the most frequent class so
    far; kappa-M and kappa-T are the share of their errors that is avoided (Bifet et al. 2015).
    """

    def __init__(self) -> None:
        self.events = 0
        self._right = 0
        self._decided = 0
        self._decided_right = 0
        self._no_change_right = 0
        self._majority_right = 0
        self._seen: Counter[str] = Counter()
        self._predicted: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._last: str | None = None
        self._rivals: Counter[str] = Counter()

    def add(self, decision: dict[str, Any], truth: str) -> None:
        """One decision record and the class that turned out to be true."""
        guess = most_probable(decision)
        right = guess == truth
        self.events += 1
        self._right += right
        if decision["status"] == "decided":
            self._decided += 1
            self._decided_right += right
        self._no_change_right += truth == self._last
        if self._seen:
            self._majority_right += truth == self._seen.most_common(1)[0][0]
        self._seen[truth] += 1
        if guess is not None:
            self._predicted[guess] += 1
        self._hits[truth] += right
        self._last = truth

    def add_rival(self, name: str, right: bool) -> None:
        """One answer of another model to the same event, for the baselines."""
        self._rivals[name] += right

    def report(self) -> dict[str, Any]:
        """The figures; null where nothing was there to judge."""
        n = self.events
        accuracy = _share(self._right, n)
        baselines = {
            "no_change": _share(self._no_change_right, n),
            "majority": _share(self._majority_right, n),
            **{name: _share(right, n) for name, right in self._rivals.items()},
        }
        return {
            "events": n,
            "accuracy": accuracy,
            "kappa_m": _kappa(accuracy, baselines["majority"]),
            "kappa_t": _kappa(accuracy, baselines["no_change"]),
            "f1_macro": self._f1(),
            "gmean": self._gmean(),
            "coverage": _share(self._decided, n),
            "selective_accuracy": _share(self._decided_right, self._decided),
            "baselines": baselines,
        }

    def _f1(self) -> float | None:
        classes = self._seen.keys() | self._predicted.keys()
        scores = [2 * self._hits[c] / (self._seen[c] + self._predicted[c]) for c in classes]
        return sum(scores) / len(scores) if scores else None

    def _gmean(self) -> float | None:
        """Geometric mean of the recalls."""
        recalls = [self._hits[c] / self._seen[c] for c in self._seen]
        return math.prod(recalls) ** (1 / len(recalls)) if recalls else None


def most_probable(decision: dict[str, Any]) -> str | None:
    """The class a decision leans to, also where it abstains; None where it leans to none."""
    belief: dict[str, float] = decision["belief"]
    return max(belief, key=belief.__getitem__) if any(belief.values()) else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _kappa(accuracy: float | None, baseline: float | None) -> float | None:
    if accuracy is None or baseline is None or baseline == 1.0:
        return None
    return (accuracy - baseline) / (1.0 - baseline)
