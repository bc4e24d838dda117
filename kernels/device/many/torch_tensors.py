"""Scoring of events of many models on PyTorch tensors.

The events are sorted by the sizes of their models, and taken in pieces that fit a cache: a piece is padded to the
largest model in it. What is padded adds exact zeros to sums, which run over inputs, experts and classes in their order,
so an event's bits depend neither on its piece nor on its batch. There is no loop over models or events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.many import layout
from tocsin.kernels.device.many.fusing import Opinions, decide, fuse_opinions
from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.device.many.results import by_size, empty_results
from tocsin.kernels.device.many.walking import Forest, Walked, walk
from tocsin.kernels.device.pieces import most_at_once
from tocsin.kernels.fusion.interface import Floats, Ints
from tocsin.kernels.fusion.torch_tensors import LANES, total_of
from tocsin.kernels.routing.reliability import CLIP, LEAK, LOGIT, MAX_RELIABILITY


class Piece(NamedTuple):
    """Some events, and what is to be known of their models."""

    rows: Tensor
    """int64 [B], where the features of each begin in the flat rows."""
    table: Tensor
    """int64 [TABLE, B], the models' rows of the table."""
    sizes: tuple[int, int, int, int]
    """The largest F, E, K and H."""
    rules: tuple[int, ...]
    """The codes of the rules that occur."""


def score_tensors(many: ManyModels, X: Floats, of_pool: Ints) -> list[Tensor]:
    """Decide B events, X [B, W]; the fields of `ManyScored`. Nothing is checked."""
    results = empty_results(many, len(X))
    if not len(X):
        return results
    place = many.place.device
    order = by_size(many, of_pool)
    # Whole multiples of LANES, see `tocsin.kernels.fusion.torch_tensors`: the last event again.
    order = np.append(order, np.full(-len(X) % LANES, order[-1]))
    here = many.table[of_pool[order]].T
    with torch.inference_mode():
        flat = torch.from_numpy(X).to(place).reshape(-1)
        events, pools = torch.from_numpy(order).to(place), torch.from_numpy(of_pool[order]).to(place)
        table, rows = many["table"][pools].T.contiguous(), events * X.shape[1]
        terms = many["terms"][pools].T.contiguous()
        forest = Forest(many["links"], many["values"], many["roots"])
        walked = walk(forest, flat, rows, table, int(here[layout.EXPERTS].sum()))
        for part in parts(many, len(order)):
            own = here[:, part]
            F, E, K, H = own[layout.FEATURES : layout.RULE].max(axis=1).tolist()
            rules = tuple(np.unique(own[layout.RULE]).tolist())
            piece = Piece(rows[part], table[:, part], (F, E, max(K, 2), H), rules)
            write(results, events[part], score_piece(many, flat, piece, (walked, part), terms[:, part]))
    return results


