"""Who scores a mixture, by what a config asks for (`kernels.device`)."""

from __future__ import annotations

from functools import partial

from tocsin.kernels.device.place import Place, place
from tocsin.models.decision.mixture import Mixture
from tocsin.models.device.guarded import GuardedScorer
from tocsin.models.device.measured import MeasuredScorer
from tocsin.models.device.scorer import DeviceScorer


def check_device(name: str) -> Place:
    """The place that a config names. Raises DeviceError, which says what was found, where it is not there."""
    return place("cuda" if name == "auto" else name)


def score_on(name: str, mixture: Mixture) -> None:
    """Have a mixture scored where a config asks for it: `torch-cpu`, `cuda`, `cuda:N` or `auto`.

    Raises DeviceError where there is no such device.
    """
    make, parts = partial(DeviceScorer, place=check_device(name)), mixture.scored_parts
    mixture.scorer = MeasuredScorer(parts, make) if name == "auto" else GuardedScorer(name, parts, make)
