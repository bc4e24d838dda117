"""`tocsin demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.streams.cli.console import log_to_stderr, out
from tocsin.streams.cli.failures import reporting_errors

app = typer.Typer()


@app.command(epilog="Example: `tocsin demo`")
def demo(
    events: Annotated[int, typer.Option(help="Events of the electricity stream to replay.", min=100)] = 20_000,
    messages: Annotated[int, typer.Option(help="Text messages to replay.", min=100)] = 5_574,
) -> None:
    """Run the whole service on an embedded broker with two real streams, and say how it did."""
    from tocsin.streams.cli.demo.run import run

    log_to_stderr()
    with reporting_errors():
        run(out, events=events, messages=messages)
