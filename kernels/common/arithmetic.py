"""Arithmetic that numba does not offer by itself."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.extending import intrinsic


def _fma(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once (IEEE 754 fusedMultiplyAdd); only compiled code may call it.

    It gives the same bits on every machine: where the processor has no such instruction, LLVM calls the C library.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), build


fma: Any = intrinsic(_fma)
