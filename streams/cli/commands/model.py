"""`tocsin model`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer()

_TRIES = 5
_PAUSE_SECONDS = 0.2


@app.command(epilog="Example: `tocsin model config/presets/electricity.yaml`")
def model(
    config: ConfigFile,
    report: Annotated[Literal["words", "json"], typer.Option(help="How to print it.")] = "words",
) -> None:
    """Say which model this worker's last snapshot holds: two workers at one feedback offset have the same digest."""
    settings = load_settings(config)
    directory = settings.state.directory / settings.name / "snapshot"
    with reporting_errors():
        found, lineage = _last_snapshot(directory)
    if report == "json":
        print_result(json.dumps(found))
        return
    print_result(f"the snapshot in {directory}")
    print_result(
        f"has learnt {found['learnt']:,} feedback records, all up to feedback offset {found['feedback_offset']:,}"
    )
    ours = settings.model.digest(lineage) == found["config"]
    print_result(f"config {found['config']}{'' if ours else ', which is not that of this config as it stands'}")
    print_result(f"sha256 {found['sha256']}, over all its arrays")
    if found["left_out"]:
        names = ", ".join(found["left_out"])
        print_result(f"columns left out of what is standardised, because they tell nothing of the class: {names}")


def _last_snapshot(directory: Path) -> tuple[dict[str, Any], str]:
    """What `--report json` prints, and the lineage of the model.

    Raises SnapshotError where there is no snapshot, or a damaged one.
    """
    from tocsin.models.data.snapshot import SnapshotError

    for _ in range(_TRIES - 1):
        try:
            return _read(directory)
        except SnapshotError:
            time.sleep(_PAUSE_SECONDS)  # a worker that runs may have put a new one in its place meanwhile
    return _read(directory)


def _read(directory: Path) -> tuple[dict[str, Any], str]:
    from tocsin.models.data.snapshot import SnapshotError, digest, read

    manifest, arrays = read(directory)
    found: dict[str, Any] = {name: manifest.get(name) for name in ("feedback_offset", "learnt", "config")}
    types = {"feedback_offset": int, "learnt": int, "config": str}
    if missing := [name for name, kind in types.items() if type(found[name]) is not kind]:
        raise SnapshotError(f"{directory} is damaged: its manifest has no {' and no '.join(missing)}")
    gone = arrays.get("relevance/left_out", ())
    left_out = [str(name) for name, out in zip(manifest.get("columns", ()), gone, strict=False) if out]
    return {**found, "sha256": digest(arrays), "left_out": left_out}, str(manifest.get("lineage", ""))
