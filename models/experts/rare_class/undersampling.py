"""Which experts learn which labels where every class but one is rare."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.kernels.experts.rare_class.state import Shares
from tocsin.kernels.experts.rare_class.undersampling import (
    Undersampled,
    corrected,
    frequent_class,
    undersample,
    weights,
)
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class Drawn(NamedTuple):
    """Which of B labels are learnt, for G shares that experts ask for."""

    kept: Bools
    """[G, B]"""
    before: Floats
    """[B + 1, G, K], the share of each class that was learnt, before each label and after all."""

    def rows(self, group: int) -> Ints | None:
        """The labels that are learnt; None where all of them are."""
        return None if group < 0 or self.kept[group].all() else np.flatnonzero(self.kept[group])

    def weights(self, group: int, ahead: Ints) -> Floats:
        """The share of each class that had been learnt, [n, K], once so many labels were met."""
        found: Floats = self.before[ahead, group]
        return found

    def ahead(self, group: int, ahead: Ints) -> Ints:
        """How many labels had been learnt, [n], once so many had been met."""
        counted: Ints = np.concatenate([[0], self.kept[group].cumsum()])[ahead].astype(np.int64)
        return counted


class Undersampling:
    """Draws, for each label, which experts learn it: a function of the labels in their order, and of the seed.

    The mathematics stand in `tocsin.kernels.experts.rare_class.undersampling`.

    >>> from tocsin.config.experts.tree import TreeSettings
    >>> drawing = Undersampling(ModelSettings(experts=[TreeSettings(undersample=0.1)]))
    >>> drawing.resize(2)
    >>> drawn = drawing.learn(np.array([1, *[0] * 99] * 20))
    >>> bool(100 < len(drawn.rows(0)) < 800), bool(drawing.weights()[0, 0] < 0.5)
    (True, True)
    """

    def __init__(self, settings: ModelSettings) -> None:
        asked = [one.undersample for one in settings.experts]
        wanted = sorted({share for share in asked if share})
        self.groups = [wanted.index(share) if share else -1 for share in asked]
        """[E], the place of each expert's share among those that are asked for; -1 for one that learns all."""
        self._wanted: Floats = np.array(wanted, np.float64)
        readers = [one for one in settings.experts if isinstance(one, RareClassSettings)]
        self._rare_below = (readers[0] if readers else RareClassSettings()).share
        self._seed = settings.seed
        shares = Shares(np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), np.zeros(1, np.int64))
        self._state = Undersampled(shares, np.zeros(len(wanted)), np.zeros(1))

    @property
    def used(self) -> bool:
        """Whether any expert asks for it."""
        return len(self._wanted) > 0

    def resize(self, classes: int) -> None:
        """Make room for more classes. Never shrinks."""
        old = self._state.shares
        more = classes - len(old.counts)
        if more > 0:
            counts, now = np.pad(old.counts, (0, more)), np.pad(old.now, (0, more))
            self._state = self._state._replace(shares=Shares(counts, now, np.pad(old.rare, (0, more)), old.seen))

    def learn(self, y: Ints) -> Drawn | None:
        """Draw who learns B labels y [B], in order; None where nobody asks for it."""
        G, K = len(self._wanted), len(self._state.shares.counts)
        if not G:
            return None
        drawn = Drawn(np.ones((G, len(y)), np.bool_), np.ones((len(y) + 1, G, K)))
        labels = np.ascontiguousarray(y, np.int64)
        undersample(self._state, labels, self._wanted, self._rare_below, self._seed, *drawn)
        return drawn

    def weights(self) -> Floats:
        """The share of each class that is learnt, [G, K]."""
        out = np.ones((len(self._wanted), len(self._state.shares.counts)))
        if self.used:
            weights(self._state, out)
        return out

    def go_on_from(self, other: Undersampling) -> None:
        """Take over what another one has counted.

        The experts that ask for a share it did not know begin now, and learn of the frequent class what they would have
        learnt of it.
        """
        learnt = dict(zip(other._wanted.tolist(), other._state.learnt.tolist(), strict=True))
        shares, met = other._state.shares, float(other._state.met[0])
        k, total = frequent_class(shares), float(shares.counts.sum())
        odds = (total - shares.counts[k] + 0.5) / (shares.counts[k] + 0.5) if k >= 0 else math.inf
        part = {share: min(odds * (1.0 - share) / share, 1.0) for share in self._wanted.tolist()}
        counted = [learnt.get(share, part[share] * met) for share in self._wanted.tolist()]
        self.load_state_dict({**other.state_dict(), "learnt": np.array(counted)})

    def spared(self) -> Bools | None:
        """[E], the experts that learn some events alone now; None where all learn all.

        Their worth for the rare classes does not show in whom the router trusts, who looks at all events.
        """
        if frequent_class(self._state.shares) < 0:
            return None
        return np.array(self.groups) >= 0

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        state = self._state
        arrays = {name: array.copy() for name, array in state.shares._asdict().items()}
        return arrays | {"learnt": state.learnt.copy(), "met": state.met.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        state = self._state
        found = {name: np.array(arrays[name], one.dtype) for name, one in state.shares._asdict().items()}
        learnt, met = np.array(arrays["learnt"], np.float64), np.array(arrays["met"], np.float64)
        shapes = [one.shape for one in (*state.shares, state.learnt, state.met)]
        if [one.shape for one in (*found.values(), learnt, met)] != shapes:
            raise SnapshotError(f"draws for {len(learnt)} shares and {len(found['counts'])} classes do not fit")
        self._state = Undersampled(Shares(**found), learnt, met)


def correct(evidence: Floats, w: Floats) -> Floats:
    """Evidence [B, K] of an expert that learnt the share w [B, K] of each class, as if it had learnt all.

    >>> correct(np.array([[9.0, 1.0]]), np.array([[0.1, 1.0]])).round(2)
    array([[9.89, 0.11]])
    """
    if (w == 1.0).all():
        return evidence
    out = np.empty_like(evidence)
    corrected(np.ascontiguousarray(evidence), np.ascontiguousarray(w), out)
    return out
