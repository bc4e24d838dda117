"""Rows of numbers by their addresses, for the inner loops of kernels.

numba counts an array's references whenever the array is handed to another function, which may cost as much as the work
that is done there. An address is a plain number. It is valid as long as the array lives: an array that a kernel makes
itself is freed after its last use by name, so only the addresses of a kernel's arguments are taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Address = int
"""Where a row of numbers stands in memory, int64."""


def _pointer(typingctx: Any, address: Any) -> Any:
    """An int64 address as a pointer, an intrinsic of numba."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), build


pointer: Any = intrinsic(_pointer)


@kernel
def address_of(array: NDArray[Any]) -> Address:
    """Where a contiguous array begins."""
    return int(np.int64(array.ctypes.data))


@kernel
def floats_at(address: Address, n: int) -> NDArray[np.float64]:
    """The n float64 that stand at an address."""
    return carray(pointer(address), (n,), np.float64)


@kernel
def ints_at(address: Address, n: int) -> NDArray[np.int32]:
    """The n int32 that stand at an address."""
    return carray(pointer(address), (n,), np.int32)
