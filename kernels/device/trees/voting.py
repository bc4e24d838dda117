"""The answers of an expert's trees as its evidence."""

from __future__ import annotations

import torch
from torch import Tensor

from tocsin.kernels.device.trees.tensors import Answers


def single(answers: Answers, strength: float) -> Tensor:
    """The evidence of one tree, float64 [B, K]: its probabilities times the leaf's weight, at most `strength`."""
    return answers.p[:, 0] * answers.support.clamp(max=strength)


def one_vs_rest(answers: Answers, strength: float) -> Tensor:
    """The evidence of K trees of two classes, each of which tells a class from the rest: float64 [B, K]."""
    yes = answers.p[:, :, 1]
    total = yes.sum(dim=1, keepdim=True)
    p = torch.where(total > 0.0, yes / total, 0.0)
    return p * answers.support.amax(dim=1, keepdim=True).clamp(min=0.0, max=strength)


def vote(answers: Answers, weights: Tensor, strength: float, weight_per_event: float) -> Tensor:
    """The evidence of a forest, float64 [B, K]; `weights` float64 [T] are what its trees' votes weigh.

    See `tocsin.kernels.hoeffding.forest.voting`, which says the same of a forest in memory.
    """
    votes = (answers.p * weights[None, :, None]).sum(dim=1)
    total = votes.sum(dim=1, keepdim=True)
    behind = answers.support.sum(dim=1, keepdim=True) / (len(weights) * weight_per_event)
    return torch.where(total > 0.0, votes * (behind.clamp(max=strength) / total), votes)
