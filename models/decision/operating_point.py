"""From which probability on a rare class is decided for, though another class is more probable.

A class of one event in a hundred is hardly ever the most probable one, so that deciding for the most probable class
never finds it. For each rare class the threshold is taken that would have given the greatest F1 score on the labels of
late: 2 TP / (P + N), with TP of the P events of the class among the N whose probability reaches the threshold (Lipton,
Elkan, Naryanaswamy 2014: for calibrated probabilities it is half the greatest F1). Probabilities are those of each
event's own time, so that late labels judge what was said.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import Arrays, SnapshotError

MOST_CLASSES = 64
"""With more classes than this no class has an operating point of its own."""
FEWEST = 10.0
"""Labels of a rare class, with old ones fading, before it has an operating point."""
LEAST_HITS, LEAST_LIFT = 3.0, 4.0
"""Labels of the class, with old ones fading, that a threshold must have found, and how many times as many of the events
that it names must be of the class as of all. Else a class that nobody can foretell would be named for every event."""
YOUNG = 1_000
"""What a model said that had learnt fewer labels tells of no threshold."""
FADING_FACTOR = 0.99995
"""What a label keeps at each later one: about 20,000 labels are remembered."""
ROUND = 4_096
"""Labels between two times at which the counts are scaled down; within it the weights of labels grow instead."""
SLACK = 1e-3
"""By this part of it a count may be off where it only says whether to count again."""
BINS, REACH = 141, 14.0
"""Bins of the log odds of a probability, from -REACH to REACH."""
_GROWTH = FADING_FACTOR ** -np.arange(ROUND, dtype=np.float64)


class Raised(NamedTuple):
    """What the operating points make of B events."""

    label: Ints
    """[B], the class to decide for."""
    threshold: Floats
    """[B], the threshold that the event's rare class reached; NaN where another rule decides."""

    @property
    def rows(self) -> Bools:
        """[B], the events that reached the operating point of a rare class."""
        rows: Bools = np.isfinite(self.threshold)
        return rows


