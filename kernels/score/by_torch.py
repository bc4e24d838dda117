"""Scoring by PyTorch. `torch_tensors` holds the formulae, and imports PyTorch."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import Bools, Evidence, check_values
from tocsin.kernels.score.interface import Leaves, Logits, Network, Scored, Terms, registry


@registry.register("torch")
def score_torch(evidence: Evidence | Leaves, router: Logits | Network, engaged: Bools | None, terms: Terms) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    from tocsin.kernels.score.torch_tensors import score_tensors  # here, because it imports PyTorch

    if not isinstance(evidence, Leaves):
        check_values(evidence, np.zeros(1))
    return score_tensors(evidence, router, engaged, terms)
