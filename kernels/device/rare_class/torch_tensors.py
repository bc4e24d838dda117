"""What is said of events where a class is rare, on PyTorch tensors, for R rare ones of K classes.

The formulae are those of `tocsin.kernels.experts.rare_class`. The discriminants are solved column by column in the
order of its kernels, because where two columns say nearly the same any other order gives other digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.device.pieces import pieces
from tocsin.kernels.experts.rare_class.gaussian import FARTHEST, LARGEST
from tocsin.kernels.experts.rare_class.learning import MOST_RARE
from tocsin.kernels.experts.rare_class.state import LINEAR, QUADRATIC, VIEWS
from tocsin.kernels.fusion.torch_tensors import total_of

PRIOR, SHARE, SLOPE, SHIFT, KNOWN = range(5)
"""What stands in a row of `RareOnDevice.about`: the log odds of the class, its share, the slope and the shift of the
calibrated log odds, and whether there are Gaussians of it (1)."""
STRENGTH = 0
"""What stands in `numbers`: the pseudo-counts of an answer."""


class RareOnDevice(NamedTuple):
    """What is known of the rare classes, on D inputs and by E experts."""

    about: Tensor
    """[R, 5], see `PRIOR`."""
    place: Tensor
    """[R, K], a 1 at each rare class."""
    counted: Tensor
    """[R, K], 1 for the classes whose evidence counts against a rare one: those with labels, and itself."""
    others: Tensor
    """[K], the shares of the other classes among themselves; 0 for rare ones."""
    losses: Tensor
    """[R, blends, E + 1], of each voter, times how sharply the blend tells them apart."""
    blends: Tensor
    """[R, blends], what each blend weighs."""
    numbers: Tensor
    """[1], see `STRENGTH`."""
    gaussians: Gaussians | None
    """None where there are no inputs."""


class Gaussians(NamedTuple):
    """The discriminants: of the common moments and of each rare class; V views, L linear and Q quadratic ones."""

    moments: Tensor
    """[2, V, D], the common mean, and how far from it an offset is clipped."""
    slope: Tensor
    """[R, V, L, D]"""
    offset: Tensor
    """[R, V, L]"""
    centre: Tensor
    """[1 + R Q, V, D], of the common Gaussian, which is 0, and of each quadratic discriminant."""
    factor: Tensor
    """[1 + R Q, V, D, D], their lower Cholesky factors."""
    log_det: Tensor
    """[1 + R Q, V]"""
    weight: Tensor
    """[R, V (L + Q)], what each discriminant weighs; they sum up to 1."""


def evidence(rare: RareOnDevice, X: Tensor, said: Tensor, solve: Solve) -> Tensor:
    """The evidence [B, K] for X [B, D], of which the experts said `said` [B, E, K]."""
    R, M, voters = rare.losses.shape
    discriminants = 0 if rare.gaussians is None else VIEWS * (1 + R * (len(LINEAR) + len(QUADRATIC)))
    told = []
    for piece in pieces(len(X), max(R * M * voters, discriminants * X.shape[1]), X.device):
        ratio, spoke = _ratios(rare, X[piece], said[piece], solve)
        voted = _voted(rare, ratio, spoke)
        about = rare.about
        odds = (about[:, PRIOR] + about[:, SLOPE] * voted + about[:, SHIFT]).clamp(-30.0, 30.0)
        told.append(_told(rare, 1.0 / (1.0 + torch.exp(-odds))))
    return torch.cat(told)


def _told(rare: RareOnDevice, p: Tensor) -> Tensor:
    """The evidence [B, K] where the rare classes have the probabilities p [B, R] before they are scaled."""
    taken = p.sum(dim=1, keepdim=True)
    scale = (MOST_RARE / taken.clamp(min=1e-300)).clamp(max=1.0)
    return rare.numbers[STRENGTH] * ((scale * p) @ rare.place + (1.0 - scale * taken) * rare.others)


def _ratios(rare: RareOnDevice, X: Tensor, said: Tensor, solve: Solve) -> tuple[Tensor, Tensor]:
    """The log likelihood ratios of all voters [B, R, E + 1], and which of them spoke."""
    prior, q, known = (rare.about[:, i, None] for i in (PRIOR, SHARE, KNOWN))
    total = said @ rare.counted.T  # [B, E, R]
    p = ((said @ rare.place.T).transpose(1, 2) + q) / (total.transpose(1, 2) + 1.0)
    ratio = (p.log() - (1.0 - p).clamp(min=1e-300).log() - prior).clamp(-FARTHEST, FARTHEST)
    spoke = (said.sum(dim=2) > 0.0)[:, None].expand(-1, len(prior), -1)
    by_gaussians = torch.zeros_like(ratio[:, :, :1]) if rare.gaussians is None else _mixed(rare.gaussians, X, solve)
    has = (known > 0.0).expand(len(X), -1, 1)
    ratio = torch.cat([ratio, torch.where(has, by_gaussians, 0.0)], dim=2)
    return ratio, torch.cat([spoke, has], dim=2)


def _voted(rare: RareOnDevice, ratio: Tensor, spoke: Tensor) -> Tensor:
    """The vote [B, R]: the mean of the blends of those who spoke; 0 where nobody did."""
    losses = torch.where(spoke[:, :, None], rare.losses, torch.inf)
    least = losses.amin(dim=3, keepdim=True)
    weights = torch.exp(torch.where(least < torch.inf, least, 0.0) - losses)
    total = weights.sum(dim=3)
    blends = torch.where(total > 0.0, (weights * ratio[:, :, None]).sum(dim=3) / total, 0.0)
    return (blends * rare.blends).sum(dim=2)


def _mixed(gaussians: Gaussians, X: Tensor, solve: Solve) -> Tensor:
    """The log likelihood ratio of the mixture of all discriminants of each rare class, [B, R, 1]."""
    heads = _heads(gaussians, _offsets(gaussians.moments, X), solve)
    return (torch.exp(heads) * gaussians.weight).sum(dim=2, keepdim=True).log()


def _offsets(moments: Tensor, X: Tensor) -> Tensor:
    """The clipped offsets of X [B, D] from the common mean in each view, [D, V, B]; 0 for what is not known."""
    mean, far = moments
    views = torch.stack([X, torch.copysign(X.abs().log1p(), X)], dim=1)
    offsets = (views - mean).clamp(-LARGEST, LARGEST)
    offsets = torch.where(X.isfinite()[:, None], offsets, 0.0)
    return torch.maximum(torch.minimum(offsets, far), -far).permute(2, 1, 0).contiguous()


def _heads(gaussians: Gaussians, offsets: Tensor, solve: Solve) -> Tensor:
    """The log likelihood ratio by each discriminant, [B, R, V (L + Q)], from offsets [D, V, B]."""
    R, B = len(gaussians.slope), offsets.shape[2]
    linear, length = solve(gaussians, offsets)
    length = length + gaussians.log_det[..., None]
    own = length[1:].view(R, len(QUADRATIC), VIEWS, B)
    quadratic = 0.5 * (length[0] - own)
    ratios = [linear.view(VIEWS, R, len(LINEAR), B).transpose(0, 1), quadratic.transpose(1, 2)]
    return torch.cat(ratios, dim=2).flatten(1, 2).permute(2, 0, 1).clamp(-FARTHEST, FARTHEST)


def solved(gaussians: Gaussians, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The linear discriminants [V, R L, B] and the squared lengths |L^-1 (o - c)|^2 of all systems [1 + R Q, V, B].

    From offsets [D, V, B].
    """
    linear = gaussians.offset.permute(1, 0, 2).flatten(1)[:, :, None]  # [V, R L, 1]
    slope = gaussians.slope.permute(3, 1, 0, 2).flatten(2)[..., None]  # [D, V, R L, 1]
    rest = offsets[:, None] - gaussians.centre.permute(2, 0, 1)[..., None]  # [D, 1 + R Q, V, B]
    factor = gaussians.factor.permute(2, 3, 0, 1)[..., None]  # [D, D, 1 + R Q, V, 1]
    for i, part in enumerate((slope * offsets[:, :, None]).unbind()):
        linear = linear + part
        rest[i] /= factor[i, i]
        rest[i + 1 :] -= factor[i + 1 :, i] * rest[i]
    return linear, total_of((rest * rest).unbind())


Solve = Callable[[Gaussians, Tensor], tuple[Tensor, Tensor]]
"""What `solved` is, by any means."""
