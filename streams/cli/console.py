"""Where the commands print: results on standard output, messages and log lines on standard error."""

from __future__ import annotations

import logging
import sys

from rich.console import Console

out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


def print_result(text: str) -> None:
    """Print one line or more of a result exactly as given: no markup, and no line breaks at the terminal's width."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def print_message(text: str, *, failed: bool = False) -> None:
    """Print a message to the person who runs the command; `failed` shows it in red on a terminal."""
    err.print(text, style="red" if failed else None, markup=False, highlight=False, soft_wrap=True)


def log_to_stderr(verbose: bool = False) -> None:
    """Write log lines of one shape to standard error; `verbose` includes those of the Kafka clients."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    # The client libraries report every attempt to connect, and Tocsin logs what matters of it in its own words.
    for client in ("kafka", "tocsin.streams.transport.kafka.client"):
        logging.getLogger(client).setLevel(logging.INFO if verbose else logging.CRITICAL)
