"""Whether a decision is settled before all experts were asked: whatever the others say, the same class stays first.

By the closed form of a rule (see `tocsin.kernels.routing.fused_loss`) the most probable class is that with the largest
P_k. An expert of reliability rho that has at most N pseudo-counts can add to one class at most

    r = rho N / (s + (1 - rho) N),

which is what it adds where all of its evidence is for that class. So no other class can come first if it does not with
all that the others can add: summed under cumulative and averaging fusion, as a product under Dempster's rule, and the
largest of it under the cautious rule. For Murphy's rule no bound is known, and nothing is ever settled.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import Bools, Floats, Rule

SLACK = 1e-9
"""What back ends may differ by."""


def settled(evidence: Floats, reliability: Floats, rest: Bools, most: Floats, rule: Rule, prior: float) -> Bools:
    """Which of B events are settled, [B]: their most probable class is the one that it will be with all experts.

    Parameters
    ----------
    evidence
        [B, E, K], zeros for experts that were not asked yet.
    reliability
        [B, E], of all experts: it must not depend on what they say.
    rest
        bool [E], the experts that are yet to be asked.
    most
        [E], the most pseudo-counts that an expert can give.
    rule, prior
        As in `tocsin.kernels.fusion.fuse`.
    """
    if rule == "murphy":
        return np.zeros(len(evidence), np.bool_)
    S = evidence.sum(axis=2, keepdims=True) + prior
    rho = reliability[:, :, None]
    r = rho * evidence / (S - rho * (S - prior))
    can_add = np.where(rest, reliability * most / (prior + (1.0 - reliability) * most), 0.0)
    if rule == "cautious":
        P, more = r.max(axis=1), can_add.max(axis=1)
    elif rule == "dempster":
        P, more = np.log1p(r).sum(axis=1), np.log1p(can_add).sum(axis=1)
    else:
        P, more = r.sum(axis=1), can_add.sum(axis=1)
    two = np.partition(P, -2, axis=1)[:, -2:] if P.shape[1] > 1 else np.pad(P, ((0, 0), (1, 0)))
    rivals = np.maximum(two[:, 0], more) if rule == "cautious" else two[:, 0] + more
    result: Bools = two[:, 1] > rivals + SLACK * np.maximum(rivals, 1.0)
    return result