def parts(many: ManyModels, events: int) -> Iterator[slice]:
    """Slices of the sorted events, all of them whole multiples of LANES."""
    _, E, K, _ = many.widest
    step = max(1, most_at_once(many.place.device) // (E * (K + layout.EVIDENCE)) // LANES) * LANES
    for start in range(0, events, step):
        yield slice(start, min(start + step, events))


def write(results: list[Tensor], events: Tensor, found: list[Tensor]) -> None:
    """The results of some events to their places; the last event may be there more than once, with the same."""
    for result, part in zip(results, found, strict=True):
        if part.ndim == 1:
            result[events] = part
        else:
            width = min(result.shape[1], len(part))
            result[events, :width] = part[:width].T.to(result.dtype)


def score_piece(many: ManyModels, X: Tensor, piece: Piece, at: tuple[Walked, slice], terms: Tensor) -> list[Tensor]:
    """The fields of `ManyScored`, those with experts or classes as [E, B] and [K, B]."""
    walked, part = at
    _, E, K, _ = piece.sizes
    table, device = piece.table, X.device
    column = torch.arange(E, device=device)[:, None]
    there = column < table[layout.EXPERTS]
    pair = torch.where(there, walked.first[part] + column, 0)
    node = torch.where(there, walked.node[pair], -1)
    # [E, 3 + K, B]; what is read beyond a model's classes is left out by `inside`.
    place = walked.address[pair][:, None] + torch.arange(layout.EVIDENCE + K, device=device)[:, None]
    leaf = many["leaves"][place.clamp(max=len(many["leaves"]) - 1)]
    inside = there[:, None] & (torch.arange(K, device=device)[:, None] < table[layout.CLASSES])
    evidence = torch.where(inside, leaf[:, layout.EVIDENCE :], 0.0)
    total = torch.where(there, leaf[:, layout.TOTAL], 0.0)
    rho = torch.where(there, reliability(many, X, piece, evidence, total), 0.0)
    belief = rho[:, None] * (evidence / torch.where(there, leaf[:, layout.SUPPORT], 1.0)[:, None])
    doubt = torch.where(there, 1.0 - rho + rho * leaf[:, layout.DOUBT], 1.0)
    fused = fuse_opinions(
        Opinions(belief, doubt, rho, table[layout.EXPERTS], table[layout.CLASSES], table[layout.RULE], piece.rules)
    )
    label = decide(fused, table[layout.CLASSES], terms)
    return [label, rho, fused.belief, fused.uncertainty, fused.conflict, fused.used, node]


def reliability(many: ManyModels, X: Tensor, piece: Piece, evidence: Tensor, total: Tensor) -> Tensor:
    """Reliabilities [E, B] from evidence [E, K, B] and its sums [E, B]; no numbers of use where there is no expert."""
    F, E, _, H = piece.sizes
    table, router, device = piece.table, many["router"], X.device
    experts, features, units = table[layout.EXPERTS], table[layout.FEATURES], table[layout.HIDDEN]
    # Row i is the numbers from i on, as many as the widest of the piece has; behind the last there are enough.
    inner = router.as_strided((len(router) - H + 1, H), (1, 1))
    outer = router.as_strided((len(router) - E, E + 1), (1, 1))
    expert, feature = torch.arange(E, device=device)[:, None], torch.arange(F, device=device)[:, None]
    # Which row of the hidden units' weights an input has; that of the bias, times 0, where a model has no such input.
    row = torch.cat(
        [
            torch.where(expert < experts, 1 + expert, 0),
            torch.where(expert < experts, 1 + experts + expert, 0),
            torch.where(feature < features, 1 + 2 * experts + feature, 0),
        ]
    )
    at = table[layout.ROUTER_AT]
    hidden = inner[at]
    inputs = torch.cat([expert_inputs(many, table, evidence, total), feature_inputs(many, X, piece)])
    for value, start in zip(inputs, at + row * units, strict=True):
        hidden += value[:, None] * inner[start]
    unit = torch.arange(H, device=device)
    active = torch.where(unit < units[:, None], torch.where(hidden > 0, hidden, LEAK * hidden), 0.0).T.contiguous()
    at = at + (1 + 2 * experts + features) * units
    row = torch.where(unit[:, None] < units, 1 + unit[:, None], 0)
    logits = outer[at]
    for value, start in zip(active, at + row * (experts + 1), strict=True):
        logits += value[:, None] * outer[start]
    q = 1.0 / (1.0 + torch.exp(-logits.T.contiguous().clamp(-LOGIT, LOGIT)))
    somebody = 1.0 - q.gather(0, experts[None])
    return (somebody * q[:E]).clamp(max=MAX_RELIABILITY)


def expert_inputs(many: ManyModels, table: Tensor, evidence: Tensor, total: Tensor) -> Tensor:
    """The inputs [2 E, B] that each expert's confidence is, and then those that each expert's support is."""
    answered = total > 0
    p = evidence / torch.where(answered, total, 1.0)[:, None]
    confidence = torch.where(answered, 2.0 * (p.amax(dim=1) - 0.5), 0.0)
    expert = torch.arange(len(p), device=p.device)[:, None]
    skill = many["skill"][torch.where(expert < table[layout.EXPERTS], table[layout.TREES_AT] + expert, 0)]
    favourite = total_of(skill[:, None] * p).argmax(dim=0)
    chosen = torch.gather(p, 1, favourite.expand(len(p), 1, -1))[:, 0]
    support = torch.where(answered, 2.0 * (chosen - 0.5), 0.0)
    return torch.cat([confidence, support])


def feature_inputs(many: ManyModels, X: Tensor, piece: Piece) -> Tensor:
    """The standardised features [F, B], 0 where a model has none."""
    feature = torch.arange(piece.sizes[0], device=X.device)[:, None]
    there = feature < piece.table[layout.FEATURES]
    mean, inverse = many["scales"][torch.where(there, piece.table[layout.SCALES_AT] + feature, 0)].unbind(2)
    z = (X[torch.where(there, piece.rows + feature, 0)] - mean) * inverse
    # What is not known is taken to be at the mean.
    return torch.where(there, torch.nan_to_num(z, nan=0.0), 0.0).clamp(-CLIP, CLIP)
