"""Naive Bayes on a device."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.naive_bayes import CountsOnDevice, probabilities
from tocsin.kernels.experts.naive_bayes import Counts
from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.naive_bayes import NaiveBayesExpert

UNIT, TOTAL, STRENGTH = range(3)
"""What stands in `numbers`."""


class NaiveBayesForm(FormOfArrays):
    """See `tocsin.models.experts.naive_bayes.NaiveBayesExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"X"})
    expert: NaiveBayesExpert

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`. A label changes the moments of its class, which are one row, and a count a category."""
        counts, progress = self.expert.counts, self.expert.progress
        strength = self.expert.strength if progress.seen else 0.0
        return {
            "moments": np.concatenate([counts.known, counts.mean, counts.square], axis=1),
            "weight": counts.weight,
            "tables": counts.tables.reshape(-1),
            "whole": whole(counts),
            "kinds": 1.0 + (counts.tables.sum(axis=1) > 0.0).sum(axis=1),
            "numbers": np.array([progress.unit, counts.weight.sum(), strength]),
        }

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        copies, numbers = self.copies, self.copies["numbers"]
        known, mean, square = copies["moments"].chunk(3, dim=1) if self._columns else (copies["moments"],) * 3
        counts = CountsOnDevice(
            copies["weight"],
            known,
            mean,
            square,
            copies["tables"].view(self.expert.counts.tables.shape),
            copies["whole"][0],
            copies["whole"][1],
            copies["kinds"],
            numbers[UNIT],
            numbers[TOTAL],
        )
        return probabilities(counts, inputs["X"], tuple(self.expert.nominal.tolist())) * numbers[STRENGTH]

    @property
    def _columns(self) -> int:
        return len(self.expert.nominal)

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return self.expert.counts.tables.shape, self.expert.counts.known.shape, self.expert.nominal.tobytes()


def whole(counts: Counts) -> Floats:
    """Mean and variance of each column over all classes, [2, F]; 0 where nothing is known.

    The sums run over the classes in their order, as in `tocsin.kernels.experts.naive_bayes`.
    """
    n, mean, spread = np.zeros((3, counts.known.shape[1]))
    for known in counts.known:
        n += known
    shares = np.divide(counts.known, n, out=np.zeros_like(counts.known), where=n > 0.0)
    for share, own in zip(shares, counts.mean, strict=True):
        mean += share * own
    for share, own, square in zip(shares, counts.mean, counts.square, strict=True):
        spread += share * (square + (own - mean) ** 2)
    return np.stack([mean, spread])
