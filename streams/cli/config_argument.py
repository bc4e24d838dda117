"""The argument CONFIG, which most commands take, and the settings that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from tocsin.config import Settings

ConfigFile = Annotated[
    Path,
    typer.Argument(help="The config, a YAML file; the environment (TOCSIN_...) overrides it.", metavar="CONFIG"),
]


def load_settings(path: Path) -> Settings:
    """The settings of a config file. A mistake in it ends the command with exit code 2."""
    from tocsin.config import load

    with reporting_errors():
        return load(path)
