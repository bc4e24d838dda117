"""What tests of kernels share."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Callable
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.kernels.fusion.fusion_behaviour")


@pytest.fixture(autouse=True, scope="session")
def _quick_interpreter() -> None:
    """Halve the time that Triton's interpreter takes.

    It replaces its language's functions by those that interpret before every call of a function inside a kernel, too,
    where they are replaced already. This makes it do so once a kernel.
    """
    if os.environ.get("TRITON_INTERPRET") != "1" or importlib.util.find_spec("triton") is None:
        return
    from triton.runtime import interpreter

    replace: Callable[[Any], Any] = interpreter._patch_lang

    def replace_what_is_not_yet(function: Any) -> Any:
        languages = [
            module for module in function.__globals__.values()
            if inspect.ismodule(module) and module in (interpreter.tl, interpreter.tl.core)
        ]  # fmt: skip
        if any(interpreter.tl.core.is_builtin(language.load) for language in languages):
            return replace(function)
        return interpreter._LangPatchScope()  # replaced by the kernel's own call, which also puts it back

    interpreter._patch_lang = replace_what_is_not_yet
