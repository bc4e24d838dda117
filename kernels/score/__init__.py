"""From the router's logits and the experts' evidence to decisions, in one pass; each back end is a file.

Logits become reliabilities, reliabilities discount the evidence, a rule fuses it, and the pignistic probability of the
best class decides or abstains. The formulae are in `tocsin.kernels.routing.reliability` and `tocsin.kernels.fusion`.
"""

from tocsin.kernels.score import by_numba, by_torch, by_triton, reference  # noqa: F401 - they register themselves
from tocsin.kernels.score.interface import (
    Leaves,
    Logits,
    Network,
    Scored,
    backend,
    backends,
    score,
)

__all__ = ["Leaves", "Logits", "Network", "Scored", "backend", "backends", "score"]
