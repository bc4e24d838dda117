"""What tests of kernels share."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from tocsin.kernels.backends import cuda_there

pytest.register_assert_rewrite("tests.kernels.fusion_behaviour")


@pytest.fixture(scope="class")
def triton() -> Iterator[None]:
    """Triton: on the device where there is one, by its interpreter elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        if not cuda_there():
            patch.setenv("TRITON_INTERPRET", "1")
            # What is compiled and what is interpreted is settled when a kernel is defined.
            for name in ("fusion.triton_block", "score.triton_kernel", "traversal.triton_kernel"):
                importlib.import_module(f"tocsin.kernels.{name}")
        yield
