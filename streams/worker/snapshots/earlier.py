"""Earlier snapshots: those that a worker keeps beside its latest one, to go back to when labels are left out.

The farther back, the sparser they are. So a model that must go back by n records learns at most some three times as
many anew, and few snapshots reach far back.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.models.data.snapshot import ARRAYS, MANIFEST, Arrays, SnapshotError, read_manifest, write

AHEAD = "obeyed_ahead"
"""The key of a manifest for the control records behind its offset that the model has obeyed all the same."""
_NAME = re.compile(r"[0-9]{20}")


class EarlierSnapshot(NamedTuple):
    """One of them."""

    offset: int
    """Its feedback offset."""
    directory: Path


class EarlierSnapshots:
    """The earlier snapshots of one worker, at multiples of `state.snapshot_every`."""

    def __init__(self, directory: Path, every: int, most: int) -> None:
        """`most` are kept at the most."""
        self._directory = directory
        self._every = every
        self._most = most

    def keeps(self, offset: int, head: int) -> bool:
        """Whether the snapshot of an offset is kept once the model has learnt all records below `head`.

        What is kept for a later head was kept for every earlier one.
        """
        number, last = offset // self._every, head // self._every
        if not self._most or offset % self._every or not 0 < number <= last:
            return False
        level = (last - number).bit_length()  # of which each spans twice as many multiples as the one before it
        return level < self._most and number % (1 << max(level - 1, 0)) == 0

    def all(self) -> list[EarlierSnapshot]:
        """All that there are, the newest first."""
        try:
            found = [path for path in self._directory.iterdir() if _NAME.fullmatch(path.name)]
        except OSError:
            return []
        return [EarlierSnapshot(int(path.name), path) for path in sorted(found, reverse=True)]

    def keep(self, offset: int, directory: Path) -> None:
        """Keep the snapshot of an offset that stands in a directory, and drop what is not kept any more."""
        if self.keeps(offset, offset):
            with contextlib.suppress(OSError):  # it is only a shortcut, and the disk may be full
                link(directory, self._place(offset))
        self._thin(offset)

    def write(self, offset: int, manifest: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a snapshot that is no worker's latest one. Raises SnapshotError."""
        with contextlib.suppress(OSError):
            write(self._place(offset), manifest, arrays)

    def remove(self, unwanted: Callable[[EarlierSnapshot], bool]) -> None:
        """Remove those that are not wanted any more."""
        for one in self.all():
            if unwanted(one):
                shutil.rmtree(one.directory, ignore_errors=True)

    def _thin(self, head: int) -> None:
        self.remove(lambda one: not self.keeps(one.offset, head))

    def _place(self, offset: int) -> Path:
        return self._directory / f"{offset:020d}"


def obeyed_ahead(manifest: Mapping[str, Any]) -> list[int]:
    """The offsets of control records at or behind its own that the model of a snapshot has obeyed."""
    found = manifest.get(AHEAD, [])
    return sorted(found) if isinstance(found, list) and all(isinstance(one, int) for one in found) else []


def ahead_of(directory: Path) -> list[int]:
    """The same of the snapshot in a directory; none where there is none."""
    with contextlib.suppress(SnapshotError):
        return obeyed_ahead(read_manifest(directory))
    return []


def link(source: Path, target: Path) -> None:
    """Have a second name for the files of a snapshot, which takes no more room, or a copy of them. Raises OSError."""
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name in (ARRAYS, MANIFEST):
        try:
            os.link(source / name, new / name)
        except OSError:
            shutil.copyfile(source / name, new / name)
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
