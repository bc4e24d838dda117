"""From what a router and its experts say of events to decisions, in one pass; a back end a file behind `interface`.

Logits and records become reliabilities, reliabilities discount the evidence, Dempster's rule or another fuses it, and
the pignistic probability of the best class decides or abstains. What the formulae are is in
`tocsin.kernels.routing.reliability` and `tocsin.kernels.fusion`.
"""

from tocsin.kernels.score.by_numba import score_numba
from tocsin.kernels.score.by_torch import score_torch
from tocsin.kernels.score.by_triton import score_triton
from tocsin.kernels.score.interface import (
    Leaves,
    Logits,
    Network,
    Scored,
    backend,
    backends,
    score,
)
from tocsin.kernels.score.on_device import DeviceScorer
from tocsin.kernels.score.reference import score_reference

__all__ = [
    "DeviceScorer",
    "Leaves",
    "Logits",
    "Network",
    "Scored",
    "backend",
    "backends",
    "score",
    "score_numba",
    "score_reference",
    "score_torch",
    "score_triton",
]
