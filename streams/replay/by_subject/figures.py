"""Figures: how early and how surely alerts were raised for subjects, beside who always and who never raises one.

ERDE_o (Losada & Crestani 2016) is the mean cost of a subject. A right alert after k posts costs
1 - 1 / (1 + e^(k - o)), a false one the share of positive subjects, one that is missing 1. F-latency (Sadeque et al.
2018) is the F1 of the alerts, times 1 less the latency of their median: 2 / (1 + e^(-0.0078 (k - 1))) - 1. Figures are
told with their 95% intervals, by resampling subjects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.streams.replay.by_subject.plan import Plan
from tocsin.streams.wire.records import Decision

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PENALTY = 0.0078
"""By how much latency grows with each post."""
AUC_AT = (1, 5, 10, 30, 100)
"""Numbers of posts after which the subjects' risks are ranked."""
RESAMPLES, SEED = 500, 1
LAST = 0.3
"""The share of subjects, by their first event the last ones, that have figures of their own."""
_MEASURES = ("f_latency", "erde5", "erde50")


class SubjectEvaluation:
    """Notes decisions and alerts of a replay, by subject, and works out the figures."""

    def __init__(self, classes: Sequence[str], plan: Plan) -> None:
        self._classes, self._plan = classes, plan
        self._read: dict[str, int] = {}
        """By subject, how many of its posts were decided."""
        self._raised: dict[str, tuple[str, int]] = {}
        """By subject, the class of its first alert, and after how many posts."""
        self._risks: dict[str, list[float]] = {}
        """By subject, its risk after each of `AUC_AT` posts, or after as many as it has."""
        self._taught: set[str] = set()
        """Subjects that began when a label had been learnt."""

    def decision(self, decision: Decision) -> None:
        """Note a decision of the subject's next post."""
        name = decision.subject
        self._read[name] = read = self._read.get(name, 0) + 1
        if read == 1 and decision.model.feedback_offset > 0:
            self._taught.add(name)
        passed = sum(at < read for at in AUC_AT)
        self._risks[name] = self._risks.get(name, [])[:passed] + [self._risk(decision)] * (len(AUC_AT) - passed)

    def _risk(self, decision: Decision) -> float:
        """The odds that early risk keeps of the subject, else the pignistic probability, of the likeliest class."""
        odds = {} if decision.risk is None else decision.risk.odds
        uncertain = decision.uncertainty / max(len(decision.belief), 1)
        told = [odds.get(name, decision.belief.get(name, 0.0) + uncertain) for name in self._classes]
        return max(told, default=0.0)

    def alert(self, subject: str, name: str, delay: int) -> None:
        """Note an alert; the first one of a subject counts."""
        self._raised.setdefault(subject, (name, delay))

    def delays(self) -> dict[str, int]:
        """By subject for which an alert was raised, after how many posts; negative where it was of another class."""
        labels = {name: str(self._plan.subjects[name].label) for name in self._raised}
        return {name: self._delay(name, label) for name, label in labels.items()}

    def report(self) -> dict[str, Any]:
        """The figures, as `tocsin replay --report json` prints them under `early_risk`."""
        named = {name: one for name, one in self._plan.subjects.items() if one.label is not None and name in self._read}
        judged = [name for name in named if name in self._taught]
        positive = np.array([named[name].label in self._classes for name in judged], np.bool_)
        delays = np.array([self._delay(name, str(named[name].label)) for name in judged], np.int64)
        last = math.ceil(LAST * len(judged))
        return {
            "classes": list(self._classes),
            "labels_of": "events" if self._plan.of_events else "subjects",
            "subjects": len(judged),
            "before_first_label": len(named) - len(judged),
            "positive": int(positive.sum()),
            **_figures(delays, positive),
            "auc": self._ranked(judged, positive),
            "last_30_percent": {
                "subjects": last,
                "positive": int(positive[-last:].sum()) if last else 0,
                **_figures(delays[len(judged) - last :], positive[len(judged) - last :]),
            },
        }

    def _delay(self, name: str, label: str) -> int:
        """Posts read before the subject's first alert, 0 for none; negative where it was of another class."""
        raised, delay = self._raised.get(name, ("", 0))
        return -delay if label in self._classes and raised != label else delay

    def _ranked(self, judged: Sequence[str], positive: Flags) -> dict[str, float | None]:
        ranks = {}
        for at, posts in enumerate(AUC_AT):
            risks = np.array([self._risks[name][at] for name in judged], np.float64)
            ranks[str(posts)] = area_under_curve(risks, positive)
        return ranks


def area_under_curve(scores: Floats, positive: Flags) -> float | None:
    """How probable it is that a positive one has the greater score, ties half; None without both kinds."""
    own, rest = int(positive.sum()), int((~positive).sum())
    if not own or not rest:
        return None
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2.0)[place]
    return float((ranks[positive].sum() - own * (own + 1) / 2.0) / (own * rest))


def _figures(delays: Ints, positive: Flags) -> dict[str, Any]:
    """All measures with their intervals, and beside them those of who always and who never raises an alert."""
    return {
        **measures(delays, positive),
        "interval": _intervals(delays, positive),
        "always": _few(np.ones_like(delays), positive),
        "never": _few(np.zeros_like(delays), positive),
    }


def _few(delays: Ints, positive: Flags) -> dict[str, float | None]:
    told = measures(delays, positive)
    return {name: told[name] for name in _MEASURES}


def measures(delays: Ints, positive: Flags) -> dict[str, float | None]:
    """What delays [n] amount to: posts read before an alert, 0 for none, negative for one of a wrong class."""
    if not len(delays):
        return dict.fromkeys((*_MEASURES, "f1", "precision", "recall", "delay"))
    raised, right = delays != 0, (delays > 0) & positive
    found, alerts, all_positive = int(right.sum()), int(raised.sum()), int(positive.sum())
    f1 = 2.0 * found / (alerts + all_positive) if alerts + all_positive else 0.0
    delay = float(np.median(delays[right])) if found else None
    late = 0.0 if delay is None else 2.0 / (1.0 + math.exp(-PENALTY * (delay - 1.0))) - 1.0
    share = float(positive.mean())
    there = all_positive > 0  # without one of the class nothing tells who raises alerts early
    return {
        "f_latency": f1 * (1.0 - late) if there else None,
        "erde5": _erde(delays, positive, right, raised, share, 5) if there else None,
        "erde50": _erde(delays, positive, right, raised, share, 50) if there else None,
        "f1": f1,
        "precision": found / alerts if alerts else None,
        "recall": found / all_positive if all_positive else None,
        "delay": delay,
    }


def _erde(delays: Ints, positive: Flags, right: Flags, raised: Flags, share: float, o: int) -> float:
    """The mean cost of a subject, in percent."""
    late = 1.0 - 1.0 / (1.0 + np.exp(np.minimum(delays - float(o), 500.0)))
    cost = np.where(right, late, np.where(positive, 1.0, np.where(raised, share, 0.0)))
    return float(100.0 * cost.mean())


def _intervals(delays: Ints, positive: Flags) -> dict[str, list[float]]:
    """The 2.5th and 97.5th percentile of the measures over resampled subjects."""
    if not positive.any():
        return {}
    draws = np.random.Generator(np.random.Philox(SEED)).integers(0, len(delays), (RESAMPLES, len(delays)))
    told: list[Mapping[str, float | None]] = [_few(delays[draw], positive[draw]) for draw in draws]
    sampled = {name: [float(one[name] or 0.0) for one in told] for name in _MEASURES}
    return {name: np.percentile(values, [2.5, 97.5]).tolist() for name, values in sampled.items()}
