"""Which implementation of a kernel runs: a registry for each kernel, and one way to choose.

A kernel registers one implementation for each back end. `reference` always exists: it is plain numpy in float64, and
all other implementations are tested against it. A back end is chosen by its name (the config's `kernels.backend`) or
by "auto". Then the environment variable `TOCSIN_KERNELS_BACKEND` decides if it is set, and otherwise the first back
end of `ORDER` that runs here and may be chosen unasked. Triton may not: it needs a C compiler and a folder to write to
when it first runs, which a service should not find missing on its first event.
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

ORDER = ("numba", "torch", "triton", "reference")
"""From the back end that "auto" prefers to the one that always exists."""
VARIABLE = "TOCSIN_KERNELS_BACKEND"


class UnknownBackendError(ValueError):
    """A kernel has no back end of this name, or the back end cannot run on this machine."""


@cache
def installed(package: str) -> bool:
    """Whether a package can be imported. It is not imported to find out: PyTorch takes seconds."""
    return importlib.util.find_spec(package) is not None


def torch_runs() -> bool:
    """Whether PyTorch is installed."""
    return installed("torch")


@cache
def cuda_there() -> bool:
    """Whether a CUDA device answers. PyTorch is imported to ask only where it and a CUDA driver are installed."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    if not torch_runs():
        return False
    import torch

    return torch.cuda.is_available()


def triton_runs() -> bool:
    """Whether Triton and PyTorch are installed, and a CUDA device answers or Triton interprets its kernels."""
    if not (installed("torch") and installed("triton")):
        return False
    return os.environ.get("TRITON_INTERPRET") == "1" or cuda_there()


def always() -> bool:
    """True."""
    return True


def never() -> bool:
    """False."""
    return False


RUNS: dict[str, Callable[[], bool]] = {"torch": torch_runs, "triton": triton_runs}
"""What says whether a back end runs on this machine; one that is not listed always does."""
SUITS: dict[str, Callable[[], bool]] = {"triton": never}
"""What says whether "auto" may choose a back end that runs."""
NEEDS = {
    "torch": "it needs PyTorch, which `pip install 'tocsin[gpu]'` installs",
    "triton": "it needs a CUDA device, and PyTorch and Triton, which `pip install 'tocsin[gpu]'` installs",
}
"""What is missing where a back end does not run."""


@dataclass(frozen=True)
class Implementation(Generic[P, R]):
    """One back end of a kernel."""

    function: Callable[P, R]
    runs: Callable[[], bool]
    suits: Callable[[], bool]


@dataclass(frozen=True)
class Registry(Generic[P, R]):
    """The implementations of one kernel, by back end."""

    kernel: str
    implementations: dict[str, Implementation[P, R]] = field(default_factory=dict)

    def register(
        self, backend: str, runs: Callable[[], bool] | None = None, suits: Callable[[], bool] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Add an implementation (a decorator).

        `runs` says whether the back end runs on this machine, and `suits` whether "auto" may choose it; where they are
        None, `RUNS` and `SUITS` answer. Raises UnknownBackendError for a name that is not in `ORDER`.
        """
        if backend not in ORDER:
            raise UnknownBackendError(f"{self.kernel}: {backend!r} is none of the back ends {', '.join(ORDER)}")

        def add(function: Callable[P, R]) -> Callable[P, R]:
            self.implementations[backend] = Implementation(
                function, runs or RUNS.get(backend, always), suits or SUITS.get(backend, always)
            )
            return function

        return add

    def available(self) -> tuple[str, ...]:
        """The back ends that run on this machine, in the order of `ORDER`."""
        return tuple(name for name in ORDER if name in self.implementations and self.implementations[name].runs())

    def _is_for_auto(self, backend: str) -> bool:
        return self.implementations[backend].runs() and self.implementations[backend].suits()

    def choose(self, backend: str = "auto") -> str:
        """The name of the back end that will run. Raises UnknownBackendError."""
        wanted = (os.environ.get(VARIABLE) or "auto") if backend == "auto" else backend
        if wanted == "auto":
            return next(name for name in ORDER if name in self.implementations and self._is_for_auto(name))
        choices = f"choose auto or one of {', '.join(sorted(self.available()))}"
        if wanted not in self.implementations:
            raise UnknownBackendError(f"{self.kernel} has no back end {wanted!r} here: {choices}")
        if not self.implementations[wanted].runs():
            reason = NEEDS.get(wanted, "it does not run on this machine")
            raise UnknownBackendError(f"{self.kernel} cannot run on the back end {wanted!r}: {reason}; or {choices}")
        return wanted

    def get(self, backend: str = "auto") -> Callable[P, R]:
        """The implementation that `choose` names. Raises UnknownBackendError."""
        return self.implementations[self.choose(backend)].function
