"""The settings that a snapshot was written with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tocsin.config.model import ModelSettings
from tocsin.models.data.snapshot import SnapshotError


def settings_of(manifest: Mapping[str, Any], directory: Path | str) -> ModelSettings | None:
    """They, from the manifest of a classifier; None where it had none of its own.

    Raises SnapshotError where this version does not know them.
    """
    written = manifest.get("settings")
    try:
        return None if written is None else ModelSettings.from_record(written)
    except ValueError as error:
        raise SnapshotError(f"the settings in {directory} are not of this version, so give them: {error}") from error
