"""What the interpreter takes, the compiler need not: the kernels are compiled to machine code, without a device."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
def test_the_triton_kernels_compile_for_a_card_that_is_not_here(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    script = Path(__file__).with_name("triton_compiles.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    sizes = {name: int(size) for name, size in (line.split() for line in done.stdout.splitlines())}
    assert sizes.keys() == {"clusters", "fuse", "linear", "many", "nearest", "score", "solve", "traverse", "trees"}
    assert min(sizes.values()) > 1_000
