"""A model on disk: arrays and a manifest, never pickle, complete or not there at all."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.models.experts.base import Arrays, SnapshotError

FORMAT = 2
MANIFEST, ARRAYS = "manifest.json", "arrays.npz"


def write(directory: Path, manifest: dict[str, Any], arrays: Arrays) -> None:
    """Write a snapshot; one that is there already is replaced only when the new one is whole on disk."""
    new = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    with (new / ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    (new / MANIFEST).write_bytes(orjson.dumps({"format": FORMAT, **manifest}, option=orjson.OPT_INDENT_2))
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def read(directory: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The manifest and the arrays. Raises SnapshotError where there is none, or it is damaged or of another format."""
    try:
        manifest: dict[str, Any] = orjson.loads((directory / MANIFEST).read_bytes())
        # Opened here: numpy leaves a file open that turns out to be no archive.
        with (directory / ARRAYS).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise SnapshotError(f"no snapshot can be read from {directory}: {error}") from error
    if not isinstance(manifest, dict):
        raise SnapshotError(f"the manifest in {directory} is no object")
    if manifest.get("format") != FORMAT:
        raise SnapshotError(f"{directory} has snapshot format {manifest.get('format')!r}; this version reads {FORMAT}")
    return manifest, arrays
