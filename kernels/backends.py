"""Which implementation of a kernel runs: one registry, one way to choose.

A kernel registers an implementation a back end; `reference` is always there, is plain numpy in float64, and is the
oracle of all others. The choice is made by name, by the environment variable `TOCSIN_KERNELS_BACKEND`, or by `auto`:
the first of `ORDER` that the kernel has here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ORDER = ("triton", "numba", "torch", "reference")
"""From the one that `auto` prefers to the one that is always there."""
VARIABLE = "TOCSIN_KERNELS_BACKEND"


class UnknownBackendError(ValueError):
    """A back end was asked for by a name that this kernel does not have here."""


@dataclass(frozen=True)
class Registry(Generic[P, R]):
    """The implementations of one kernel, by back end."""

    kernel: str
    implementations: dict[str, Callable[P, R]] = field(default_factory=dict)

    def register(self, backend: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Add an implementation (a decorator). Raises UnknownBackendError for a name that is not in `ORDER`."""
        if backend not in ORDER:
            raise UnknownBackendError(f"{self.kernel}: {backend!r} is none of the back ends {', '.join(ORDER)}")

        def add(function: Callable[P, R]) -> Callable[P, R]:
            self.implementations[backend] = function
            return function

        return add

    def choose(self, backend: str = "auto") -> str:
        """The name of the back end that will run. Raises UnknownBackendError."""
        wanted = (os.environ.get(VARIABLE) or "auto") if backend == "auto" else backend
        if wanted == "auto":
            return next(name for name in ORDER if name in self.implementations)
        if wanted not in self.implementations:
            have = ", ".join(sorted(self.implementations))
            raise UnknownBackendError(f"{self.kernel} has no back end {wanted!r} here: choose auto or one of {have}")
        return wanted

    def get(self, backend: str = "auto") -> Callable[P, R]:
        """The implementation that `choose` names. Raises UnknownBackendError."""
        return self.implementations[self.choose(backend)]
