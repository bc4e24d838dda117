"""What the model believes of a rare class: what its expert on rare classes says.

Experts have bounded evidence, and fusing it loses the ranking of a rare class: one in five hundred, of which an expert
says one in fifty, is drowned by those that say nothing. So there is a second reading of the same evidence, a vote on
log likelihood ratios (`tocsin.kernels.experts.rare_class`). It is an expert of the pool, whose evidence travels and is
fused like any other's; and what it says of a rare class takes the place of what was fused. The classes that are not
rare share the rest as the fusion has it. Explanations tell the votes as they were fused, not this reading.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.kernels.experts.rare_class.state import Shares, count_labels
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class Read(NamedTuple):
    """The probabilities of B events after the second reading."""

    betp: Floats
    """[B, K]"""
    moved: Bools
    """[B], the events of which an expert on rare classes spoke."""


class RareReading:
    """Which classes are rare, learnt from labels in their order, and what is believed of them.

    Only the first expert on rare classes of a pool is read.
    """

    def __init__(self, settings: ModelSettings) -> None:
        readers = [e for e, one in enumerate(settings.experts) if isinstance(one, RareClassSettings)]
        self.reader = readers[0] if readers else None
        """The place of the expert on rare classes in the pool; None where there is none."""
        found = settings.experts[readers[0]] if readers else RareClassSettings()
        assert isinstance(found, RareClassSettings)
        self._share = found.share
        self._shares = Shares(np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), np.zeros(1, np.int64))

    def resize(self, classes: int) -> None:
        """Make room for more classes. Never shrinks."""
        more, old = classes - len(self._shares.counts), self._shares
        if more > 0:
            counts, now = np.pad(old.counts, (0, more)), np.pad(old.now, (0, more))
            self._shares = Shares(counts, now, np.pad(old.rare, (0, more)), old.seen)

    @property
    def rare(self) -> Bools:
        """Which classes are rare, [K]."""
        return self._shares.rare.copy()

    def learn(self, y: Ints) -> Bools:
        """Learn B labels y, in order; which classes were rare before each, and after all, [B + 1, K]."""
        before = np.zeros((len(y) + 1, len(self._shares.rare)), np.bool_)
        if self.reader is not None:
            count_labels(self._shares, np.ascontiguousarray(y, np.int64), self._share, before)
        return before

    def read(self, betp: Floats, answers: Floats, rare: Bools) -> Read:
        """BetP [B, K] with the `rare` [B, K] or [K] classes as the expert on them says in answers [B, E, K]."""
        nobody = np.zeros(len(betp), np.bool_)
        if self.reader is None or not rare.any():
            return Read(betp, nobody)
        said = answers[:, self.reader]
        total = said.sum(axis=1, keepdims=True)
        rare = np.broadcast_to(rare, betp.shape)
        moved = (total[:, 0] > 0.0) & rare.any(axis=1)
        if not moved.any():
            return Read(betp, nobody)
        p = said / np.where(total > 0.0, total, 1.0)
        of_rare = np.where(rare, p, 0.0)
        others = np.where(rare, 0.0, betp)
        whole = others.sum(axis=1, keepdims=True)
        others = np.where(whole > 0.0, others, np.where(rare, 0.0, p))
        whole = np.where(whole > 0.0, whole, others.sum(axis=1, keepdims=True))
        rest = (1.0 - of_rare.sum(axis=1, keepdims=True)) / np.where(whole > 0.0, whole, 1.0)
        return Read(np.where(moved[:, None], of_rare + rest * others, betp), moved)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._shares._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        found = [np.array(arrays[name], array.dtype) for name, array in self._shares._asdict().items()]
        if [array.shape for array in found] != [array.shape for array in self._shares]:
            raise SnapshotError(f"shares of {found[0].shape} classes do not fit {self._shares.counts.shape}")
        self._shares = Shares(*found)
