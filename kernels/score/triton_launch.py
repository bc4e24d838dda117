"""The launch of the Triton kernel of scoring on tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.fusion.interface import Bools, Evidence
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.fusion.torch_tensors import device
from tocsin.kernels.fusion.triton_launch import LEAST_PRIOR, power_of_two, tiles
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import CLIP, LEAK, LOGIT, MAX_RELIABILITY
from tocsin.kernels.score.interface import Leaves, Logits, Network, Terms, above_chance
from tocsin.kernels.score.triton_kernel import score_kernel


class Inputs(NamedTuple):
    """The tensors that a launch reads. What a launch does not need is one zero."""

    evidence: Tensor
    """[B, E, K], or the class weights of leaves [E, N, K]."""
    leaves: Tensor
    """int32 [B, E]"""
    logits: Tensor
    """[B, E] or [B, E + 1]"""
    skill: Tensor
    """[E]: each expert's accuracy, as the network or `above_chance` wants it."""
    X: Tensor
    """[B, F]"""
    weights: Tensor
    """The router's flat weights."""
    mean: Tensor
    """[F]"""
    inverse: Tensor
    """[F], one over the standard deviation; 0 for a feature that never varied."""
    engaged: Tensor | None
    """uint8 [B, E], or None where all are."""


class Shape(NamedTuple):
    """What a launch has to know of its inputs."""

    events: int
    features: int
    hidden: int
    """Hidden units of the router's network; 0 where logits are given."""
    null_slot: bool
    """Whether the last logit is the trust that goes to nobody."""
    cap: float | None
    """The most that a leaf's weights add up to; None where the evidence is given."""


def inputs_of(evidence: Evidence | Leaves, router: Logits | Network, engaged: Bools | None = None) -> Inputs:
    """Copies on the device."""
    nothing = on_device(np.zeros(1))
    table = evidence.weights if isinstance(evidence, Leaves) else evidence
    E, K = table.shape[0 if isinstance(evidence, Leaves) else 1], table.shape[2]
    inputs = Inputs(
        evidence=on_device(table),
        leaves=on_device(evidence.ids) if isinstance(evidence, Leaves) else nothing,
        logits=nothing,
        skill=nothing,
        X=nothing,
        weights=nothing,
        mean=nothing,
        inverse=nothing,
        engaged=None if engaged is None else on_device(engaged.view(np.uint8)),
    )
    if isinstance(router, Logits):
        skill = above_chance(router.accuracy, E, K)
        return inputs._replace(logits=on_device(router.logits), skill=on_device(skill))
    state = router.state
    inputs = inputs._replace(weights=on_device(state.weights), skill=on_device(state.skill))
    if router.X.shape[1] == 0:  # an empty column has no address, and nothing is read of it
        return inputs
    scale = np.sqrt(state.square)
    usable = (scale > 1e-12) & (state.rows > 1)
    inverse = np.where(usable, 1.0 / np.where(usable, scale, 1.0), 0.0)
    return inputs._replace(X=on_device(router.X), mean=on_device(state.mean), inverse=on_device(inverse))


def on_device(array: Any) -> Tensor:
    """A copy of an array where Triton runs."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device())


def shape_of(evidence: Evidence | Leaves, router: Logits | Network) -> Shape:
    """See `Shape`."""
    cap = evidence.cap if isinstance(evidence, Leaves) else None
    if isinstance(router, Network):
        return Shape(len(router.X), router.X.shape[1], router.hidden, True, cap)
    E = evidence.ids.shape[1] if isinstance(evidence, Leaves) else evidence.shape[1]
    return Shape(len(router.logits), 0, 0, router.logits.shape[1] == E + 1, cap)


def numbers_of(terms: Terms, cap: float | None, evidence: Tensor) -> Tensor:
    """The numbers that a launch reads, as a tensor beside the evidence; a launch that is captured must be given it."""
    prior = max(terms.prior, 0.0 if evidence.dtype == torch.float64 else LEAST_PRIOR)
    found = [prior, terms.least, cap or 0.0, terms.inverse_temperature]
    return torch.tensor(found, dtype=torch.float64, device=evidence.device)


def launch(
    inputs: Inputs, shape: Shape, terms: Terms, numbers: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Label [B], reliability [B, E], belief [B, K], (uncertainty, conflict) [2, B] and used [B]; nothing is checked.

    `numbers` are those of `numbers_of`, which are made here where none are given.
    """
    evidence, (B, F, H, null_slot, cap) = inputs.evidence, shape
    (E, N, K) = evidence.shape if cap is not None else (evidence.shape[1], 0, evidence.shape[2])
    block, width, height = tiles(E + 1, K)
    label = torch.empty(B, dtype=torch.int64, device=evidence.device)
    used = torch.empty_like(label)
    rho = torch.empty((B, E), dtype=torch.float64, device=evidence.device)
    belief, rest = evidence.new_empty((B, K)), evidence.new_empty((2, B))
    double = evidence.dtype == torch.float64
    numbers = numbers_of(terms, cap, evidence) if numbers is None else numbers
    if B:
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            score_kernel[((B + block - 1) // block,)](
                *inputs[:8], label if inputs.engaged is None else inputs.engaged,
                label, rho, belief, rest, used,
                numbers, B, E, N, K, F, H,
                RULE=CODES[terms.rule], KP=width, EP=height, HP=power_of_two(max(H, 1)), BLOCK=block, DOUBLE=double,
                GATHER=cap is not None, NETWORK=H > 0, NULL=int(null_slot), MASK=inputs.engaged is not None,
                RAISE=terms.inverse_temperature != 1.0,
                LOGIT=LOGIT, CLIP=CLIP, LEAK=LEAK, MOST=MAX_RELIABILITY, LEAST=LEAST,
                enable_fp_fusion=False,
            )  # fmt: skip
    return label, rho, belief, rest, used
