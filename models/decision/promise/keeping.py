"""What keeps the promise of `controls: error`: a threshold by what was said, a level by what became of decisions, and a
gate for the time after a drift.

Everything is learnt from labels in their order. The threshold is the greatest doubt up to which few enough of the
latest answers were wrong, as they were given when the events came: what today's model says when a label comes is too
good to be true where neighbours in time are alike, for it has learnt their labels since. But what today's model says
shows a drift, and its end: so each event is scored anew just before its label is learnt, and a gate watches these
answers. What was said while the world had left the model behind is put aside, so that it does not stand in the way of
the model that has learnt since. How few are few enough is the level: it is steered by the errors of decisions, never
exceeds the target, and is less what drifts cost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.decision.promise.answers import Answer, Answers, pack, unpack
from tocsin.models.decision.promise.collapses import OPEN, Collapses, Counted, CountsAfterAll, Stretch, false_alarm
from tocsin.models.decision.promise.gate import Gate
from tocsin.models.decision.promise.ledger import BLOCK, DECIDED, DRIFTS, MISSED, WRONG, DecisionLedger
from tocsin.models.decision.promise.state import LatestDecisions, Promise, promise

LONG, LONG_DELAYS = 10_000, 3.0
"""The promise is of so many labels, or of so many delays, if that is more."""
FULL_GAIN_DELAY, LEAST_LEVEL = 100.0, 0.001
"""Where labels are later than this the gain is smaller by as much; and the least level."""
PAYABLE = 0.7
"""Where drifts cost at most this part of the target, the level is so much lower in between. Where they cost more, the
promise cannot be kept by being silent in between."""
SURE_NOW, SURE_SAID = 1.0, 0.0
"""Standard errors that are added to the share of wrong answers, see `Answers.within`. What was said of so many events
needs none, because the level is corrected by what became of decisions."""
SEASONS = 2
"""Answers of the time of their events are kept so many times as long as those of today: seasons are in them."""
ENOUGH_SAID = 500
"""So many of them tell something. Until then nothing is decided, unless quick labels stand guard."""
DELAY_MEMORY = 100
"""Labels over which a delay is averaged."""
QUICK = 0.25
"""A label that was asked for is quick where it comes within this part of the usual delay."""
MOST_SHARES = 1_024
"""Changes of the share that is asked for which are remembered."""
MORE_PROBES = 5.0
"""Quick labels that are asked for before the answer to the first can come, once one was wrong."""


class Outcome(NamedTuple):
    """One labelled event."""

    decided: bool
    """Whether it was decided when it came."""
    said: Answer
    """What was said then."""
    now: Answer
    """What today's model says."""
    delay: int
    """How many labels were learnt in between."""
    draw: float = 0.0
    """The draw of the event, from 0 to 1: a quick label was asked for where it is below `asks` of its own time."""


