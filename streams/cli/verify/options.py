"""The options of `tocsin replay --verify`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What is verified, and what is kept of it."""

    verify: Annotated[
        bool,
        typer.Option("--verify", help="Make the service's past decisions again from its topics, and check the chain."),
    ] = False
    event: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="Verify the decisions on one event only.")
    ] = None
    heads: Annotated[
        Path | None,
        typer.Option(
            "--heads", metavar="FILE", help="Also check that the heads in this file still stand in the chain."
        ),
    ] = None
    export_heads: Annotated[
        Path | None,
        typer.Option("--export-heads", metavar="FILE", help="Write the heads of the chain, to be kept elsewhere."),
    ] = None

    def given(self) -> str | None:
        """The first option that was given beside `--verify`, which has no meaning without it."""
        for field in fields(self):
            if field.name != "verify" and getattr(self, field.name) is not None:
                return "--" + field.name.replace("_", "-")
        return None
