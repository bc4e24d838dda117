"""The state of a shadow: an environment of its own, so that it can fill up or be damaged without the worker's.

It is committed about once a second and not with each batch. What it lacks after a crash is a second of what the
shadow saw of the stream, which changes no decision that somebody has seen.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tocsin.streams.state.entries import DamagedError
from tocsin.streams.state.store import State, Transaction, discard

log = logging.getLogger(__name__)


class ShadowState:
    """One open transaction on the environment, which is committed when its owner says so."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Open it, or begin it anew where it is damaged. Raises StateError."""
        self._directory, self._max_bytes = directory, max_bytes
        try:
            self._state = State(directory, max_bytes)
        except DamagedError as error:
            log.warning("%s; the shadow's is begun anew", error)
            discard(directory)
            self._state = State(directory, max_bytes)
        self._transaction: Transaction | None = None

    def begin_anew(self) -> None:
        """Keep nothing of what was kept. Raises StateError."""
        self.close()
        discard(self._directory)
        self._state = State(self._directory, self._max_bytes)

    @property
    def transaction(self) -> Transaction:
        """The transaction that is open."""
        if self._transaction is None:
            self._transaction = self._state.begin()
        return self._transaction

    def commit(self) -> None:
        """Keep what was written. Raises StateError, and keeps nothing then."""
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            transaction.commit()

    def drop(self) -> None:
        """Forget what was written since it was committed."""
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            transaction.abort()

    def close(self) -> None:
        """Forget what is not committed, and let another worker have the directory."""
        self.drop()
        self._state.close()
