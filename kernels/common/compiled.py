"""How a kernel that is one file is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core import event, types
from numba.core.compiler import CompilerBase

from tocsin.kernels.common import cache
from tocsin.kernels.common.linked import CalledCompiler, InlinedCompiler, LinkedCompiler

cache.use()

F = TypeVar("F", bound=Callable[..., Any])

_NARROW = types.int8, types.int16, types.int32
_unliteral: Any = types.unliteral


def kernel(function: F) -> F:
    """Compile by numba: without the GIL, kept on disk, sums in the written order, and x / 0 = inf without an error."""
    return _compiled(function, LinkedCompiler)


def inlined(function: F) -> F:
    """As `kernel`, and made part of every kernel that calls it: where vectors would go through memory by a call."""
    return _compiled(function, InlinedCompiler)


def _compiled(function: F, linked_by: type[CompilerBase]) -> F:
    # A cached kernel names its module, and a test run that collects a file by its path knows it by a shorter name.
    if not function.__module__.startswith("tocsin."):
        function.__module__ = f"tocsin.{function.__module__}"
    # Wrappers for calls from C are never needed, those for calls from Python are added by `CalledCompiler`.
    njit: Any = numba.njit  # its types do not name all of its options
    options = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    called = njit(cache=True, pipeline_class=CalledCompiler, **options)(function)
    linked = njit(pipeline_class=linked_by, **options)(function)
    return cast(F, _called_by_kernels(called, linked))


def _called_by_kernels(dispatcher: Any, linked: Any) -> Any:
    """Have kernels call `linked`, and share what was compiled for the general type of an argument.

    Left alone, numba compiles a kernel once for each literal number, once for a variable that begins as a literal, and
    once for each width of integers: four times as often as the kernels need.
    """

    def compile_once(signature: tuple[Any, ...]) -> Any:
        # As the dispatcher does it, without the timers that it begins at each call and that count those of all others.
        if signature not in linked.overloads:
            with event.trigger_event("numba:compile", data={"dispatcher": linked, "args": signature}):
                linked.add_overload(linked._compiler.compile(signature, None))
        return linked.overloads[signature].entry_point

    template = linked.get_call_template

    def general_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(map(_general, args)), {name: _general(kind) for name, kind in kws.items()})

    linked.compile = compile_once
    dispatcher.get_call_template = general_template
    dispatcher.get_overload = linked.get_overload
    return dispatcher


def _general(kind: Any) -> Any:
    """The type of an argument without its literal value; signed integers are int64."""
    kind = _unliteral(kind)
    return types.int64 if kind in _NARROW else kind
