"""Where the snapshots of both models lie: each follows its config, whichever of both files names it today."""

from __future__ import annotations

from pathlib import Path

from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import SnapshotError, read_manifest


def exchange(own: Path, other: Path, settings: Settings) -> None:
    """Exchange two directories of snapshots, where the other one is of the model of these settings and the own is not.

    So after a promotion nothing is folded anew once the config of the shadow has become the file's own. The earlier
    snapshots, which lie beside each, go with it. Raises OSError.
    """
    if _is_of(own, settings) or not _is_of(other, settings):
        return
    for name in (own.name, "earlier"):
        _swap(own.with_name(name), other.with_name(name))


def _swap(one: Path, other: Path) -> None:
    """Exchange two directories, of which either may be missing."""
    aside = other.with_name(f".{other.name}.aside")
    if one.exists():
        one.rename(aside)
    if other.exists():
        one.parent.mkdir(parents=True, exist_ok=True)
        other.rename(one)
    if aside.exists():
        aside.rename(other)


def _is_of(directory: Path, settings: Settings) -> bool:
    try:
        manifest = read_manifest(directory)
    except SnapshotError:
        return False
    lineage = manifest.get("lineage", "")
    return isinstance(lineage, str) and settings.model.digest(lineage) == manifest.get("config")
