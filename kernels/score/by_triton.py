"""Scoring by Triton: one copy to the device, one launch, one copy back.

It is as exact as `tocsin.kernels.fusion.by_triton`. The router is computed in float64 whatever the type of the
evidence. `triton_launch` launches the kernel, and imports PyTorch.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import Bools, Evidence, check_values
from tocsin.kernels.score.interface import Leaves, Logits, Network, Scored, Terms, registry


@registry.register("triton")
def score_triton(evidence: Evidence | Leaves, router: Logits | Network, engaged: Bools | None, terms: Terms) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    from tocsin.kernels.score.triton_launch import inputs_of, launch, shape_of  # here, because it imports PyTorch

    if not isinstance(evidence, Leaves):
        check_values(evidence, np.zeros(1))
    parts = launch(inputs_of(evidence, router, engaged), shape_of(evidence, router), terms)
    label, rho, belief, rest, used = (part.cpu().numpy() for part in parts)
    rest = rest.astype(np.float64)
    return Scored(label, rho, belief.astype(np.float64), rest[0], rest[1], used)
