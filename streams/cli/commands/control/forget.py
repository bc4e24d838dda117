"""`tocsin forget`."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tocsin.streams.worker.erasing.forget import ForgetReport, FoundSubject

app = typer.Typer()

_NAMED = 10
"""Subjects that the question names."""


@app.command(epilog="Example: `tocsin forget payments.yaml --subject account-17`")
def forget(
    config: ConfigFile,
    subject: Annotated[list[str] | None, typer.Option(help="A subject; may be given several times.")] = None,
    subjects_file: Annotated[
        Path | None, typer.Option(help="A file of subjects, one a line.", exists=True, dir_okay=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    report: Annotated[Literal["table", "json"], typer.Option(help="How to print the figures.")] = "table",
) -> None:
    """Make all that subjects wrote unreadable, in every topic and state, and have the models unlearn it.

    Their keys are deleted, so that nobody can open what was sealed under them, and every worker obeys, also one that
    is down now. It cannot be undone. What stays, and for how long, is in docs/erasure.md.
    """
    settings = load_settings(config)
    subjects = list(dict.fromkeys([*(subject or ()), *_lines(subjects_file)]))
    if not all(map(str.strip, subjects)):
        raise typer.BadParameter("it is empty, and nobody is called so", param_hint="--subject")
    if not subjects:
        print_message("nobody to forget: give --subject, or --subjects-file", failed=True)
        raise typer.Exit(2)
    from tocsin.streams.worker.erasing.forget import Forget, open_transport, required_secret

    log_to_stderr()
    with reporting_errors():
        required_secret(settings)  # before any broker is asked
        with closing(open_transport(settings)) as transport:
            command = Forget(settings, transport)
            found = command.find(subjects)
            _tell_what_is_found(found)
            if not yes and not typer.confirm("Forget them? This cannot be undone.", err=True):
                raise typer.Exit(1)
            result = command.forget(found)
    _print(result, report)
    nobody = [one.subject for one in found if not (one.known or one.forgotten)]
    if nobody:
        more = f" and {len(nobody) - _NAMED:,} more" if len(nobody) > _NAMED else ""
        print_message(
            f"nothing was found of {', '.join(map(repr, nobody[:_NAMED]))}{more}, and nobody of that name was "
            "forgotten before: look at how it is written in the events",
            failed=True,
        )
    if result.in_clear:
        print_message(
            f"{result.in_clear:,} feedback records were written before erasure was enabled, and stay readable in the "
            "topic of feedback: they go with its beginning (feedback.keep), or with the topic",
            failed=True,
        )
    if nobody or result.in_clear:
        raise typer.Exit(1)


def _lines(file: Path | None) -> list[str]:
    """The subjects of a file, without white space around them and without a byte order mark; no blank lines."""
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not UTF-8: {error.reason}", param_hint="--subjects-file") from None
    return [line.strip() for line in lines if line.strip()]


def _tell_what_is_found(found: Sequence[FoundSubject]) -> None:
    for one in found[:_NAMED]:
        before = ", and was forgotten before" if one.forgotten else ""
        print_message(
            f"{one.subject}: {len(one.keys):,} keys, {len(one.feedback):,} feedback records that the models have learnt"
            f"{before}"
        )
    if len(found) > _NAMED:
        print_message(f"and {len(found) - _NAMED:,} more subjects")


def _print(result: ForgetReport, report: str) -> None:
    figures = dataclasses.asdict(result)
    if report == "json":
        print_result(json.dumps(figures))
        return
    from rich.table import Table

    shown = Table(show_header=False)
    for name, value in figures.items():
        shown.add_row(name.replace("_", " "), f"{value:,}")
    out.print(shown)
