"""Compiled kernels are kept apart by the sources that they were compiled from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.kernels.common import cache


def test_an_edit_of_any_kernel_changes_the_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.py").write_text("one")
    (tmp_path / "deep" / "b.py").write_text("two")
    before = cache.digest(tmp_path)
    (tmp_path / "deep" / "b.py").write_text("three")
    after = cache.digest(tmp_path)
    (tmp_path / "deep" / "b.py").rename(tmp_path / "deep" / "c.py")
    assert len({before, after, cache.digest(tmp_path)}) == 3


def test_functions_of_tensors_compile_nothing_anew(tmp_path: Path) -> None:
    (tmp_path / "device").mkdir()
    (tmp_path / "a.py").write_text("one")
    before = cache.digest(tmp_path)
    (tmp_path / "device" / "b.py").write_text("two")
    assert cache.digest(tmp_path) == before


def test_folders_of_old_sources_are_removed_and_those_in_use_stay(tmp_path: Path) -> None:
    folders = [tmp_path / f"kernels-{i}" for i in range(cache.KEPT + 3)]
    for age, folder in enumerate(folders):
        folder.mkdir()
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "other").mkdir()
    cache.remove_old(tmp_path, folders[-1])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*(folder.name for folder in folders[: cache.KEPT]), folders[-1].name, "other"}


@pytest.mark.parametrize("variable", ["TOCSIN_CACHE_DIR", "NUMBA_CACHE_DIR"])
def test_the_environment_says_where_kernels_are_kept(tmp_path: Path, variable: str) -> None:
    code = "import tocsin.kernels.common.compiled, numba; print(numba.config.CACHE_DIR)"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("CACHE_DIR")} | {variable: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    named = Path(done.stdout.strip())
    assert named == tmp_path or (variable == "TOCSIN_CACHE_DIR" and named.parent == tmp_path)
    assert named.is_dir()
