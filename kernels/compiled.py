"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile by numba: no GIL, cached on disk, IEEE sums in the written order, x / 0 = inf rather than an
    exception.

    numba's cache looks at the compiled file alone: after an edit to a function that others call, delete the
    `*.nbi` files beside it, or they go on calling the old one.
    """
    compiled = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(function)
    return cast(F, compiled)
