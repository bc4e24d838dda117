"""How good a replay's decisions are, judged as the stream goes (prequentially), beside the baselines to beat."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

from tocsin.config.settings import Settings
from tocsin.streams.replay.judging.figures import Figures
from tocsin.streams.replay.judging.judge import Judging
from tocsin.streams.wire.records import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class PrequentialReport(Figures):
    """The figures of an evaluation, as `tocsin replay --report json` prints them; None where there is nothing to judge.

    An event is judged by the label that was decided, or by its most probable class where the decision abstains: with
    `controls: cost` the two may differ. `accuracy` counts every judged event; `selective_accuracy` counts the decided
    ones alone, and `coverage` is their share of all. `before_first_label` are the events, among `events`, for which no
    class had any belief because no label had been learnt yet: they count for `coverage` alone. `kappa_m` and `kappa_t`
    are the shares of the errors of the baselines `majority` and `no_change` that are avoided (Bifet et al. 2015).
    `gmean` is the geometric mean of the recalls of the classes.
    """

    events: int
    before_first_label: int
    accuracy: float | None
    kappa_m: float | None
    kappa_t: float | None
    f1_macro: float | None
    gmean: float | None
    coverage: float | None
    selective_accuracy: float | None
    baselines: dict[str, float | None]
    """Accuracy of `no_change`, of `majority`, and of every rival model."""


class PrequentialEvaluation:
    """Counts decisions and their true classes, in the events' order.

    The baseline `no_change` repeats the last class that it was told, and `majority` predicts the class that it was told
    most often. `tell` tells them, when the service learns it, too.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` are those of the service, for what `Judging` asks of them."""
        self._settings = settings
        self.begin()

    def begin(self) -> None:
        """Count from the start."""
        self.events = 0
        self._before_first_label = 0
        self._right = 0
        self._decided = 0
        self._decided_right = 0
        self._no_change_right = 0
        self._majority_right = 0
        self._true: Counter[str] = Counter()
        self._predicted: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        """By class, the events of that class for which it was the most probable one."""
        self._told: Counter[str] = Counter()
        self._last: str | None = None
        self._rivals: Counter[str] = Counter()
        self._judging = Judging(self._settings)

    def add(self, decision: Decision, truth: str) -> bool:
        """Count one decision and the class that turned out to be true; the baselines do not learn it yet.

        Returns whether it is judged: a decision before the first label is not.
        """
        guess = judged_label(decision)
        right = guess == truth
        self.events += 1
        if guess is None and decision.model.feedback_offset == 0:
            self._before_first_label += 1
            return False
        self._right += right
        if decision.status == "decided":
            self._decided += 1
            self._decided_right += right
        self._no_change_right += truth == self._last
        if self._told:
            self._majority_right += truth == self._told.most_common(1)[0][0]
        self._true[truth] += 1
        if guess is not None:
            self._predicted[guess] += 1
        self._hits[truth] += right
        self._judging.add(decision, truth, guess)
        return True

    def tell(self, truth: str) -> None:
        """The true class of the next event in their order: from now on the baselines know it."""
        self._told[truth] += 1
        self._last = truth

    def add_rival(self, name: str, right: bool) -> None:
        """Count the answer of another model to the same event, as one of the baselines."""
        self._rivals[name] += right

    def report(self) -> PrequentialReport:
        """The figures so far."""
        n = self.events - self._before_first_label
        accuracy = _share(self._right, n)
        no_change, majority = _share(self._no_change_right, n), _share(self._majority_right, n)
        rivals = {name: _share(right, n) for name, right in self._rivals.items()}
        return PrequentialReport(
            **as_keywords(self._judging.figures()),
            events=self.events,
            before_first_label=self._before_first_label,
            accuracy=accuracy,
            kappa_m=_kappa(accuracy, majority),
            kappa_t=_kappa(accuracy, no_change),
            f1_macro=self._f1(),
            gmean=self._gmean(),
            coverage=_share(self._decided, self.events),
            selective_accuracy=_share(self._decided_right, self._decided),
            baselines={"no_change": no_change, "majority": majority, **rivals},
        )

    def _f1(self) -> float | None:
        classes = self._true.keys() | self._predicted.keys()
        scores = [2 * self._hits[c] / (self._true[c] + self._predicted[c]) for c in classes]
        return sum(scores) / len(scores) if scores else None

    def _gmean(self) -> float | None:
        recalls = [self._hits[c] / self._true[c] for c in self._true]
        return math.prod(recalls) ** (1 / len(recalls)) if recalls else None


def as_keywords(report: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, as they are."""
    return {field.name: getattr(report, field.name) for field in fields(report)}


def judged_label(decision: Decision) -> str | None:
    """The label that was decided; of an abstention the most probable class."""
    return decision.label if decision.status == "decided" else most_probable(decision)


def most_probable(decision: Decision) -> str | None:
    """The class with the greatest belief, also where the decision abstains; None where no class has any."""
    belief = decision.belief
    return max(belief, key=belief.__getitem__) if any(belief.values()) else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _kappa(accuracy: float | None, baseline: float | None) -> float | None:
    if accuracy is None or baseline is None or baseline == 1.0:
        return None
    return (accuracy - baseline) / (1.0 - baseline)
