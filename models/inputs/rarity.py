"""Where a class is rare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.models.data.batch import Bools, Ints


class Rarity(NamedTuple):
    """Whether a class was rare as m labels were learnt."""

    any: Bools
    """[m + 1], whether any class was rare before each label, and after all."""
    odd: Bools
    """[m], whether the class of the label itself was rare."""

    @classmethod
    def of(cls, rare: Bools, y: Ints) -> Rarity | None:
        """What `rare` [m + 1, K], which classes were rare, says of labels y [m]; None where none ever was.

        >>> Rarity.of(np.array([[False, True]] * 3), np.array([0, 1])).odd.tolist()
        [False, True]
        """
        if not rare.any():
            return None
        some: Bools = np.logical_or.reduce(rare, axis=1)
        return cls(some, rare[np.arange(len(y)), y])
