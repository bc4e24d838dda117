"""The command line as a whole: every command of `tocsin.streams.cli.commands`, in the order in which help lists them.

The modules of the commands import only what their signatures need, so that `tocsin --help` starts fast. A command
imports the service's own modules (and with them numba, river, pyarrow and the Kafka clients) when it is called.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import tocsin
from tocsin.streams.cli.commands import (
    bootstrap,
    check,
    demo,
    explain,
    feedback,
    init,
    model,
    monitor,
    replay,
    run,
    schema,
    topics,
)
from tocsin.streams.cli.commands.control import forget, promote, rollback
from tocsin.streams.cli.console import print_message, print_result
from tocsin.streams.printable import printable


@contextmanager
def _printable_messages() -> Iterator[None]:
    """Escape what the message of a usage error repeats of the arguments: typer prints it by itself."""
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            setattr(error, "message", printable(message, lines=True))  # noqa: B010 - typer does not publish the class
        raise


class PrintableGroup(TyperGroup):
    """The commands; what is wrong with an argument is told without whatever in it would steer a terminal."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Read the arguments."""
        with _printable_messages():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        with _printable_messages():
            return super().invoke(ctx)


app = typer.Typer(
    cls=PrintableGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for command in (
    init,
    check,
    schema,
    topics,
    run,
    replay,
    bootstrap,
    monitor,
    explain,
    feedback,
    forget,
    promote,
    rollback,
    model,
    demo,
):
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
    """The console script `tocsin`. A result that finds no room where it is written is told in one line."""
    try:
        app()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # What is left of the result would be written once more as the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print_message(f"what was to be printed or written is not complete: {error}", failed=True)
        raise SystemExit(1) from None