class OperatingPoint:
    """The thresholds of rare classes, learnt from labels in their order.

    Parameters
    ----------
    rare_share
        A class is rare where its share of the labels is below this part of an even share, 1 / K. At 0 none is.
    """

    def __init__(self, rare_share: float) -> None:
        self._rare_share = rare_share
        self._positives = np.zeros((0, BINS))
        """[K, BINS], labels of each class by the probability that it had been given."""
        self._every = np.zeros((0, BINS))
        """[K, BINS], the same of all labels."""
        self._learnt = 0
        self._found: Floats | None = None

    def resize(self, classes: int) -> None:
        """Make room for more classes. Never shrinks."""
        more = classes - len(self._every)
        if more > 0:
            self._positives, self._every = (
                np.pad(array, ((0, more), (0, 0))) for array in (self._positives, self._every)
            )
            self._found = None

    def learn(self, betp: Floats, y: Ints, learnt: Ints) -> None:
        """Learn B labels y, in order, with the probabilities [B, K] of each event's own time.

        `learnt` [B] is how many labels the model had learnt by then.
        """
        K = len(self._every)
        if not self._rare_share or not 2 <= K <= MOST_CLASSES:
            return
        old = learnt >= YOUNG
        betp, y = betp[old], y[old]
        start = 0
        while start < len(y):
            place = self._learnt % ROUND
            stop = min(len(y), start + ROUND - place)
            self._add(betp[start:stop], y[start:stop], _GROWTH[place : place + stop - start])
            self._learnt += stop - start
            start = stop
            if self._learnt % ROUND == 0:
                self._positives *= FADING_FACTOR**ROUND
                self._every *= FADING_FACTOR**ROUND
        self._found = None

    def _add(self, betp: Floats, y: Ints, weight: Floats) -> None:
        bins = bins_of(betp)
        K = betp.shape[1]
        # `add.at` adds one after the other, so that how labels are cut into calls changes no bit.
        np.add.at(self._every, (np.arange(K)[None, :], bins), weight[:, None])
        np.add.at(self._positives, (y, bins[np.arange(len(y)), y]), weight)

    def thresholds(self) -> Floats:
        """[K], the probability from which on a rare class is decided for; infinite for every other class."""
        if self._found is None:
            K = len(self._every)
            few = 2 <= K <= MOST_CLASSES
            self._found = np.array([self._threshold(k) if few else math.inf for k in range(K)])
        return self._found

    def _threshold(self, k: int) -> float:
        positives, every = self._positives[k], self._every[k]
        found, total = positives.sum(), every.sum()
        scale = _GROWTH[self._learnt % ROUND]
        if found < FEWEST * scale or found >= self._rare_share / len(self._every) * total:
            return math.inf
        hits, named = positives[::-1].cumsum()[::-1], every[::-1].cumsum()[::-1]
        f1 = 2.0 * hits / (found + named)
        f1[(hits < LEAST_HITS * scale) | (hits * total < LEAST_LIFT * found * named)] = -1.0
        best = BINS - 1 - int(f1[::-1].argmax())  # the highest threshold of equals
        return lower_end(best) if f1[best] > 0.0 else math.inf

    def raise_(self, betp: Floats, label: Ints) -> Raised:
        """The rare class that reaches its threshold by the greatest factor, and otherwise the `label` [B] given.

        `betp` is [B, K].
        """
        return raised(betp, label, self.thresholds()[None])

    def thresholds_in_turns(self, ahead: Ints, betp: Floats, y: Ints, learnt: Ints) -> Floats:
        """`thresholds` [n, K] at n events, in turns with `learn` for m labels; `ahead` [n], which never falls, is how
        many are learnt before each question.

        Most of the time it is plain that no class is rare, and nothing has to be worked out.
        """
        out = np.full((len(ahead), len(self._every)), math.inf)
        some = np.flatnonzero(self._may_have_one(y, learnt)[ahead])

        def ask(start: int, stop: int) -> None:
            out[some[start:stop]] = self.thresholds()

        def learn(start: int, stop: int) -> None:
            self.learn(betp[start:stop], y[start:stop], learnt[start:stop])

        in_turns(ahead[some], len(y), ask, learn)
        return out

    def _may_have_one(self, y: Ints, learnt: Ints) -> Bools:
        """[m + 1], whether a class may be rare enough to have a threshold once so many of m labels are learnt.

        The counts are worked out apart from those that are kept, and a little too often the answer is yes.
        """
        K, m = len(self._every), len(y)
        if not self._rare_share or not 2 <= K <= MOST_CLASSES:
            return np.zeros(m + 1, np.bool_)
        counts = learnt >= YOUNG
        steps = np.concatenate([[0], np.cumsum(counts)])
        keep = FADING_FACTOR**steps
        added = np.where(counts, FADING_FACTOR ** -steps[:-1].astype(np.float64), 0.0)
        scale = _GROWTH[self._learnt % ROUND]
        sums = np.concatenate([[0.0], np.cumsum(added)])
        may = np.zeros(m + 1, np.bool_)
        for k in range(K):
            own = np.concatenate([[0.0], np.cumsum(np.where(y == k, added, 0.0))])
            found = keep * (self._positives[k].sum() / scale + own)
            total = keep * (self._every[k].sum() / scale + sums)
            may |= (found >= (1.0 - SLACK) * FEWEST) & (found < (1.0 + SLACK) * self._rare_share / K * total)
        return may

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {
            "positives": self._positives.copy(),
            "every": self._every.copy(),
            "learnt": np.array(self._learnt, np.int64),
        }

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        positives, every = np.array(arrays["positives"]), np.array(arrays["every"])
        if positives.shape != self._positives.shape or every.shape != self._every.shape:
            raise SnapshotError(f"operating points {positives.shape} are not {self._positives.shape}")
        self._positives, self._every, self._learnt = positives, every, int(arrays["learnt"])
        self._found = None


def raised(betp: Floats, label: Ints, thresholds: Floats) -> Raised:
    """What `OperatingPoint.raise_` makes of BetP [B, K] by the thresholds of each event, [B, K], or of all, [1, K]."""
    if betp.shape[1] != thresholds.shape[1] or not np.isfinite(thresholds).any():
        return Raised(label, np.full(len(betp), np.nan))
    factor = betp / thresholds
    best = factor.argmax(axis=1)
    rows = np.arange(len(betp))
    reached = (factor[rows, best] >= 1.0) & (best != label)
    named = np.broadcast_to(thresholds, betp.shape)[rows, best]
    return Raised(np.where(reached, best, label), np.where(reached, named, np.nan))


def bins_of(p: Floats) -> Ints:
    """The bin of each probability, by its log odds."""
    odds = np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(1.0 - p, 1e-300))
    place = np.floor((odds + REACH) / (2.0 * REACH) * (BINS - 1) + 0.5)
    return np.clip(place, 0, BINS - 1).astype(np.int64)


def lower_end(place: int) -> float:
    """The least probability of a bin."""
    odds = (place - 0.5) / (BINS - 1) * 2.0 * REACH - REACH
    return 1.0 / (1.0 + math.exp(-odds))
