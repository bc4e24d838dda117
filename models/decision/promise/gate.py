"""When to be silent altogether: the classes turned over, and labels show that the model of today is wrong.

A cumulative sum of log likelihood ratios (Page 1954) watches the answers of today's model to events whose labels come
now: it rises where they are wrong, and its alarm shuts the gate. Nothing is decided then until the answers to events
from after the change are right again. A second sum watches the quick labels, which are far ahead of all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BROKEN = 0.8
"""The share of wrong answers that the sum looks for."""
LEAST_ERROR = 0.01
"""The least share of wrong answers that counts as usual."""
ALARM, LATEST, MOST_WRONG = 12.0, 30, 15
"""The gate shuts where the sum exceeds this, and so many of the latest answers are wrong."""
QUICK_LIFTED, QUICK_ALARM = 2.5, 5.0
"""The sum of quick labels from which on more of them are asked for, and at which the gate shuts."""
PROBES, WRONG_PROBES = 10, 1
"""It opens again where at most so many of these quick labels in a row are wrong."""
REACHES_BACK = 500
"""A change that quick labels show is at most so many labels older than the first that was wrong, and younger than the
last that was right."""


class Gate:
    """Open or shut, by the answers of today's model to labelled events.

    >>> gate = Gate(error=0.1)
    >>> shut = [gate.learn(wrong=True, scored_at=i, learnt=500 + i, quick=False, usual=0.05) for i in range(20)]
    >>> shut.index(True), gate.shut, gate.since
    (14, True, 0)
    """

    def __init__(self, error: float) -> None:
        self._error = error
        self.shut = False
        self.since = 0
        """The events that were scored from when so many labels had been learnt came after the latest change."""
        self.surely_since = 0
        """The same, for those of which it is known."""
        self.sum = self.quick_sum = 0.0
        self._proven = 0
        """Only events that were scored since tell whether the gate may open: they surely came after the change."""
        self._onset = self._quick_onset = 0
        """How many labels had been learnt when the first event was scored for which each sum rose."""
        self._right, self._first_wrong = -1, 0
        """The same for the last quick label that was right, and the first after it that was wrong."""
        self._latest: list[bool] = []
        """Whether the latest answers were wrong, while the gate is shut those since the change."""
        self._probes: list[bool] = []

    @property
    def lifted(self) -> bool:
        """Whether quick labels have begun to speak of a change."""
        return not self.shut and self.quick_sum >= QUICK_LIFTED

    def learn(self, wrong: bool, scored_at: int, learnt: int, quick: bool, usual: float) -> bool:
        """Today's answer to one labelled event that would be decided; returns whether this shut or opened the gate.

        `scored_at` and `learnt` are how many labels had been learnt when the event came, and now; `usual` is the share
        of wrong answers.
        """
        if self.shut and scored_at < self._proven:
            return False
        usual = min(max(usual, LEAST_ERROR), self._error)
        step = math.log(BROKEN / usual) if wrong else math.log((1.0 - BROKEN) / (1.0 - usual))
        alarm = self._watch_quick(step, wrong, scored_at) if quick else self._watch(step, wrong, scored_at)
        if self.shut:
            return self._opens()
        if alarm:
            self._shut(learnt, quick)
        return alarm

    def _watch(self, step: float, wrong: bool, scored_at: int) -> bool:
        if self.sum == 0.0:
            self._onset = scored_at
        self.sum = max(self.sum + step, 0.0)
        self._latest = [*self._latest[1 - LATEST :], wrong]
        return self.sum > ALARM and sum(self._latest) >= MOST_WRONG

    def _watch_quick(self, step: float, wrong: bool, scored_at: int) -> bool:
        if wrong and self.quick_sum == 0.0:
            self._quick_onset, self._first_wrong = max(self._right + 1, scored_at - REACHES_BACK), scored_at
        elif self.quick_sum + step <= 0.0:
            self._right = scored_at
        self.quick_sum = max(self.quick_sum + step, 0.0)
        self._probes = [*self._probes[1 - PROBES :], wrong]
        return self.quick_sum >= QUICK_ALARM

    def _shut(self, learnt: int, quick: bool) -> None:
        self.shut = True
        self.since = self._quick_onset if quick else self._onset
        self.surely_since = self._first_wrong if quick else self._onset
        self._proven = learnt if quick else self.since
        self._probes.clear()
        if quick:
            self._latest.clear()

    def _opens(self) -> bool:
        late = len(self._latest) >= LATEST and sum(self._latest) <= self._error * LATEST
        probed = len(self._probes) >= PROBES and sum(self._probes) <= WRONG_PROBES
        if late or probed:
            self.shut = False
            self.sum = self.quick_sum = 0.0
            self._probes.clear()
        return late or probed

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        places = [int(self.shut), self.since, self.surely_since, self._proven]
        onsets = [self._onset, self._quick_onset, self._right, self._first_wrong]
        return {
            "sums": np.array([self.sum, self.quick_sum]),
            "places": np.array([*places, *onsets], np.int64),
            "latest": np.array(self._latest, np.bool_),
            "probes": np.array(self._probes, np.bool_),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        self.sum, self.quick_sum = (float(value) for value in arrays["sums"])
        places = (int(place) for place in arrays["places"])
        shut, self.since, self.surely_since, self._proven, *onsets = places
        self._onset, self._quick_onset, self._right, self._first_wrong = onsets
        self.shut = bool(shut)
        self._latest = [bool(wrong) for wrong in arrays["latest"]]
        self._probes = [bool(wrong) for wrong in arrays["probes"]]
