"""Routers as tensors: how far a device says that each expert can be trusted, and whom it engages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device import combination
from tocsin.kernels.routing.reliability import unpacked
from tocsin.models.device.forms.form import Copies
from tocsin.models.routing.base import Router
from tocsin.models.routing.reliability import ReliabilityRouter
from tocsin.models.routing.skill import SkillRouter


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

    @property
    def structure(self) -> Hashable:
        """See `tocsin.models.device.forms.form.Form.structure`."""
        return float(self.router.top_p)


class ReliabilityForm(RouterForm):
    """The network of reliabilities."""

    def follow(self, categories: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> None:
        """See `RouterForm`."""
        state, hidden = self.router.state, self.router.hidden
        names = ("inner", "bias", "outer", "outer_bias")
        for name, part in zip(names, unpacked(state.weights, len(state.mean), len(state.skill), hidden), strict=True):
            self.copies.put(name, part)
        scale = np.sqrt(state.square)
        usable = (scale > 1e-12) & (state.rows > 1)
        usable[categories] = False
        self.copies.put("inverse", np.where(usable, 1.0 / np.where(usable, scale, 1.0), 0.0))
        self.copies.put("mean", np.where(usable, state.mean, 0.0))
        self.copies.put("skill", state.skill)

    @property
    def tensors(self) -> combination.RouterTensors:
        """The network."""
        return combination.RouterTensors(*(self.copies[name] for name in combination.RouterTensors._fields))

    def reliability(self, X: Tensor, evidence: Tensor) -> Tensor:
        """See `RouterForm`."""
        return combination.reliabilities(evidence, X, self.tensors)

    def engaged(self, reliability: Tensor, evidence: Tensor, prior: float) -> Tensor:
        """See `RouterForm`."""
        if self.router.top_p >= 1.0:
            return torch.ones_like(reliability, dtype=torch.bool)
        return combination.top_gains(reliability, evidence, self.router.top_p, prior)


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
