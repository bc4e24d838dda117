"""Look categories up in the table of a copy; see `tocsin.kernels.hoeffding.copying.categories`."""

from __future__ import annotations

import torch
from torch import Tensor

from tocsin.kernels.hoeffding.copying.categories import BY_HIGH, BY_LOW, BY_MIX, BY_OWNER, HALF, LOW, SHIFT
from tocsin.kernels.hoeffding.copying.layout import CATEGORY, OWNER, WORTH


def owner_of_list(lists: Tensor, c: Tensor, k: Tensor, C: int, K: int) -> Tensor:
    """See the function of this name there."""
    return (lists * C + c) * K + k + 1


def owner_of_children(lists: Tensor) -> Tensor:
    """See the function of this name there."""
    return -lists - 1


def hashes(owner: Tensor, bits: Tensor) -> Tensor:
    """`hash_of` for int64 tensors."""
    mixed = (bits & LOW) * BY_LOW ^ ((bits >> SHIFT) & LOW) * BY_HIGH ^ (owner & LOW) * BY_OWNER
    mixed = ((mixed ^ (mixed >> SHIFT)) & LOW) * BY_MIX
    return mixed ^ (mixed >> HALF)


def bits_of(values: Tensor) -> Tensor:
    """The bits of categories float64, int64; -0.0 is the category 0.0."""
    return torch.where(values == 0.0, 0.0, values).view(torch.int64)


def find(cells: Tensor, owner: Tensor, bits: Tensor, probes: int) -> tuple[Tensor, Tensor]:
    """Whether the owners have these categories, and what belongs to them, int64; all of one shape."""
    mask = len(cells) - 1
    at = hashes(owner, bits)
    found, worth = torch.zeros_like(owner, dtype=torch.bool), torch.zeros_like(owner)
    for step in range(probes):
        cell = cells[(at + step) & mask]
        hit = (cell[..., OWNER] == owner) & (cell[..., CATEGORY] == bits)
        worth = torch.where(hit, cell[..., WORTH], worth)
        found = found | hit
    return found, worth
