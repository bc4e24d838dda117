"""The command line as a whole: every command of `tocsin.streams.cli.commands`, in the order in which help lists them.

The modules of the commands import only what their signatures need, so that `tocsin --help` starts fast. A command
imports the service's own modules (and with them numba, river, pyarrow and the Kafka clients) when it is called.
"""

from __future__ import annotations

from typing import Annotated

import typer

import tocsin
from tocsin.streams.cli.commands import check, demo, explain, monitor, replay, run, schema, topics
from tocsin.streams.cli.console import print_result

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for command in (check, schema, topics, run, replay, monitor, explain, demo):
    app.add_typer(command.app)


def _print_version(asked: bool) -> None:
    if asked:
        print_result(f"tocsin {tocsin.__version__}")
        raise typer.Exit


@app.callback()
def tocsin_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Tocsin classifies every event of a Kafka topic, learns from labels that come late, explains and abstains."""


def main() -> None:
    """The console script `tocsin`."""
    app()
