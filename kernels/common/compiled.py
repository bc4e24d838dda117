"""How a kernel that is one file is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core import types

from tocsin.kernels.common import cache

cache.use()

F = TypeVar("F", bound=Callable[..., Any])

_NARROW = types.int8, types.int16, types.int32
_unliteral: Any = types.unliteral


def kernel(function: F) -> F:
    """Compile by numba: without the GIL, kept on disk, sums in the written order, and x / 0 = inf without an error."""
    return _compiled(function)


def inlined(function: F) -> F:
    """As `kernel`, and made part of every kernel that calls it: where vectors would go through memory by a call."""
    return _compiled(function, forceinline=True)


def _compiled(function: F, forceinline: bool = False) -> F:
    # A cached kernel names its module, and a test run that collects a file by its path knows it by a shorter name.
    if not function.__module__.startswith("tocsin."):
        function.__module__ = f"tocsin.{function.__module__}"
    jit = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", forceinline=forceinline)
    return cast(F, _called_by_general_types(jit(function)))


def _called_by_general_types(dispatcher: Any) -> Any:
    """Let all calls by other kernels share what was compiled for the general type of an argument.

    Left alone, numba compiles a kernel once for each literal number, once for a variable that begins as a literal, and
    once for each width of integers: four times as often as the kernels need.
    """
    template = dispatcher.get_call_template

    def general_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(map(_general, args)), {name: _general(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = general_template
    return dispatcher


def _general(kind: Any) -> Any:
    """The type of an argument without its literal value; signed integers are int64."""
    kind = _unliteral(kind)
    return types.int64 if kind in _NARROW else kind