class Keeping:
    """The threshold of doubt up to which events are decided, and the state of the promise.

    Parameters: the target share of wrong decisions; how many of the latest answers count; how many labels must be known
    before the first decision; the share of quick labels that are asked for; and by how much of the excess of its error
    a decision moves the level.
    """

    def __init__(self, error: float, window: int, cold_start: int, quick: float = 0.0, gain: float = 0.0025) -> None:
        self.error, self._cold_start, self._quick = error, max(cold_start, 1), float(quick)
        self._asked: deque[tuple[int, float]] = deque([(0, self._quick)], maxlen=MOST_SHARES)
        """From which label on which share of quick ones was asked for, the latest last."""
        self._gain = gain
        self.gate, self.ledger = Gate(error), DecisionLedger()
        self._now, self._said, self._collapses = Answers(window), Answers(SEASONS * window), Collapses(SEASONS * window)
        self._aside: deque[Answer] = deque(maxlen=window)
        """What today's model said of the events after a change, until the gate opens."""
        self._rising = Counted()
        """Decisions since the sum of the gate rose."""
        self.count = 0
        """Labels learnt."""
        self._late = self._quicks = 0
        """Late and quick labels among them."""
        self.delay = self.quick_delay = 0.0
        """Labels that are learnt between a decision and its own late or quick label, on the average of the latest."""
        self._steered = self.level = error
        """The level that decisions steer, and what of it is left when drifts are paid."""
        self.watched = -1.0
        """The threshold of the open gate."""
        self._usual = error
        """The share of wrong ones among today's answers within the threshold."""
        self.promise = Promise()

    @property
    def cold(self) -> bool:
        """Whether too few labels are known to decide anything."""
        return self._now.count < self._cold_start

    @property
    def threshold(self) -> float:
        """The greatest doubt that is decided; infinite while cold, -1 where nothing is."""
        if self.cold:
            return math.inf
        return -1.0 if self.gate.shut else self.watched

    def asks(self, share: float) -> float:
        """The share of the events within `watched` for which a quick label is asked, where `share` is the usual one."""
        if not self.gate.lifted:
            return share
        return max(share, min(MORE_PROBES / max(self.quick_delay, 1.0), 1.0))

    @property
    def quick_within(self) -> int:
        """A label counts as quick where at most so many others are learnt before it."""
        return int(QUICK * self.delay)

    def learn(self, outcome: Outcome) -> None:
        """One label."""
        decided, said, now, delay, _ = outcome
        scored_at = self.count - delay
        quick = 0 < delay <= QUICK * self.delay and outcome.draw < self._asked_at(scored_at)
        self._average(delay, quick)
        if not quick:
            self._count_after_all(self._collapses.settle(scored_at, self.watched))
        collapsed = self._collapses.within(scored_at)
        counted = None
        if decided:
            counted = Counted(float(said.wrong), 1.0)
            self.ledger.add(DECIDED, 1.0)
            self.ledger.add(WRONG, counted.missed)
        if collapsed and not quick:
            self._collapses.put_aside(counted, said)
        elif counted is not None and not collapsed:
            self._enter(counted, delay)
            self._rising = self._rising.plus(counted)
        elif scored_at >= self._cold_start and not collapsed:  # it says nothing: a step back to the target
            self._steer(self.error - self._steered, delay)
        self._watch(now, scored_at, quick)
        if self.count >= self._cold_start:
            self._keep(said, now, scored_at, collapsed)
        self.count += 1
        if self.count % BLOCK == 0:
            self._close_block()
        self._note_share()

    def _asked_at(self, count: int) -> float:
        """The share of quick labels that was asked for after so many labels; 0 where that is not known any more."""
        return next((share for since, share in reversed(self._asked) if since <= count), 0.0)

    def _note_share(self) -> None:
        share = self.asks(self._quick) if self._quick else 0.0
        if share != self._asked[-1][1]:
            self._asked.append((self.count, share))

    def _average(self, delay: int, quick: bool) -> None:
        if quick:
            self._quicks += 1
            self.quick_delay += (delay - self.quick_delay) / min(self._quicks, DELAY_MEMORY)
            return
        self._late += 1
        self.delay += (delay - self.delay) / min(self._late, DELAY_MEMORY)

    def _enter(self, counted: Counted, delay: float) -> None:
        """Let decisions steer the level."""
        self.ledger.add(MISSED, counted.missed)
        self._steer(self.error * counted.decided - counted.missed, delay)

    def _steer(self, step: float, delay: float) -> None:
        gain = self._gain * min(FULL_GAIN_DELAY / max(delay, 1.0), 1.0)
        self._steered = min(max(self._steered + gain * step, LEAST_LEVEL), self.error)

    def _count_after_all(self, settled: CountsAfterAll) -> None:
        self._enter(settled.counted, self.delay)
        for answer in settled.answers:
            self._said.add(answer)

    def _watch(self, now: Answer, scored_at: int, quick: bool) -> None:
        """What today's answer says of a change."""
        if now.doubt > self.watched:
            return
        turned = self.gate.learn(now.wrong, scored_at, self.count, quick, self._usual)
        if turned and self.gate.shut:
            self.ledger.add(DRIFTS, 1.0)
            self._enter(Counted(-self._rising.missed, -self._rising.decided), self.delay)
            known = self._rising.missed / self._rising.decided if self._rising.decided else 0.0
            broken = 1.0 if quick else known
            stretch = Stretch(self.gate.since, self.gate.surely_since, self.count, OPEN, broken)
            self._count_after_all(self._collapses.begin(stretch, self._rising))
        elif turned:
            self._collapses.end(self.count)
            aside = list(self._aside)
            self._aside.clear()
            for answer in aside if false_alarm(aside, self.watched) else ():
                self._now.add(answer)
        if turned or self.gate.sum == 0.0:
            self._rising = Counted()

    def _keep(self, said: Answer, now: Answer, scored_at: int, collapsed: bool) -> None:
        """Keep the answers for the threshold; what comes from after a change waits until the gate opens."""
        if self.gate.shut and scored_at >= self.gate.since:
            self._aside.append(now)
        else:
            self._now.add(now)
        learnt_little = 0 <= scored_at < min(self.count - scored_at, self._cold_start)
        if not collapsed and not learnt_little:
            self._said.add(said)

    def _close_block(self) -> None:
        self.level = self._next_level()
        if not self.gate.shut:
            self.watched = self._next_threshold()
        now = self._now.up_to(self.watched)
        self._usual = self.error if math.isnan(now.wrong) else now.wrong
        self.ledger.close(0.0 if self.gate.shut or self.cold else now.share)
        self.promise = promise(self.error, self.known())

    def _next_threshold(self) -> float:
        if self._said.count >= ENOUGH_SAID:
            return self._said.within(self.level, SURE_SAID).threshold
        early = self._quick or self.delay < ENOUGH_SAID / 2
        return self._now.within(self.level, SURE_NOW).threshold if early else -1.0

    def _next_level(self) -> float:
        """What is left of the level, for what drifts cost is to be saved between them, where that is possible."""
        sums = self.ledger.sums(self._span)
        cost = max(sums[WRONG] - sums[MISSED], 0.0) / max(sums[DECIDED], 1.0)
        return self._steered * (1.0 - cost / self.error) if cost <= PAYABLE * self.error else self._steered

    @property
    def _span(self) -> float:
        """Labels of which the promise is."""
        return max(LONG, LONG_DELAYS * self.delay)

    def known(self) -> LatestDecisions:
        """What is known of the latest decisions."""
        sums, since = self.ledger.sums(self._span), self.count - self.delay
        return LatestDecisions(
            labels=min(self._span, self.count),
            decided=sums[DECIDED],
            wrong=sums[WRONG],
            waiting=self.ledger.waiting(since, self.count),
            stale=sum(self._stale(one, since) for one in self._collapses.stretches),
            usual=self._usual,
            drifts=sums[DRIFTS],
            delay=self.delay,
            open=not self.gate.shut and not self.cold,
        )

    def _stale(self, stretch: Stretch, since: float) -> float:
        """Wrong decisions of a stretch whose labels have not come yet."""
        return self._collapses.wrong_share(stretch) * self.ledger.waiting(max(stretch.surely, since), stretch.shut)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        arrays = {
            "counts": np.array([self.count, self._late, self._quicks], np.int64),
            "figures": np.array([self.delay, self.quick_delay, self._steered, self.level, self.watched, self._usual]),
            "rising": np.array(self._rising),
            "aside": pack(list(self._aside)),
            "asked": np.array(self._asked, np.float64).reshape(-1, 2),
        }
        for name, part in self._parts().items():
            arrays |= with_prefix(f"{name}/", part.state_dict())
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        self.count, self._late, self._quicks = (int(value) for value in arrays["counts"])
        figures = (float(value) for value in arrays["figures"])
        self.delay, self.quick_delay, self._steered, self.level, self.watched, self._usual = figures
        self._rising = Counted(*(float(value) for value in arrays["rising"]))
        self._aside.clear()
        self._aside.extend(unpack(arrays["aside"]))
        self._asked.clear()
        self._asked.extend((int(since), float(share)) for since, share in arrays["asked"].tolist())
        for name, part in self._parts().items():
            part.load_state_dict(without_prefix(f"{name}/", dict(arrays)))
        if self.count >= BLOCK:
            self.promise = promise(self.error, self.known())

    def _parts(self) -> dict[str, Answers | Collapses | Gate | DecisionLedger]:
        return {
            "now": self._now,
            "said": self._said,
            "collapses": self._collapses,
            "gate": self.gate,
            "ledger": self.ledger,
        }
