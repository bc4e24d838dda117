"""How a kernel that is one file is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile by numba: no GIL, cached on disk, IEEE sums in the written order, x / 0 = inf rather than an
    exception.

    numba's cache looks at the compiled file alone: after an edit to a function of another file that it calls,
    delete the `*.nbi` files beside it.
    """
    # A cached kernel names its module, and a test run that collects a file by its path knows it by a shorter name.
    if not function.__module__.startswith("tocsin."):
        function.__module__ = f"tocsin.{function.__module__}"
    return cast(F, numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function))


def inlined(function: F) -> F:
    """As `kernel`, and made part of every kernel that calls it: where vectors would go through memory by a call."""
    if not function.__module__.startswith("tocsin."):
        function.__module__ = f"tocsin.{function.__module__}"
    compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", forceinline=True)
    return cast(F, compiled(function))
