"""Misfits: what the service will make dead letters of, as its config's schema tells before anything is sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema, UnfitError

REASONS = 10_000
"""Different reasons that are counted; what comes beyond them is counted without its reason."""


class Misfits:
    """Reads records as the service does, and counts those that it will put aside.

    It cannot know what only the service knows: that an id is taken, or that a label waited in vain.
    """

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder(EventSchema(settings))
        self.count = 0
        self.fitting_events = 0
        self.reasons: Counter[str] = Counter()

    def event(self, value: bytes) -> None:
        """Look at an event that is sent."""
        self.fitting_events += self._fits(self._decoder.event, value)

    def label(self, value: bytes) -> None:
        """Look at a label that is sent."""
        self._fits(self._decoder.label, value)

    def _fits(self, read: Callable[[Record], object], value: bytes) -> bool:
        try:
            read(Record("", 0, 0, time.time_ns() // 1_000_000, None, value))
        except UnfitError as error:
            self.count += 1
            reason = str(error)
            if reason in self.reasons or len(self.reasons) < REASONS:
                self.reasons[reason] += 1
            return False
        return True
