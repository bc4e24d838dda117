"""Regressions on PyTorch tensors: how values become inputs, and what is answered of them.

The formulae are those of `tocsin.kernels.experts.linear` and `tocsin.kernels.experts.logistic`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tocsin.kernels.experts.logistic import CLIP

MEAN, INVERSE = range(2)
"""The rows of what standardises: means, and one over standard deviations, 0 where a column does not vary."""


def standardised(X: Tensor, scales: Tensor) -> Tensor:
    """X [B, n] in standard deviations, `scales` [2, n], and clipped; 0 for what is not known."""
    return ((X - scales[MEAN]) * scales[INVERSE]).clamp_(-CLIP, CLIP).nan_to_num_(nan=0.0)


def one_hot(codes: Tensor, buckets: int) -> Tensor:
    """A 1 among so many inputs for each code [B, N], float64 [B, N, buckets]; zeros for what is not known."""
    bucket = torch.remainder(codes.floor(), buckets)
    every = torch.arange(buckets, dtype=torch.float64, device=codes.device)
    return (bucket[:, :, None] == every).to(torch.float64)


def added_buckets(logits: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
    """Logits [B, K] and the weights [N, buckets, K] of each code [B, N] that is known.

    It does not make the inputs, of which all but one of each code are 0.
    """
    N, buckets, _ = weights.shape
    known = codes.isfinite()
    bucket = torch.remainder(torch.where(known, codes, 0.0).to(torch.int64), buckets)
    for n in range(N):
        logits = logits + torch.where(known[:, n, None], weights[n].index_select(0, bucket[:, n]), 0.0)
    return logits


def softmax(logits: Tensor) -> Tensor:
    """Probabilities [B, K]."""
    if not logits.shape[1]:
        return logits
    raised = (logits - logits.amax(dim=1, keepdim=True)).exp_()
    return raised / raised.sum(dim=1, keepdim=True)


def one_against_rest(z: Tensor, weights: Tensor, noise: Tensor, classes: int) -> Tensor:
    """Probabilities [B, K] by inputs z [B, D - 1], whose bias is left out, weights [M, D] and eps, noise [M]."""
    sigma = 1.0 / (1.0 + torch.exp(-(z @ weights[:, :-1].T + weights[:, -1])))
    q = noise + (1.0 - 2.0 * noise) * sigma
    if classes <= 1:
        return z.new_ones((len(z), classes))
    if classes == 2:
        return torch.cat([1.0 - q, q], dim=1)
    return q / q.sum(dim=1, keepdim=True)
