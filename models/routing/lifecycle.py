"""The lifecycle of experts: which are starved, collapsed or redundant, and what is done about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.lifecycle import LifecycleSettings
from tocsin.kernels.routing import lifecycle as kernel
from tocsin.kernels.routing.lifecycle import ENGAGED, RECORDS, RIGHT
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import with_prefix
from tocsin.models.experts.base import (
    Arrays,
    Expert,
    SnapshotError,
)
from tocsin.models.routing.base import Router

Fresh = Callable[[int], Expert]

REGROWN, MERGED, RETIRED, REVIVED = range(4)
EVENTS = ("regrown", "merged", "retired", "revived")
"""What can happen to an expert. One that is merged into another is retired as well; a revived one begins afresh."""
STARVED, COLLAPSED, UNEARNED = range(3)
LONGEST_SLEEP = 5
"""An expert that must earn its place sleeps twice as long each time, so many times over."""
SHARE, ACCURACY, CONSISTENCY = range(3)
COUNTERS = ("count", "drifts", "windows")
STATE = ("active", "born", "ill", "twins", "tries", "well", "idle", "events", "figures", "engaged")


class WhereAllAsked(NamedTuple):
    """What is known of experts that were not asked about every event of a window."""

    missed: Bools
    """[E], which experts they are: what a window counted of them tells of the events for which they were needed."""
    accuracy: Floats
    """[E], each expert's share of right answers over events about which all were asked, of this window and before."""
    doubt: Floats
    """[E], the standard error of that share. An expert is retired only where it is clear that it earns nothing."""


@dataclass(frozen=True, slots=True)
class Health:
    """The figures of one expert over the last whole window, or over the first one until it is whole; None where
    unknown."""

    state: Literal["active", "retired"]
    age: int
    """Feedback records since it began, or began anew; of a retired one, since it was retired."""
    share: float | None
    """Its mean share of the routing, see `tocsin.kernels.routing.lifecycle`; those of all experts add up to 1 at
    most."""
    accuracy: float | None
    """Where it was engaged and had evidence."""
    consistency: float | None
    """Local routing consistency: of the records that follow one on which this expert had the largest part, the share on
    which it had the largest part again. On events in random order it equals the share of all records that it leads."""
    events: dict[str, int]
    """How often each of `EVENTS` happened to it."""


