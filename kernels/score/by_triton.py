"""Scoring by Triton: one copy to the device, one launch, one copy back. Exactness as `tocsin.kernels.fusion.by_triton`;
the router is computed in float64 whatever the evidence is in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.common.backends import cuda_there, triton_runs
from tocsin.kernels.fusion.by_triton import (
    LEAST_PRIOR,
    device,
    power_of_two,
    tiles,
)
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Rule,
    check_values,
)
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import (
    CLIP,
    LEAK,
    LOGIT,
    MAX_RELIABILITY,
)
from tocsin.kernels.score.interface import (
    Leaves,
    Logits,
    Network,
    Scored,
    above_chance,
    registry,
)


@registry.register("triton", runs=triton_runs, suits=cuda_there)
def score_triton(
    evidence: Evidence | Leaves,
    gate: Logits | Network,
    engaged: Bools | None,
    rule: Rule,
    prior: float,
    least: float,
    inverse_temperature: float,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    import torch  # here, because it takes seconds to load

    if not isinstance(evidence, Leaves):
        check_values(evidence, np.zeros(1))
    place = device()
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(a)).to(place) for name, a in arrays(evidence, gate, engaged).items()
    }
    parts = score_tensors(tensors, gate_sizes(gate), rule, prior, least, inverse_temperature, evidence_cap(evidence))
    label, rho, belief, rest, used = (part.cpu().numpy() for part in parts)
    rest = rest.astype(np.float64)
    return Scored(label, rho, belief.astype(np.float64), rest[0], rest[1], used)


def arrays(evidence: Evidence | Leaves, gate: Logits | Network, engaged: Bools | None = None) -> dict[str, Any]:
    """What a launch reads; what this one does not need is empty."""
    nothing = np.zeros(1)
    found: dict[str, Any] = dict.fromkeys(("leaves", "logits", "X", "weights", "mean", "inverse"), nothing)
    if engaged is not None:
        found |= {"engaged": engaged.view(np.uint8)}
    if isinstance(evidence, Leaves):
        found |= {"leaves": evidence.ids, "evidence": evidence.weights}
    else:
        found |= {"evidence": evidence}
    E = found["evidence"].shape[0 if isinstance(evidence, Leaves) else 1]
    if isinstance(gate, Logits):
        return found | {"logits": gate.logits, "skill": above_chance(gate.accuracy, E, found["evidence"].shape[2])}
    router = gate.router
    scale = np.sqrt(router.square)
    usable = (scale > 1e-12) & (router.rows > 1)
    inverse = np.where(usable, 1.0 / np.where(usable, scale, 1.0), 0.0)
    # An empty column has no address; nothing is read of it.
    some = {"X": gate.X, "mean": router.mean, "inverse": inverse} if gate.X.shape[1] else {}
    return found | some | {"weights": router.weights, "skill": router.skill, "rows": np.empty((len(gate.X), 0))}


def gate_sizes(gate: Logits | Network) -> tuple[int, int, int, bool]:
    """Events, features, hidden units (0 without a network), and whether there is a null slot."""
    if isinstance(gate, Network):
        return len(gate.X), gate.X.shape[1], gate.hidden, True
    return len(gate.logits), 0, 0, False


def evidence_cap(evidence: Evidence | Leaves) -> float | None:
    """The cap of leaves; None where the evidence comes as it is."""
    return evidence.cap if isinstance(evidence, Leaves) else None


def score_tensors(
    tensors: dict[str, Any],
    sizes: tuple[int, int, int, bool],
    rule: Rule,
    prior: float,
    least: float,
    inverse_temperature: float,
    cap: float | None,
) -> tuple[Any, Any, Any, Any, Any]:
    """Label [B], reliability [B, E], belief [B, K], (uncertainty, conflict) [2, B] and used [B], as tensors.

    Nothing is checked. `tensors` are those of `arrays`, `sizes` those of `gate_sizes`.
    """
    import torch

    from tocsin.kernels.score.triton_kernel import score_kernel

    evidence = tensors["evidence"]
    B, F, H, null = sizes
    (E, N, K) = evidence.shape if cap is not None else (evidence.shape[1], 0, evidence.shape[2])
    null = null or tensors["logits"].shape[-1] == E + 1
    block, width, height = tiles(E + 1, K)
    whole = {"dtype": torch.int64, "device": evidence.device}
    label, used = torch.empty(B, **whole), torch.empty(B, **whole)
    rho = torch.empty((B, E), dtype=torch.float64, device=evidence.device)
    belief, rest = evidence.new_empty((B, K)), evidence.new_empty((2, B))
    double = evidence.dtype == torch.float64
    floor = 0.0 if double else LEAST_PRIOR
    rest_of_it = least, cap or 0.0, inverse_temperature
    numbers = torch.tensor([max(prior, floor), *rest_of_it], dtype=torch.float64, device=evidence.device)
    if B:
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            score_kernel[((B + block - 1) // block,)](
                evidence,
                tensors["leaves"],
                tensors["logits"],
                tensors["skill"],
                tensors["X"],
                tensors["weights"],
                tensors["mean"],
                tensors["inverse"],
                tensors.get("engaged", label),
                label,
                rho,
                belief,
                rest,
                used,
                numbers,
                B,
                E,
                N,
                K,
                F,
                H,
                RULE=CODES[rule],
                KP=width,
                EP=height,
                HP=power_of_two(max(H, 1)),
                BLOCK=block,
                DOUBLE=double,
                GATHER=cap is not None,
                NETWORK=H > 0,
                NULL=int(null),
                MASK="engaged" in tensors,
                LOGIT=LOGIT,
                CLIP=CLIP,
                LEAK=LEAK,
                MOST=MAX_RELIABILITY,
                SHARPEN=inverse_temperature != 1.0,
                LEAST=LEAST,
                enable_fp_fusion=False,
            )
    return label, rho, belief, rest, used
