"""The labelled events that traffic is compared with: a fold over the feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.decision import traffic_ratio as kernel
from tocsin.models.data.batch import Bools, Floats, Ints

Singles = NDArray[np.float32]

ENOUGH = 200
"""Fewer labelled events, or fewer of the traffic, do not tell how dense either is."""
RENEWALS = 20
"""How often the counterpart is renewed while all labelled events in it are replaced."""
OUTER = 0.05
"""The span of time leaves out this share of the labelled events at either end, and is as much longer: a label that came
a year late, or at once, would stretch it."""
FARTHEST = 10.0
"""The most standard deviations that a value lies from its mean."""
PARTS = 4
"""Numbers that stand for a category: different ones lie apart, wherever."""


class Counterpart(NamedTuple):
    """Labelled events as they stood when the counterpart was last renewed, at a fixed count of labels."""

    version: int
    """How many labels were remembered by then."""
    labelled: Singles
    """[D, n], the latest labelled events after the map, in their order."""
    mean: Floats
    """[D]"""
    scale: Floats
    """[D], the standard deviation."""
    metric: Floats
    """[D, D], see `tocsin.kernels.decision.traffic_ratio.metric`."""
    start: float
    end: float
    """The event times that they span, epoch ms."""
    nominal: Bools
    """[F]"""

    def mapped(self, X: Floats) -> Singles:
        """Events X [B, F] after the map, float32 [D, B]."""
        return self.mapped_standard(standardised(encoded(X, self.nominal), self.mean, self.scale))

    def mapped_standard(self, Z: Floats) -> Singles:
        """The same of standardised events [B, D]."""
        out = np.empty((len(self.mean), len(Z)), np.float32)
        kernel.project(np.ascontiguousarray(Z), self.metric, out)
        return out


class Labelled:
    """Remembers the latest labelled events, and renews the counterpart every so many of them."""

    def __init__(self, held: int, columns: int) -> None:
        """`held` is how many are remembered; with more than `columns` numbers an event there is no counterpart."""
        self._columns = columns
        self._every = max(held // RENEWALS, 1)
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._values: Floats = np.full((held, 0), np.nan)
        self._y: Ints = np.zeros(held, np.int64)
        self._times: Ints = np.zeros(held, np.int64)
        self._taken = 0
        self.counterpart: Counterpart | None = None
        """None while too little is known, or where events are too wide."""

    @property
    def nominal(self) -> Bools:
        """[F], which columns hold category codes."""
        return self._nominal

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories; a counterpart of fewer is given up."""
        more = len(nominal) - self._values.shape[1]
        if more > 0:
            self._nominal = np.array(nominal, np.bool_)
            self._values = np.pad(self._values, ((0, 0), (0, more)), constant_values=np.nan)
            self.counterpart = None

    def learn(self, X: Floats, y: Ints, times: Ints) -> None:
        """Remember labelled events X [B, F] of classes y [B] at `times` [B], in order; how they are cut into calls
        makes no difference."""
        done = 0
        while done < len(X):
            stop = min(len(X), done + self._every - self._taken % self._every)
            slots = np.arange(self._taken, self._taken + stop - done) % len(self._y)
            self._values[slots], self._y[slots], self._times[slots] = X[done:stop], y[done:stop], times[done:stop]
            self._taken += stop - done
            done = stop
            if self._taken % self._every == 0 and self._taken >= ENOUGH:
                self._renew()

    @property
    def fits(self) -> bool:
        """Whether events have few enough numbers."""
        return 0 < width(self._nominal) <= self._columns

    def _renew(self) -> None:
        if not self.fits:
            return
        held = min(self._taken, len(self._y))
        order = np.arange(self._taken - held, self._taken) % len(self._y)
        Z = encoded(self._values[order], self._nominal)
        known = np.where(np.isnan(Z), 0.0, Z)
        count = np.maximum((~np.isnan(Z)).sum(axis=0), 1)
        mean = known.cumsum(axis=0)[-1] / count  # one after the other, in one order
        apart = np.where(np.isnan(Z), 0.0, Z - mean)
        scale = np.sqrt((apart * apart).cumsum(axis=0)[-1] / count)
        Z = standardised(Z, mean, scale)
        y = self._y[order]
        start, end = span(self._times[order])
        metric = kernel.metric(Z, y, int(y.max()) + 1)
        counterpart = Counterpart(
            self._taken, np.empty((0, 0), np.float32), mean, scale, metric, start, end, self._nominal
        )
        self.counterpart = counterpart._replace(labelled=counterpart.mapped_standard(Z))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        state: dict[str, NDArray[Any]] = {"values": self._values.copy(), "y": self._y.copy()}
        state |= {"times": self._times.copy(), "taken": np.array(self._taken)}
        if self.counterpart is not None:
            now = self.counterpart
            state |= {"labelled": now.labelled, "mean": now.mean, "scale": now.scale, "metric": now.metric}
            state |= {"span": np.array([now.start, now.end]), "version": np.array(now.version)}
        return state

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave, of as many columns."""
        self._values, self._y, self._times = (np.array(arrays[name]) for name in ("values", "y", "times"))
        self._taken, self.counterpart = int(arrays["taken"]), None
        if "version" in arrays:
            labelled, (start, end) = np.array(arrays["labelled"], np.float32), arrays["span"].tolist()
            mean, scale, metric = (np.array(arrays[name], np.float64) for name in ("mean", "scale", "metric"))
            version = int(arrays["version"])
            self.counterpart = Counterpart(version, labelled, mean, scale, metric, start, end, self._nominal)


def width(nominal: Bools) -> int:
    """How many numbers stand for an event: one a number, `PARTS` a category."""
    return int(len(nominal) + (PARTS - 1) * nominal.sum())


def encoded(X: Floats, nominal: Bools) -> Floats:
    """Events X [B, F] with numbers in place of category codes, [B, D]; NaN is not known.

    >>> encoded(np.array([[1.5, 7.0]]), np.array([False, True])).shape
    (1, 5)
    """
    if not nominal.any():
        return X
    codes = X[:, nominal]
    known = np.where(np.isfinite(codes), codes, 0.0).astype(np.int64).astype(np.uint64)
    mixed = (known + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    parts = [((mixed >> np.uint64(16 * p)) & np.uint64(0xFFFF)).astype(np.float64) / 65_535.0 for p in range(PARTS)]
    whole = np.concatenate([np.where(np.isfinite(codes), part, np.nan) for part in parts], axis=1)
    return np.concatenate([X[:, ~nominal], whole], axis=1)


def standardised(Z: Floats, mean: Floats, scale: Floats) -> Floats:
    """Numbers [B, D] in standard deviations; the mean in place of what is not known or never varied."""
    apart = (Z - mean) / np.where(scale > 0.0, scale, np.inf)
    result: Floats = np.clip(np.where(np.isnan(apart), 0.0, apart), -FARTHEST, FARTHEST)
    return result


def span(times: Ints) -> tuple[float, float]:
    """From when to when most of the times lie, as if they lay evenly."""
    low, high = np.quantile(times.astype(np.float64), [OUTER, 1.0 - OUTER]).tolist()
    more = (high - low) * OUTER / (1.0 - 2.0 * OUTER)
    return low - more, high + more
