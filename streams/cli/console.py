"""Where the commands print: results on standard output, messages and log lines on standard error.

All of it goes through `printable`, so that nothing from outside steers a terminal, and through `writable`, so that no
character ends a command that the terminal's encoding lacks.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from tocsin.streams.printable import printable, writable


class PrintableConsole(Console):
    """A console that shows a string as it is, in tables and titles, too: no markup, no emoji names, no highlighting."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as a text of rich's: all strings that rich prints come through here."""
        return super().render_str(writable(printable(text, lines=True), self.encoding), **options)


out = PrintableConsole()
err = PrintableConsole(stderr=True)


def print_result(text: str) -> None:
    """Print one line or more of a result: no line breaks at the terminal's width."""
    out.print(text, soft_wrap=True)


def print_message(text: str, *, failed: bool = False) -> None:
    """Print one line to the person who runs the command, also where the text has a line break within a name.

    `failed` shows it in red on a terminal.
    """
    err.print(printable(text), style="red" if failed else None, soft_wrap=True)


class PrintableFormatter(logging.Formatter):
    """Log lines of one shape; a message is one line, whatever stands in it, and only a traceback has more."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback where it has one."""
        return printable(super().format(record), lines=True)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The record's own line."""
        return printable(super().formatMessage(record))


def log_to_stderr(verbose: bool = False) -> None:
    """Write log lines of one shape to standard error; `verbose` includes those of the Kafka clients."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # The client libraries report every attempt to connect, and Tocsin logs what matters of it in its own words.
    for client in ("kafka", "aiokafka", "faust", "mode", "tocsin.streams.transport.kafka.client"):
        logging.getLogger(client).setLevel(logging.INFO if verbose else logging.CRITICAL)
