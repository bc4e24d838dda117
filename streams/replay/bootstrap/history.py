"""A history: labelled past events in the order in which they are to be learnt, which can be read more than once."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import PastEvent, SourceError
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.base import Transport

_HELD = 1 << 30
"""Bytes of events that are held in memory to bring them into the order of their times."""


class Survey(NamedTuple):
    """What one reading of a source says of it."""

    history: str
    """Sixteen hex digits over all its events and labels: another file, or another mapping of it, is another history."""
    events: int
    in_order: bool
    """Whether each event's time is that of the one before it, or later."""
    size: int
    """Bytes of all its events."""
    twice: frozenset[int]
    """The hashes, in this process, of ids that more than one event has."""


class History:
    """The past events of one source, by their times; those of one time as they stand there."""

    def __init__(self, settings: Settings, source: str, open_reader: Callable[[], Transport]) -> None:
        """`open_reader` opens a transport for a source that is the range of a topic."""
        self.source = source
        self._settings = settings
        self._open_reader = open_reader

    def survey(self) -> Survey:
        """Read the source once. Raises SourceError and TransportError."""
        digest, ids = hashlib.blake2b(digest_size=8), array("q")
        size, latest, in_order = 0, 0, True
        for past in self._read():
            _add(digest, past)
            ids.append(hash(past.id))
            size += len(past.event)
            in_order, latest = in_order and past.time >= latest, past.time
        numbers, times = np.unique(np.frombuffer(ids, np.int64), return_counts=True)
        return Survey(digest.hexdigest(), len(ids), in_order, size, frozenset(numbers[times > 1].tolist()))

    def events(self, survey: Survey) -> Iterator[PastEvent]:
        """The events in their order. Raises SourceError, TransportError.

        SourceError also means that the source is not what it was when it was surveyed, or is too large to be sorted.
        """
        if survey.in_order:
            yield from self._as_surveyed(survey)
            return
        if survey.size > _HELD:
            raise SourceError(
                f"{self.source}: is not in the order of its times, and with {survey.size:,} bytes of events too large "
                "to be sorted in memory: sort it by time first"
            )
        yield from sorted(self._as_surveyed(survey), key=lambda past: past.time)

    def _as_surveyed(self, survey: Survey) -> Iterator[PastEvent]:
        digest = hashlib.blake2b(digest_size=8)
        for past in self._read():
            _add(digest, past)
            yield past
        if digest.hexdigest() != survey.history:
            raise SourceError(f"{self.source}: has changed while it was read: run the command again once it is whole")

    def _read(self) -> Iterator[PastEvent]:
        return read_source(self._settings, self.source, self._open_reader)


def _add(digest: hashlib.blake2b, past: PastEvent) -> None:
    label = b"" if past.label is None else b"=" + past.label.encode(errors="replace")
    digest.update(b"%d %d " % (len(past.event), len(label)) + past.event + label)
