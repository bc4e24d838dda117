"""How a command ends when something goes wrong that a user can mend: with one message and no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tocsin.streams.cli.console import print_message

EXIT_CODES = {
    "tocsin.config.loading.errors.ConfigError": 2,
    "tocsin.models.classifier.UnknownClassError": 1,
    "tocsin.models.data.snapshot.SnapshotError": 1,
    "tocsin.streams.monitor.server.PageError": 1,
    "tocsin.streams.monitor.shadow.choosing.ChoiceRefusedError": 1,
    "tocsin.streams.replay.bootstrap.bootstrap.BootstrapError": 1,
    "tocsin.streams.replay.inference.label.UnclearError": 2,
    "tocsin.streams.replay.past_event.SourceError": 1,
    "tocsin.streams.replay.verify.chain_check.HeadsError": 1,
    "tocsin.streams.state.entries.StateError": 1,
    "tocsin.streams.transport.base.TransportError": 1,
    "tocsin.streams.wire.sealing.secret.ErasureError": 2,
    "tocsin.streams.transport.embedded.EmbeddedBrokerError": 1,
    "tocsin.streams.worker.learning.learn.FeedbackError": 1,
    "tocsin.streams.worker.learning.rollback.RollbackError": 1,
    "tocsin.streams.worker.deciding.scoring.NoDeviceError": 2,
    "tocsin.streams.worker.snapshots.store.StoreError": 1,
}
"""The exit code for each error that is expected, by its class.

The classes stand here by name: importing them would load models, numba and the Kafka clients for every command.
"""


def exit_code(error: Exception) -> int | None:
    """The exit code for an expected error, which may be of a subclass of one in `EXIT_CODES`; None for any other."""
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__)
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), None)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """End the command with an expected error's own message on standard error. Other errors pass through."""
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        for line in getattr(error, "lines", (str(error),)):
            print_message(line, failed=True)
        raise typer.Exit(code) from None
