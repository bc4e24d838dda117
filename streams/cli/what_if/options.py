"""The options of `tocsin replay --what-if`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class WhatIfOptions:
    """Under which other config past decisions are made again."""

    what_if: Annotated[
        Path | None,
        typer.Option(
            "--what-if", metavar="OTHER", help="Decide the past again under this other config, and say what changes."
        ),
    ] = None
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions", metavar="FILE", help="Also write the decisions of the other config here, as JSONL."
        ),
    ] = None

    def given(self) -> str | None:
        """The first option that says something of what-if, without `--what-if` itself."""
        return "--decisions" if self.decisions is not None else None
