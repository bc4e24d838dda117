"""The commands, and what they have in common: where output goes, and how a failure is told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin.config import ConfigError, Settings, load
from tocsin.models.classifier import UnknownClassError
from tocsin.models.experts.base import SnapshotError
from tocsin.streams.replay.source import SourceError
from tocsin.streams.state.store import StateError
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.embedded import EmbeddedBrokerError
from tocsin.streams.worker.learn import FeedbackError

app = typer.Typer(
    help="Tocsin classifies every event of a Kafka topic, learns from labels that come late, explains and abstains.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
out, err = Console(emoji=False), Console(stderr=True, emoji=False)

ConfigFile = Annotated[
    Path,
    typer.Argument(help="The config, a YAML file; the environment (TOCSIN_...) overrides it.", metavar="CONFIG"),
]
EXPECTED: tuple[type[Exception], ...] = (
    ConfigError, EmbeddedBrokerError, FeedbackError, TransportError, SnapshotError, SourceError, StateError,
    UnknownClassError,
)  # fmt: skip


@contextmanager
def told(*more: type[Exception]) -> Iterator[None]:
    """What can go wrong is told in its own words, without a traceback; exit code 1 (2 for a config)."""
    try:
        yield
    except (*EXPECTED, *more) as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None


def settings_of(path: Path) -> Settings:
    """The settings of a file; a mistake ends the command."""
    with told():
        return load(path)


def log_to_stderr(verbose: bool) -> None:
    """Log lines of one shape, on standard error."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    # The client libraries narrate every connection; their warnings are kept.
    for noisy in ("kafka", "tocsin.streams.transport.kafka.client"):
        logging.getLogger(noisy).setLevel(logging.INFO if verbose else logging.CRITICAL)


def main() -> None:
    """The console script `tocsin`."""
    # The commands register themselves with `app` when they are imported.
    from tocsin.streams.cli import inspect, replay, serve  # noqa: F401

    app()
