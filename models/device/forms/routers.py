"""Routers as tensors: how far a device says that each expert can be trusted, and whom it engages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device import combination
from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.score.interface import Terms
from tocsin.models.device.forms.form import Copies
from tocsin.models.routing.base import Router
from tocsin.models.routing.reliability import ReliabilityRouter
from tocsin.models.routing.skill import SkillRouter


class Combination(NamedTuple):
    """What a router and the fusion make of the evidence on B events."""

    reliability: Tensor
    """[B, E], 0 for those that are not alive."""
    engaged: Tensor
    """bool [B, E]"""
    belief: Tensor
    """[B, K]"""
    uncertainty: Tensor
    conflict: Tensor
    used: Tensor
    """int64 [B]"""


class Fusing(NamedTuple):
    """How evidence is fused, and of whom. Its tensors are made before a launch, which may copy nothing."""

    rule: Rule
    prior: float
    alive: Tensor
    """bool [E], the experts that answer."""
    numbers: Tensor
    """See `tocsin.kernels.score.triton_launch.numbers_of`."""
    triton: bool


class RouterForm(ABC):
    """One router as tensors. The rules of `tocsin.models.device.forms.form.Form` hold for it, too."""

    def __init__(self, router: Any, copies: Copies) -> None:
        self.router: Any = router
        self.copies = copies

    @abstractmethod
    def follow(self, categories: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> None:
        """Put what the router has learnt; the columns of `categories` are not shown to it."""

    @abstractmethod
    def reliability(self, X: Tensor, evidence: Tensor) -> Tensor:
        """[B, E] from X [B, F] and evidence [B, E, K]."""

    @abstractmethod
    def engaged(self, reliability: Tensor, evidence: Tensor, prior: float) -> Tensor:
        """Which experts take part, bool [B, E]."""

    def combined(self, X: Tensor, evidence: Tensor, fusing: Fusing) -> Combination:
        """From X [B, F] and evidence [B, E, K] to what is believed."""
        rho = torch.where(fusing.alive, self.reliability(X, evidence), 0.0)
        engaged = self.engaged(rho, evidence, fusing.prior) & fusing.alive
        trust = torch.where(engaged, rho, 0.0)
        return Combination(rho, engaged, *combination.fused(evidence, trust, fusing.rule, fusing.prior, fusing.triton))

    @property
    def structure(self) -> Hashable:
        """See `tocsin.models.device.forms.form.Form.structure`."""
        return float(self.router.top_p)


class ReliabilityForm(RouterForm):
    """The network of reliabilities."""

    def follow(self, categories: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> None:
        """See `RouterForm`."""
        state = self.router.state
        scale = np.sqrt(state.square)
        usable = (scale > 1e-12) & (state.rows > 1)
        usable[categories] = False
        self.copies.put("inverse", np.where(usable, 1.0 / np.where(usable, scale, 1.0), 0.0))
        self.copies.put("mean", np.where(usable, state.mean, 0.0))
        self.copies.put("skill", state.skill)
        self.copies.put("weights", state.weights)

    @property
    def tensors(self) -> combination.RouterTensors:
        """The network."""
        skill, mean, inverse = (self.copies[name] for name in ("skill", "mean", "inverse"))
        E, F, H = len(skill), len(mean), self.router.hidden
        D = 3 * E + F
        edges = (D * H, D * H + H, D * H + H + H * (E + 1))
        inner, bias, outer, outer_bias = torch.tensor_split(self.copies["weights"], edges)
        return combination.RouterTensors(inner.view(D, H), bias, outer.view(H, E + 1), outer_bias, skill, mean, inverse)

    def reliability(self, X: Tensor, evidence: Tensor) -> Tensor:
        """See `RouterForm`."""
        return combination.reliabilities(evidence, X, self.tensors)

    def engaged(self, reliability: Tensor, evidence: Tensor, prior: float) -> Tensor:
        """See `RouterForm`."""
        if self.router.top_p >= 1.0:
            return torch.ones_like(reliability, dtype=torch.bool)
        return combination.top_gains(reliability, evidence, self.router.top_p, prior)

    def combined(self, X: Tensor, evidence: Tensor, fusing: Fusing) -> Combination:
        """See `RouterForm`; by one launch of Triton's kernel of scoring where all experts are engaged."""
        if not fusing.triton or self.router.top_p < 1.0:
            return super().combined(X, evidence, fusing)
        from tocsin.kernels.score import triton_launch  # here, because Triton is not everywhere

        nothing, (B, E, _) = fusing.numbers, evidence.shape
        engaged = fusing.alive.expand(B, E)
        inputs = triton_launch.Inputs(
            evidence=evidence.contiguous(),
            leaves=nothing,
            logits=nothing,
            skill=self.copies["skill"],
            X=X.contiguous() if X.shape[1] else nothing,
            weights=self.copies["weights"],
            mean=self.copies["mean"] if X.shape[1] else nothing,
            inverse=self.copies["inverse"] if X.shape[1] else nothing,
            engaged=engaged.to(torch.uint8).contiguous(),
        )
        shape = triton_launch.Shape(B, X.shape[1], self.router.hidden, True, None)
        terms = Terms(fusing.rule, fusing.prior, 0.0, 1.0)
        _, rho, belief, rest, used = triton_launch.launch(inputs, shape, terms, fusing.numbers)
        return Combination(torch.where(fusing.alive, rho, 0.0), engaged, belief, rest[0], rest[1], used)


class SkillForm(RouterForm):
    """Reliabilities that are the same for every event, by each expert's accuracy."""

    def follow(self, categories: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> None:
        """See `RouterForm`."""
        experts = len(self.router.skill)
        self.copies.put("rho", self.router.reliability(np.zeros((1, 0)), np.zeros((1, experts, classes)))[0])

    def reliability(self, X: Tensor, evidence: Tensor) -> Tensor:
        """See `RouterForm`."""
        return self.copies["rho"].expand(len(X), -1)

    def engaged(self, reliability: Tensor, evidence: Tensor, prior: float) -> Tensor:
        """See `RouterForm`."""
        if self.router.top_p >= 1.0:
            return torch.ones_like(reliability, dtype=torch.bool)
        return combination.top_reliable(reliability, self.router.top_p)


FORMS: dict[type[Any], type[RouterForm]] = {ReliabilityRouter: ReliabilityForm, SkillRouter: SkillForm}
"""The form of each kind of router. Where there is none, the CPU combines what the experts say."""


def router_form(router: Router, copies: Copies) -> RouterForm | None:
    """The form of a router; None where it has none."""
    found = FORMS.get(type(router))
    return None if found is None else found(router, copies)