class Lifecycle:
    """Looks at the pool once a window of feedback records, and regrows, merges, retires or revives experts.

    Windows are cut at fixed numbers of records (`pieces`), so what is done depends on the feedback alone. A late label
    is counted with the evidence of the event's own time and the reliabilities of today.

    Parameters
    ----------
    kin
        [E], equal for experts that are of one kind and see the same.
    must_earn
        [E], which experts are retired where another is as accurate as they are; none of them, where it is not given.
    """

    def __init__(
        self,
        settings: LifecycleSettings,
        kin: Sequence[Hashable],
        must_earn: Sequence[bool] = (),
        stays: Sequence[bool] = (),
    ) -> None:
        self._settings = settings
        self._kin = list(kin)
        E = len(self._kin)
        self._must_earn: Bools = np.array(must_earn or [False] * E, np.bool_)
        self._stays: Bools = np.array(stays or [False] * E, np.bool_)
        pairs = [(a, b) for b in range(E) for a in range(b) if self._kin[a] == self._kin[b]]
        self._pairs = np.array(pairs, np.int64).reshape(-1, 2)
        """[P, 2], the experts of one kin."""
        self._window = kernel.new(E, 0, len(pairs))
        self.count = 0
        """Feedback records counted."""
        self._windows = 0
        self._drifts = 0
        self.active: Bools = np.ones(E, np.bool_)
        """[E], which experts score and learn."""
        self._born = np.zeros(E, np.int64)
        self._ill = np.zeros((E, 3), np.int64)
        """Windows in a row that found it starved, collapsed, and not worth its place."""
        self._twins = np.zeros(len(pairs), np.int64)
        """[P], windows in a row that found two redundant."""
        self._tries = np.zeros(E, np.int64)
        """Times it was begun anew since it was last well for as long as it takes to be ill."""
        self._well = np.zeros(E, np.int64)
        """Windows in a row that found nothing."""
        self._idle = np.zeros(E, np.int64)
        """Windows since it was retired."""
        self._events = np.zeros((E, len(EVENTS)), np.int64)
        self._figures = np.full((E, 3), np.nan)
        self._engaged = np.full(1, np.nan)

    def resize(self, classes: int) -> None:
        """Make room for more classes. Never shrinks."""
        self._window = kernel.widened(self._window, classes)

    def unborn(self, learnt: Ints) -> Bools:
        """[B, E], which experts began only after the model had learnt `learnt` [B] records."""
        unborn: Bools = learnt[:, None] < self._born[None, :]
        return unborn

    @property
    def left(self) -> int:
        """Records after which the window ends."""
        return self._settings.window - int(self._window.counters[RECORDS])

    def pieces(self, rows: int) -> Iterator[slice]:
        """B rows cut where windows end. Each piece must be observed before the next one is asked for."""
        start = 0
        while start < rows:
            stop = min(rows, start + self.left)
            yield slice(start, stop)
            start = stop

    def observe(
        self, evidence: Floats, reliability: Floats, engaged: Bools, y: Ints, decided: Ints, prior: float
    ) -> bool:
        """Count B records, all of one window; returns whether the window is whole, so that `review` is due.

        `decided` [B] are the classes that the pool decided for, -1 where it knew none; else as in `kernels.lifecycle`.
        """
        kernel.observe(
            self._window,
            np.ascontiguousarray(evidence),
            np.ascontiguousarray(reliability),
            np.ascontiguousarray(engaged),
            np.ascontiguousarray(y, np.int64),
            np.ascontiguousarray(decided, np.int64),
            self._pairs,
            prior,
        )
        self.count += len(y)
        return bool(self._window.counters[RECORDS] >= self._settings.window)

    def review(
        self,
        experts: list[Expert],
        router: Router,
        fresh: Fresh,
        spared: Bools | None = None,
        known: WhereAllAsked | None = None,
    ) -> None:
        """End the window: judge every expert, and change `experts` and `router` in place where one is ill.

        `fresh` makes expert e anew, as one that has learnt nothing. Experts that are `spared` [E] are not judged now.
        Where some were not asked about every event, what is `known` says whether an expert earns its place; of those
        it is all that is judged.
        """
        self._windows += 1
        figures, self._engaged = self._measured()
        # An expert that was hardly heard keeps its share: else one that is not asked could never come back.
        silent = (2 * self._window.spoke < self._settings.window) & ~np.isnan(self._figures[:, 0])
        figures[silent, 0] = self._figures[silent, 0]
        self._figures = figures
        drifted = router.drifts > self._drifts
        self._drifts = router.drifts
        if self._settings.enabled:
            self._idle[~self.active] += 1
            self._judge(spared, known)
            self._heal(experts, router, fresh, known)
            self._merge(experts, router, fresh)
            self._revive(experts, router, fresh, drifted)
        kernel.begin(self._window)

    # What is found

    def _measured(self) -> tuple[Floats, Floats]:
        """[E, 3] and [1]: share, accuracy and consistency of each, and how many were engaged for a record."""
        window, records = self._window, float(self._window.counters[RECORDS])
        figures = np.full((len(self._kin), 3), np.nan)
        if records > 0:
            figures[:, SHARE] = window.parts / records
            np.divide(window.engaged_right, window.engaged, out=figures[:, ACCURACY], where=window.engaged > 0)
            np.divide(window.stayed, window.led, out=figures[:, CONSISTENCY], where=window.led > 0)
        engaged = window.counters[ENGAGED] / records if records > 0 else math.nan
        return figures, np.array([engaged])

    def _judged(self) -> Bools:
        """[E], the experts that are old enough and gave evidence often enough to be judged by this window; some never
        are."""
        return self._grown() & (2 * self._window.spoke >= self._settings.window)

    def _grown(self) -> Bools:
        """[E], the experts that are old enough to be judged; some never are."""
        grown = self.count - self._born >= max(self._settings.minimum_age, self._settings.window)
        old: Bools = self.active & ~self._stays & grown
        return old

    def _judge(self, spared: Bools | None, known: WhereAllAsked | None) -> None:
        """Count for how many windows in a row each of the experts that are not `spared` [E] has been ill."""
        others = np.ones(len(self._kin), np.bool_) if spared is None else ~spared
        judged = self._judged() & others
        compared = judged
        if known is not None:
            judged, compared = judged & ~known.missed, self._grown() & others
        unearned = compared & self._unearned(known)
        found = np.stack([judged & self._starved(), judged & self._collapsed(), unearned], axis=1)
        self._ill = np.where(found, self._ill + 1, 0)
        twins = self._redundant() & judged[self._pairs].all(axis=1)
        self._twins = np.where(twins, self._twins + 1, 0)
        well = judged & ~found.any(axis=1)
        self._well = np.where(well, self._well + 1, np.where(judged, 0, self._well))
        self._tries[self._well >= self._settings.patience] = 0

    def _starved(self) -> Bools:
        """[E], whether the router gives the expert hardly any part where it has evidence."""
        share = self._window.parts / np.maximum(self._window.spoke, 1)
        starved: Bools = share < self._settings.starved / self.active.sum()
        return starved

    def _collapsed(self) -> Bools:
        """[E], whether an expert always answers one class and the pool is clearly more accurate than it.

        Where the pool is no better, nearly all events are of that class, and always answering it is right.
        """
        window, own = self._window, self._settings
        spoke = np.maximum(window.spoke, 1)
        constant = window.answers.max(axis=1, initial=0) >= own.collapsed * spoke
        pool = window.counters[RIGHT] / max(window.counters[RECORDS], 1)
        collapsed: Bools = constant & (window.right / spoke + own.margin < pool)
        return collapsed

    def _accuracy(self, known: WhereAllAsked | None) -> Floats:
        """[E], each expert's share of right answers, where silence is not right."""
        accuracy: Floats = self._window.right / max(self._window.counters[RECORDS], 1)
        return accuracy if known is None else known.accuracy

    def _unearned(self, known: WhereAllAsked | None) -> Bools:
        """[E], whether an expert that must earn its place is no more accurate than the best of the others."""
        accuracy = np.where(self.active, self._accuracy(known), -np.inf)
        best = np.array([np.delete(accuracy, e).max(initial=-np.inf) for e in range(len(accuracy))])
        if known is not None:
            accuracy = np.where(self.active, known.accuracy + known.doubt, -np.inf)
        unearned: Bools = self._must_earn & (accuracy <= best + self._settings.earned)
        return unearned

    def _redundant(self) -> Bools:
        """[P], whether two experts answer alike beyond chance, by Cohen's kappa."""
        window = self._window
        shares = window.answers / np.maximum(window.spoke, 1)[:, None]
        chance = (shares[self._pairs[:, 0]] * shares[self._pairs[:, 1]]).sum(axis=1)
        alike = window.alike / np.maximum(window.both, 1)
        redundant: Bools = alike - chance >= self._settings.agreement * (1.0 - chance)
        redundant &= chance < 1.0
        return redundant

    # What is done

    def _heal(self, experts: list[Expert], router: Router, fresh: Fresh, known: WhereAllAsked | None) -> None:
        """Begin ill experts anew, or retire those for which that did not help, and those that are not worth it."""
        self._send_to_sleep(experts, router, fresh, known)
        for e in np.flatnonzero((self._ill[:, :UNEARNED] >= self._settings.patience).any(axis=1)).tolist():
            if self._tries[e] < self._settings.chances:
                self._tries[e] += 1
                self._begin(e, experts, router, fresh)
                self._events[e, REGROWN] += 1
            elif self.active.sum() > self._settings.minimum_active:
                self._retire(e, experts, router, fresh)

    def _send_to_sleep(self, experts: list[Expert], router: Router, fresh: Fresh, known: WhereAllAsked | None) -> None:
        """Retire the least accurate expert that has not earned its place. Of two equals the other may earn it then."""
        idle = np.flatnonzero(self._ill[:, UNEARNED] >= self._settings.patience)
        if not len(idle) or self.active.sum() <= self._settings.minimum_active:
            return
        e = int(idle[self._accuracy(known)[idle].argmin()])
        self._tries[e] += 1
        self._retire(e, experts, router, fresh)

    def _merge(self, experts: list[Expert], router: Router, fresh: Fresh) -> None:
        """Of two redundant experts the one with the larger part stays, and takes in what the other learnt."""
        chosen, trust = self._window.parts.copy(), self._window.trust / np.maximum(self._window.spoke, 1)
        for a, b in self._pairs[self._twins >= self._settings.patience].tolist():
            # One of the pair may have been retired just now, by an earlier pair or by `_heal`.
            if not (self._judged()[[a, b]].all() and self.active.sum() > self._settings.minimum_active):
                continue
            stays, goes = (a, b) if chosen[a] >= chosen[b] else (b, a)
            both = chosen[stays] + chosen[goes]
            keeper = experts[stays]
            keeper.merge(experts[goes], float(chosen[goes] / both) if both > 0 else 0.5)
            router.inherit(stays, (float(trust[stays]), float(trust[goes])))
            # A third expert that answers alike is compared with what both had together.
            chosen[stays], trust[stays] = both, 1.0 - (1.0 - trust[stays]) * (1.0 - trust[goes])
            self._events[[stays, goes], MERGED] += 1
            self._retire(goes, experts, router, fresh)

    def _retire(self, e: int, experts: list[Expert], router: Router, fresh: Fresh) -> None:
        self._begin(e, experts, router, fresh)
        self.active[e] = False
        self._idle[e] = 0
        self._events[e, RETIRED] += 1

    def _revive(self, experts: list[Expert], router: Router, fresh: Fresh, drifted: bool) -> None:
        """Try retired experts again: after a drift, or after their probation."""
        longer = np.where(self._must_earn, 2 ** np.clip(self._tries - 1, 0, LONGEST_SLEEP), 1)
        waited = self._idle >= (1 if drifted else self._settings.probation * longer)
        for e in np.flatnonzero(~self.active & waited).tolist():
            # It begins anew, so that its age and its reliability are those of a new expert.
            self._begin(e, experts, router, fresh)
            self.active[e] = True
            self._events[e, REVIVED] += 1

    def _begin(self, e: int, experts: list[Expert], router: Router, fresh: Fresh) -> None:
        """Put a fresh expert in the place of the old one, and forget all figures of the old one."""
        experts[e] = fresh(e)
        router.forget(e)
        self._born[e] = self.count
        self._ill[e] = 0
        self._well[e] = 0
        self._twins[(self._pairs == e).any(axis=1)] = 0
        self._figures[e] = np.nan

    # What it looks like

    @property
    def engaged(self) -> float | None:
        """How many experts were engaged for a record, on average, over the window that `health` speaks of."""
        return _known(float((self._engaged if self._windows else self._measured()[1])[0]))

    def health(self) -> list[Health]:
        """The health of every expert, [E]."""
        figures = self._figures if self._windows else self._measured()[0]
        return [
            Health(
                state="active" if self.active[e] else "retired",
                age=self.count - int(self._born[e]),
                share=_known(share),
                accuracy=_known(accuracy),
                consistency=_known(consistency),
                events=dict(zip(EVENTS, self._events[e].tolist(), strict=True)),
            )
            for e, (share, accuracy, consistency) in enumerate(figures.tolist())
        ]

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        state: dict[str, NDArray[Any]] = {name: getattr(self, _attribute(name)).copy() for name in STATE}
        state |= {name: np.array(getattr(self, _attribute(name))) for name in COUNTERS}
        return state | with_prefix("window.", {name: array.copy() for name, array in self._window._asdict().items()})

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        fresh = kernel.new(len(self._kin), self._window.labels.size, len(self._pairs))
        window = kernel.Window(*(np.array(arrays[f"window.{name}"]) for name in kernel.Window._fields))
        pairs = [(name, getattr(self, _attribute(name)), np.array(arrays[name])) for name in STATE]
        pairs += [(name, old, new) for name, old, new in zip(kernel.Window._fields, fresh, window, strict=True)]
        for name, old, new in pairs:
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        for name in STATE:
            setattr(self, _attribute(name), np.array(arrays[name]))
        for name in COUNTERS:
            setattr(self, _attribute(name), int(arrays[name]))
        self._window = window


def _attribute(name: str) -> str:
    return name if name in ("count", "active") else f"_{name}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
