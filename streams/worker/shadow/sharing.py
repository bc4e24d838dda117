"""What one worker does for the shared snapshots of both models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.encode import Output
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.shadow.models import Models
from tocsin.streams.worker.snapshots.sharing import Sharing, Trim


class SharingOfModels:
    """A `Sharing` of each model. Feedback is deleted only once the snapshots of both have learnt it."""

    def __init__(
        self, models: Models, settings: Settings, directory: Path, worker: str, counts: Counts, trim: Trim | None
    ) -> None:
        """`directory` is that of the worker. Raises StoreError where the store cannot be opened at all."""
        self._models = models
        self.all: list[Sharing] = []
        """Of each model, the first one first."""
        self._pointers: list[Output | None] = []

        def trim_for_all(partition: Partition, before: int, since: int) -> int:
            assert trim is not None
            return trim(partition, min(before, *(sharing.oldest for sharing in self.all)), since)

        for number, of in enumerate(models.settings):
            place = directory if number == 0 else directory / "shadow"
            kept = None if trim is None else trim if len(models.settings) == 1 else trim_for_all
            self.all.append(Sharing(of, place / "snapshot", worker, counts, kept))
        for model in models.all:  # whichever of them decides
            model.forgets += [sharing.forget for sharing in self.all]

    def outputs(self, elected: bool, now: int) -> list[Output]:
        """The pointers to produce in this transaction; see `Sharing.output`."""
        self._pointers = [
            sharing.output(elected, model.shared, now)
            for sharing, model in zip(self.all, self._models.all, strict=True)
        ]
        return [pointer for pointer in self._pointers if pointer is not None]

    def said(self, fits: Callable[[Output], bool], now: int) -> None:
        """The transaction that held the pointers is committed. One that did not fit its topic replaces nothing."""
        for sharing, pointer in zip(self.all, self._pointers, strict=True):
            sharing.said(pointer if pointer is not None and fits(pointer) else None, now)

    def close(self) -> None:
        """See `Sharing.close`."""
        for sharing in self.all:
            sharing.close()
