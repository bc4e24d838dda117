"""Where compiled kernels are kept: a folder in the user's cache, named after the sources that it was compiled from.

numba compares a compiled kernel with its own file alone. A kernel that calls functions of other files would go on with
their old code. So the folder's name has a digest of the sources of all kernels: after any edit, kernels are compiled
anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import numba
from llvmlite import binding
from platformdirs import user_cache_path

VARIABLE = "TOCSIN_CACHE_DIR"
"""The environment variable that names another folder than the user's cache."""
KEPT = 3
"""How many folders of other sources are left alone: other checkouts or releases may be in use."""
SOURCES = Path(__file__).resolve().parents[1]
NOT_COMPILED = "device"
"""The folder of `kernels` that holds functions of PyTorch tensors alone."""


def digest(sources: Path = SOURCES) -> str:
    """Sixteen hex digits that change with the source of any kernel and with numba's version."""
    state = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in sorted(sources.rglob("*.py")):
        if path.relative_to(sources).parts[0] == NOT_COMPILED:
            continue
        state.update(path.relative_to(sources).as_posix().encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def parent() -> Path:
    """The folder in which the compiled kernels of all sources lie."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("tocsin")


def use() -> None:
    """Have numba keep kernels there, unless NUMBA_CACHE_DIR says where it keeps them."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    folder = parent() / f"kernels-{digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return  # numba then keeps them beside the sources, or nowhere
    setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 - numba makes its settings at run time
    remove_old(folder.parent, folder)


def _mark(name: str) -> Path | None:
    """The empty file whose presence says that all kernels of `name` are kept; numba keeps them for one processor and
    one version of Python."""
    folder = getattr(numba.config, "CACHE_DIR", "")
    machine = f"{binding.get_host_cpu_name()}-{sys.implementation.cache_tag}"
    return Path(folder) / f"complete-{name}-{machine}" if folder else None


def is_complete(name: str) -> bool:
    """Whether `mark_complete` was called with this name after the last edit of a kernel, on such a processor."""
    mark = _mark(name)
    return mark is not None and mark.exists()


def mark_complete(name: str) -> None:
    """Remember that all kernels that `name` stands for are kept, so that the next start only has to load them."""
    mark = _mark(name)
    if mark is not None:
        with suppress(OSError):
            mark.touch()


def remove_old(parent: Path, current: Path) -> None:
    """Remove the folders of other sources, but for the `KEPT` that were used last."""
    used = []
    for folder in parent.glob("kernels-*"):
        with suppress(OSError):  # another process may remove it at the same time
            used.append((folder.stat().st_mtime, folder))
    others = [folder for _, folder in sorted(used, reverse=True) if folder != current]
    for folder in others[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
