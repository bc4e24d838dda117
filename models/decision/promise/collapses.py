"""Stretches of events that a model answered which the world had left behind.

From a drift until its labels come the answers are wrong, and nothing that the level does could have changed that. So
the decisions of such a stretch do not count for the level, and the answers of it not for the threshold: they are put
aside. When all its labels have come it turns out whether it was one. Where most of it was right it was a false alarm,
and all that was put aside counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.decision.promise.answers import Answer, pack, unpack

FALSE_ALARM = 0.4
"""Where a smaller share of a stretch was wrong it was none."""
MOST = 64
"""Stretches whose labels are awaited at once; the oldest makes room."""
FEW = 30
"""So many decisions tell what became of a stretch."""
OPEN = np.iinfo(np.int64).max
"""The end of a stretch that has not ended."""


class Stretch(NamedTuple):
    """Events that were scored when from so many to so many labels had been learnt; both ends belong to it."""

    first: int
    surely: int
    """The first that surely came after the change."""
    shut: int
    """The last of those of which some were decided: then the gate was shut."""
    last: int
    """Then it was opened again; `OPEN` until then."""
    broken: float = 1.0
    """The share of wrong ones among its decisions whose labels were known when it was noticed."""


class Counted(NamedTuple):
    """Decisions: how many of them were wrong, and how many there were."""

    missed: float = 0.0
    decided: float = 0.0

    def plus(self, other: Counted) -> Counted:
        """Both together."""
        return Counted(self.missed + other.missed, self.decided + other.decided)


class CountsAfterAll(NamedTuple):
    """What counts after all, of a stretch that was none."""

    counted: Counted
    answers: list[Answer]


NOTHING = CountsAfterAll(Counted(), [])


class Collapses:
    """The stretches whose labels are awaited, oldest first, and what is put aside of the first."""

    def __init__(self, window: int) -> None:
        self.stretches: list[Stretch] = []
        self._counted = Counted()
        self._answers: deque[Answer] = deque(maxlen=window)

    def within(self, scored_at: int) -> bool:
        """Whether an event belongs to one, by how many labels had been learnt when it was scored."""
        return any(one.first <= scored_at <= one.last for one in self.stretches)

    def begin(self, stretch: Stretch, known: Counted) -> CountsAfterAll:
        """One begins; `known` are those of its decisions whose labels have come. Returns what `settle` does."""
        settled = self._settle(-1.0) if len(self.stretches) >= MOST else NOTHING
        if not self.stretches:
            self._counted = known
        self.stretches.append(stretch)
        return settled

    def end(self, learnt: int) -> None:
        """The gate was opened: the latest stretch ends."""
        if self.stretches:
            self.stretches[-1] = self.stretches[-1]._replace(last=learnt)

    def put_aside(self, counted: Counted | None, answer: Answer) -> None:
        """One label of a stretch: of a decision, or of an event that was abstained from, and what was said then."""
        if counted is not None:
            self._counted = self._counted.plus(counted)
        self._answers.append(answer)

    def settle(self, scored_at: int, threshold: float) -> CountsAfterAll:
        """What counts after all, once labels come of events that were scored after the first stretch."""
        counted, answers = NOTHING
        while self.stretches and scored_at > self.stretches[0].last:
            more = self._settle(threshold)
            counted, answers = counted.plus(more.counted), [*answers, *more.answers]
        return CountsAfterAll(counted, answers)

    def _settle(self, threshold: float) -> CountsAfterAll:
        self.stretches.pop(0)
        counted, answers = self._counted, list(self._answers)
        self._counted = Counted()
        self._answers.clear()
        counts = counted if counted.missed < FALSE_ALARM * counted.decided else Counted()
        return CountsAfterAll(counts, answers if false_alarm(answers, threshold) else [])

    def wrong_share(self, stretch: Stretch) -> float:
        """The share of its decisions that is wrong, as far as labels tell by now."""
        counted = self._counted
        if stretch is self.stretches[0] and counted.decided >= FEW:
            return counted.missed / counted.decided
        return stretch.broken

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {
            "stretches": np.array([one[:4] for one in self.stretches], np.int64).reshape(-1, 4),
            "broken": np.array([one.broken for one in self.stretches], np.float64),
            "counted": np.array(self._counted),
            "answers": pack(list(self._answers)),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        places, broken = arrays["stretches"].tolist(), arrays["broken"].tolist()
        self.stretches = [Stretch(*one)._replace(broken=share) for one, share in zip(places, broken, strict=True)]
        self._counted = Counted(*(float(value) for value in arrays["counted"]))
        self._answers.clear()
        self._answers.extend(unpack(arrays["answers"]))


def false_alarm(answers: list[Answer], threshold: float) -> bool:
    """Whether most answers within a threshold were right."""
    within = [answer.wrong for answer in answers if answer.doubt <= threshold]
    return sum(within) < FALSE_ALARM * len(within)
