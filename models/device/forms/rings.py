"""The latest of the events that somebody learnt, as rows of a ring on a device: each travels once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.form import Copies


class LatestRows:
    """Rows of the latest events: that of event number n is row n modulo the ring's length."""

    def __init__(self, copies: Copies, name: str) -> None:
        self._copies, self._name = copies, name
        self._rows: Floats = np.zeros((0, 0))
        """What was put, so that a mirror can take rows of it."""
        self._source: object = None
        self._learnt = 0

    def follow(
        self, source: object, shape: tuple[int, int], learnt: int, held: int, rows: Callable[[int], Floats]
    ) -> None:
        """Put the rows of the events that came since the last time.

        `source` is what keeps the events: where it is another one, or where the `shape` of the ring is, all of the ring
        is put anew. `learnt` events came so far, of which the last `held` are kept, and rows(n) [n, width] are those of
        the latest n, oldest first.
        """
        new = learnt - self._learnt
        if source is not self._source or shape != self._rows.shape or not 0 <= new <= held:
            self._rows = np.zeros(shape)
            self._rows[np.arange(learnt - held, learnt) % shape[0]] = rows(held)
            changed = np.arange(shape[0])
        else:
            changed = np.arange(learnt - new, learnt) % shape[0]
            self._rows[changed] = rows(new)
        self._source, self._learnt = source, learnt
        self._copies.put_rows(self._name, self._rows, changed)
