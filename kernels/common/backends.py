"""Which implementation of a kernel runs: one registry, one way to choose.

A kernel registers an implementation a back end; `reference` is always there, is plain numpy in float64, and is the
oracle of all others. The choice is made by name, by `prefer` (the config's `kernels.backend`), by the environment
variable `TOCSIN_KERNELS_BACKEND`, or by `auto`: the first of `ORDER` that the kernel has here.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ORDER = ("triton", "numba", "torch", "reference")
"""From the one that `auto` prefers to the one that is always there."""
VARIABLE = "TOCSIN_KERNELS_BACKEND"


class UnknownBackendError(ValueError):
    """A back end was asked for by a name that this kernel does not have here."""


@cache
def cuda_there() -> bool:
    """Whether a CUDA device answers. Torch, which takes seconds to load, is asked only where a driver is installed."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def triton_runs() -> bool:
    """Whether Triton is installed and has a device, or interprets."""
    if importlib.util.find_spec("triton") is None:
        return False
    return os.environ.get("TRITON_INTERPRET") == "1" or cuda_there()


def always() -> bool:
    """Here wherever Tocsin is."""
    return True


@dataclass(frozen=True)
class Registry(Generic[P, R]):
    """The implementations of one kernel, by back end."""

    kernel: str
    implementations: dict[str, Callable[P, R]] = field(default_factory=dict)
    runs: dict[str, Callable[[], bool]] = field(default_factory=dict)
    suits: dict[str, Callable[[], bool]] = field(default_factory=dict)

    def register(
        self, backend: str, runs: Callable[[], bool] = always, suits: Callable[[], bool] = always
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Add an implementation (a decorator), and what says whether it runs here and whether `auto` may take it.

        Raises UnknownBackendError for a name that is not in `ORDER`.
        """
        if backend not in ORDER:
            raise UnknownBackendError(f"{self.kernel}: {backend!r} is none of the back ends {', '.join(ORDER)}")

        def add(function: Callable[P, R]) -> Callable[P, R]:
            self.implementations[backend] = function
            self.runs[backend], self.suits[backend] = runs, suits
            return function

        return add

    def here(self) -> tuple[str, ...]:
        """The back ends that run here, by `ORDER`."""
        return tuple(name for name in ORDER if name in self.implementations and self.runs[name]())

    def choose(self, backend: str = "auto") -> str:
        """The name of the back end that will run. Raises UnknownBackendError."""
        wanted = (os.environ.get(VARIABLE) or "auto") if backend == "auto" else backend
        if wanted == "auto":
            return next(name for name in self.here() if self.suits[name]())
        if wanted not in self.implementations or not self.runs[wanted]():
            have = ", ".join(sorted(self.here()))
            raise UnknownBackendError(f"{self.kernel} has no back end {wanted!r} here: choose auto or one of {have}")
        return wanted

    def get(self, backend: str = "auto") -> Callable[P, R]:
        """The implementation that `choose` names. Raises UnknownBackendError."""
        return self.implementations[self.choose(backend)]
