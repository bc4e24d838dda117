"""Trees asked by plain PyTorch: all events of all trees take a step together.

An event and a tree are a pair here, and pairs are worked on in chunks, because the observers of a leaf are large. No
value is fetched from the device: how many steps and chunks there are follows from shapes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tocsin.kernels.device.trees.categories import bits_of, find, owner_of_children, owner_of_list
from tocsin.kernels.device.trees.tensors import Answers, Shape, Trees
from tocsin.kernels.hoeffding.copying.layout import (
    BUSIEST,
    EMPTY,
    FEATURE,
    FIRST,
    KIND,
    LAST,
    LISTS,
    MEANS,
    NORMS,
    SCALES,
    SLOT,
    TERMS,
)
from tocsin.kernels.hoeffding.pool.layout import LEAF, NOMINAL_MULTIWAY, NUMERIC
from tocsin.kernels.hoeffding.tree.leaves import HALF_LOG_TAU

AT_ONCE = 1 << 25
"""Bytes that the tensors of one chunk take, about."""
WALK = 256
"""Bytes that a pair takes while it walks, about."""


def ask(trees: Trees, shape: Shape, X: Tensor) -> Answers:
    """Arguments as `tocsin.kernels.device.trees.answers.ask` checked them."""
    B, T = len(X), shape.trees
    pairs = torch.arange(B * T, device=X.device)
    events, bases = pairs // T, pairs % T * shape.nodes
    # One column is added, so that there is one to read where there are no features.
    wide = torch.nn.functional.pad(X, (0, 1))
    walked = [walk(trees, shape, wide, events[part], bases[part]) for part in chunks(B * T, AT_ONCE // WALK)]
    rows = torch.cat(walked) if walked else pairs
    per_pair = 8 * (2 * TERMS * shape.classes * shape.features + 8 * shape.classes * shape.nominal + 64)
    answered = [shares(trees, shape, X, events[part], rows[part]) for part in chunks(B * T, AT_ONCE // per_pair)]
    p = torch.cat(answered) if answered else X.new_zeros((0, shape.classes))
    leaves = torch.where(trees.links[rows, KIND] == EMPTY, -1, rows - bases)
    support = trees.answers[rows, shape.classes]
    return Answers(leaves.view(B, T), p.view(B, T, shape.classes), support.view(B, T))


def chunks(n: int, size: int) -> list[slice]:
    """The places of n pairs, at least one and about `size` at a time."""
    size = max(1, size)
    return [slice(start, start + size) for start in range(0, n, size)]


def walk(trees: Trees, shape: Shape, wide: Tensor, events: Tensor, bases: Tensor) -> Tensor:
    """The rows of the leaves in which pairs end, int64 [n].

    `wide` is X with another column, `events` and `bases` are each pair's event and the row of its root.
    """
    row = bases
    for _ in range(shape.depth):
        link = trees.links[row]
        kind = link[:, KIND]
        value = wide[events, link[:, FEATURE].long()]
        test = trees.values[row]
        right = torch.where(kind == NUMERIC, value > test, value != test)
        child = torch.where(right, link[:, LAST], link[:, FIRST]).long()
        lost = torch.isnan(value)
        if shape.nominal and shape.probes:
            multiway = kind == NOMINAL_MULTIWAY
            owner = owner_of_children(link[:, LISTS].long())
            found, named = find(trees.cells, owner, bits_of(value), shape.probes)
            child = torch.where(multiway, named, child)
            lost = lost | (multiway & ~found)
        child = torch.where(lost, link[:, BUSIEST].long(), child)
        row = torch.where((kind == LEAF) | (kind == EMPTY), row, bases + child)
    return row


def shares(trees: Trees, shape: Shape, X: Tensor, events: Tensor, rows: Tensor) -> Tensor:
    """The class probabilities of the leaves that pairs ended in, float64 [n, K]."""
    prior = trees.answers[rows, : shape.classes]
    if not shape.bayes or shape.classes == 0:
        return prior
    link, x = trees.links[rows], X[events]
    slots = link[:, SLOT].long()
    own = trees.moments.view(len(trees.moments) // shape.classes, shape.classes, TERMS, shape.features)[
        slots.clamp(min=0)
    ]
    votes = prior + densities(own, x)
    if shape.nominal and shape.probes:
        votes = votes + category_shares(trees, shape, own, x, link[:, LISTS].long())
    # A class without a weight gets a vote of 0, as river has it.
    votes = torch.where(prior == math.inf, 0.0, votes)
    posterior = torch.exp(votes - torch.logsumexp(votes, dim=1, keepdim=True))
    return torch.where((slots >= 0)[:, None], posterior, prior)


def densities(own: Tensor, x: Tensor) -> Tensor:
    """The sums of the log densities of numbers, float64 [n, K], from moments [n, K, TERMS, F] and events x [n, F]."""
    scale = own[:, :, SCALES]
    away = x[:, None] - own[:, :, MEANS]
    density = away * away / scale - HALF_LOG_TAU - own[:, :, NORMS]
    # What is not known, and what is infinitely far away, says nothing; and so does a class without a density.
    return torch.where((scale != 0.0) & (density > -math.inf), density, 0.0).sum(dim=2)


def category_shares(trees: Trees, shape: Shape, own: Tensor, x: Tensor, lists: Tensor) -> Tensor:
    """The sums of the log shares of categories, float64 [n, K]; `lists` [n] are the numbers of the leaves' lists."""
    C, K = shape.nominal, shape.classes
    value = x[:, trees.columns]
    c = torch.arange(C, device=x.device)[None, None]
    k = torch.arange(K, device=x.device)[None, :, None]
    owner = owner_of_list(lists[:, None, None], c, k, C, K)
    bits = bits_of(value)[:, None].expand(owner.shape)
    found, weight = find(trees.cells, owner, bits, shape.probes)
    total = own[:, :, MEANS][:, :, trees.columns]
    share = weight.view(torch.float64) / total
    known = found & (total != 0.0) & (share > 0.0) & ~torch.isnan(value)[:, None]
    return torch.where(known, torch.log(share), 0.0).sum(dim=2)
