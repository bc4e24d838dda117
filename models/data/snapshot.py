"""A model on disk: a folder with arrays and a manifest, never pickle. It is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.version import __version__

Arrays = Mapping[str, NDArray[Any]]

FORMAT = 2
MANIFEST, ARRAYS = "manifest.json", "arrays.npz"


class SnapshotError(Exception):
    """A model's state cannot be written as arrays, or arrays do not hold what this model needs."""


class Stateful(Protocol):
    """A part of a model that has a state."""

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes (numbers, booleans, fixed-width text). Raises SnapshotError."""
        ...

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises SnapshotError, KeyError or ValueError."""
        ...


def with_prefix(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays of one part of a model, each under the prefix and its own name."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def without_prefix(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with the prefix, by their own names: the inverse of `with_prefix`.

    >>> without_prefix("scaler.", {"scaler.mean": np.zeros(2), "weights": np.ones(2)})
    {'mean': array([0., 0.])}
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def plain_labels(labels: Mapping[str, Hashable]) -> dict[str, bool | int | float | str]:
    """Labels as their caller writes them, by class name, as far as JSON can hold them."""
    plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in labels.items()}
    return {n: v for n, v in plain.items() if isinstance(v, bool | int | float | str)}


def plain_array(values: list[Any], what: str) -> NDArray[Any]:
    """Values that are all bool, int, float or str as an array that gives the same values back.

    Raises SnapshotError, which calls the values `what`, for other types and for several at once.
    """
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise SnapshotError(f"{what} are of types {sorted(k.__name__ for k in kinds)}, not all bool, int, float or str")
    array = np.array(values)
    if array.dtype.hasobject or array.tolist() != values:
        raise SnapshotError(f"{what} do not fit an array of numbers or of text")
    return array


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A constructor's parameters as JSON can hold them. Raises SnapshotError for a value of a type that JSON lacks.

    JSON knows neither infinity nor NaN, which become {"float": "inf"}. `parameters` is the inverse, except that a
    tuple comes back as a list.

    >>> plain_parameters({"max_size": float("inf"), "classes": (1, "a")})
    {'max_size': {'float': 'inf'}, 'classes': [1, 'a']}
    """
    return {name: _plain_parameter(value, name) for name, value in parameters.items()}


def _plain_parameter(value: Any, name: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_parameter(item, name) for item in value]
    raise SnapshotError(f"the parameter {name} is of type {type(value).__name__}, which a snapshot cannot hold")


def parameters(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of which `plain_parameters` gave `plain`."""
    return {name: float(value["float"]) if isinstance(value, dict) else value for name, value in plain.items()}


def digest(arrays: Arrays) -> str:
    """The SHA-256 over the name, dtype, shape and bytes of every array, in the order of their names; 64 hex digits.

    Neither the order in which the arrays are given nor how they lie in memory makes a difference.

    >>> one, other = np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))
    >>> digest({"a": one, "b": np.zeros(0)}) == digest({"b": np.zeros(0), "a": other})
    True
    >>> digest({"a": one}) == digest({"a": one.reshape(3, 2)})
    False
    """
    whole = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        # The line before the bytes tells how many they are, so that no two sets of arrays give the same stream.
        whole.update(json.dumps([name, array.dtype.str, array.shape]).encode() + b"\n")
        whole.update(array.tobytes())
    return whole.hexdigest()


def write(directory: Path, manifest: Mapping[str, Any], arrays: Arrays) -> str:
    """Write a snapshot, and return the digest of its arrays.

    One that is there already is replaced only when the new one is whole on disk. The manifest gets the keys `format`,
    `tocsin`, which is the version that writes, and `sha256`, the digest. Raises SnapshotError, and writes nothing, for
    a manifest that JSON cannot hold or an array of Python objects; OSError where the disk is full, and leaves nothing
    there then.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise SnapshotError(f"the array {name} holds Python objects, which a snapshot cannot")
    sha256 = digest(arrays)
    text = _as_json({"format": FORMAT, "tocsin": __version__, **manifest, "sha256": sha256})
    new = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _write_files(new, text, arrays)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
    return sha256


def _write_files(directory: Path, manifest: bytes, arrays: Arrays) -> None:
    savez: Callable[..., None] = np.savez
    with (directory / ARRAYS).open("wb") as file:
        savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    (directory / MANIFEST).write_bytes(manifest)


def _as_json(manifest: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    except TypeError as error:
        raise SnapshotError(f"the manifest cannot be written as JSON: {error}") from error


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest alone, of whatever version. Raises SnapshotError where there is none."""
    try:
        manifest = orjson.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise SnapshotError(f"no snapshot can be read from {directory}: {error}") from error
    if not isinstance(manifest, dict):
        raise SnapshotError(f"the manifest in {directory} is not a JSON object")
    return manifest


def read(directory: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The manifest and the arrays. Raises SnapshotError where there is none, or it is damaged or of another format.

    Earlier releases wrote no `sha256` into the manifest: what they wrote is taken as it is.
    """
    try:
        manifest: dict[str, Any] = orjson.loads((directory / MANIFEST).read_bytes())
        # The file is opened here because numpy leaves a file open that turns out to be no archive.
        with (directory / ARRAYS).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise SnapshotError(f"no snapshot can be read from {directory}: {error}") from error
    if not isinstance(manifest, dict):
        raise SnapshotError(f"the manifest in {directory} is not a JSON object")
    if manifest.get("format") != FORMAT:
        raise SnapshotError(f"{directory} has snapshot format {manifest.get('format')!r}; this version reads {FORMAT}")
    if "sha256" in manifest and manifest["sha256"] != digest(arrays):
        raise SnapshotError(f"{directory} is damaged: its arrays are not those whose SHA-256 its manifest names")
    return manifest, arrays
