"""The launch of the Triton kernel of the distances: one program for a block of events and one of centres."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.moving_clusters.triton_kernel import distances_kernel
from tocsin.kernels.experts.moving_clusters.density import FARTHEST

BLOCK, PLACES = 16, 64
"""Events, and clusters, for each program."""


def distances(X: Tensor, centres: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """As `tocsin.kernels.device.moving_clusters.torch_tensors.distances`."""
    (B, F), C = X.shape, centres.shape[1]
    squared, largest = torch.empty((2, B, C), dtype=torch.float64, device=X.device)
    if B and C:
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            distances_kernel[(-(-B // BLOCK), -(-C // PLACES))](
                X.T.contiguous(),
                centres.contiguous(),
                factor,
                squared,
                largest,
                B,
                C,
                F,
                FARTHEST=FARTHEST,
                BLOCK=BLOCK,
                PLACES=PLACES,
                enable_fp_fusion=False,
            )
    return squared, largest
