"""How numba compiles a kernel: once for calls from Python, and once as a part of the kernels that call it.

numba compiles every function for calls from Python: it makes a wrapper that unpacks the arguments, optimises the
function with all that it calls, and writes machine code. A kernel that is called by other kernels needs none of that,
as they link its LLVM code into their own and optimise the whole. Leaving it out saves a third of the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

_dynfunc: Any = import_module("numba._dynfunc")  # in C, so that no type checker sees it
# numba gives no types to these.
_passes: Any = DefaultPassBuilder
_register: Any = register_pass
_lower: Any = NativeLowering.run_pass


class LinkedLibrary(JITCodeLibrary):
    """Code that is linked into other libraries, which optimise it and turn it into machine code."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        finish: Any = self._finalize_dynamic_globals
        finish()
        self._finalized = True


_library: Any = LinkedLibrary


@_register(mutates_CFG=True, analysis_only=False)
class LinkedLowering(NativeLowering):
    """Translates a function to LLVM code that is compiled as a part of its callers alone."""

    _name = "linked_lowering"

    def run_pass(self, state: Any) -> bool:
        """See numba's documentation of compiler passes."""
        state.library = _library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        _lower(self, state)
        lowered = state["cr"]
        name = lowered.fndesc.qualname.split(".")[-1]
        # An object of its own, by which numba finds the code for a call. It cannot be called itself.
        key = _dynfunc.make_function(lowered.fndesc.lookup_module(), name, "", 0, lowered.env, (state.library,))
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=key, env=lowered.env)
        return True


@_register(mutates_CFG=True, analysis_only=False)
class InlinedLowering(LinkedLowering):
    """As `LinkedLowering`, and LLVM has to inline the function wherever it is called."""

    _name = "inlined_lowering"

    def run_pass(self, state: Any) -> bool:
        """See numba's documentation of compiler passes."""
        state.flags.forceinline = True
        return super().run_pass(state)


@_register(mutates_CFG=True, analysis_only=False)
class CalledLowering(NativeLowering):
    """Compiles a function with a wrapper for calls from Python."""

    _name = "called_lowering"

    def run_pass(self, state: Any) -> bool:
        """See numba's documentation of compiler passes."""
        state.flags.no_cpython_wrapper = False
        return bool(_lower(self, state))


class _Compiler(CompilerBase):
    """numba's own passes, with one of the above in place of its lowering.

    The flags that differ are set by that pass rather than by options of `njit`: numba compiles its own functions, such
    as `np.empty`, anew for each set of options under which they are called.
    """

    lowering: type[Any]

    def define_pipelines(self) -> list[Any]:
        """See numba's documentation of custom pipelines."""
        manager = _passes.define_nopython_pipeline(self.state)
        manager.passes = [(self.lowering if step is NativeLowering else step, why) for step, why in manager.passes]
        manager.finalize()
        return [manager]


class LinkedCompiler(_Compiler):
    """Compiles a kernel for the kernels that call it."""

    lowering = LinkedLowering


class InlinedCompiler(_Compiler):
    """Compiles a kernel that becomes a part of every kernel that calls it."""

    lowering = InlinedLowering


class CalledCompiler(_Compiler):
    """Compiles a kernel for calls from Python."""

    lowering = CalledLowering
