"""What there is of a shadow beside the first model of a worker: its model, its state, and the comparison of both."""

from __future__ import annotations

from pathlib import Path

from tocsin.config.settings import Settings
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.sealing.sealed import Seals
from tocsin.streams.worker.model import Model
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.shadow.comparison import ShadowComparison
from tocsin.streams.worker.shadow.shadow_state import ShadowState


class Beside:
    """What there is of a shadow beside the first model."""

    def __init__(
        self, settings: Settings, of_shadow: Settings, decoder: Decoder, directory: Path, seals: Seals
    ) -> None:
        """`directory` is that of all that is kept of it; `seals` open feedback."""
        self.counts = Counts()
        """What the shadow does, which is counted nowhere else."""
        self.second = Model(of_shadow, decoder, directory / "snapshot", self.counts, seals)
        self.second.notes_in = lambda _: None if self.state is None else self.state.transaction.notes
        self.settings = of_shadow
        self.digests = settings.digest(), of_shadow.digest()
        """The config digests of the first and the second."""
        self.topic = settings.topics.shadow
        self.comparison = ShadowComparison(*self.digests, settings.bounds.pending_events)
        self.state: ShadowState | None = None
        self.failed: Exception | None = None
        """Why the shadow was given up."""
        self.scored = self.passed_over = 0
        self._directory = directory / "lmdb"
        self._max_bytes = settings.state.max_bytes

    def open(self) -> None:
        """Open its state. Raises StateError."""
        self.state = ShadowState(self._directory, self._max_bytes)
        self.comparison.open(self.state.transaction)

    @property
    def transaction(self) -> Transaction:
        """That of its state."""
        assert self.state is not None  # else the shadow was given up
        return self.state.transaction

    def forget(self, forgets: int) -> None:
        """Begin its state anew where more subjects are forgotten than it knows of: it may hold what they sent.

        Raises StateError.
        """
        if self.state is not None and self.transaction.notes.forgets != forgets:
            self.state.begin_anew()
            self.transaction.notes.forgets = forgets
            self.comparison.open(self.transaction)
            self.state.commit()

    def keep(self) -> None:
        """Keep in its state what was seen and counted. Raises StateError."""
        if self.state is not None:
            self.comparison.keep(self.state.transaction)
            self.state.commit()
