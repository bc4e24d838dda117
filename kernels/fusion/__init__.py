"""From the evidence of many experts to one belief, in closed form; each back end is a file behind one `interface`.

With focal sets {singletons, Theta} an expert's opinion is its belief b [K] and its uncertainty u, and with
r = b / u every rule is one reduction over experts that gives P [K]; then Z = sum P - (K - 1), the fused belief is
(P - 1) / Z and the fused uncertainty 1 / Z. Sources: Shafer 1976 (discounting), Han et al. 2021 (TMC), Denoeux 2008
(cautious), Josang 2016 (cumulative, averaging), Murphy 2000.
"""

from tocsin.kernels.fusion import by_numba, by_torch, by_triton  # noqa: F401 - they register themselves
from tocsin.kernels.fusion.interface import (
    RULES,
    Fused,
    Rule,
    backend,
    backends,
    fuse,
)
from tocsin.kernels.fusion.reference import discount, fuse_reference, opinions

__all__ = [
    "RULES",
    "Fused",
    "Rule",
    "backend",
    "backends",
    "discount",
    "fuse",
    "fuse_reference",
    "opinions",
]
