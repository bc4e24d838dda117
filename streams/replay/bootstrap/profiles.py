"""What profiles say of the events of a history, as the service would have said it of them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.event_columns import batch_of
from tocsin.streams.worker.deciding.profiling import Profiling, Said


class HistoryProfiles:
    """A fold over a history in its order, labelled events and others.

    What labels would have said is left out: when each of them became known is not in the history.
    """

    def __init__(self, settings: Settings, decoder: Decoder, twice: Container[int]) -> None:
        """`twice` are the hashes of the ids that may come more than once."""
        self._decoder = decoder
        self._profiling = Profiling(settings)
        self._profiles = self._profiling.begin()
        self._twice = twice
        self._seen: set[str] = set()

    @property
    def needed(self) -> bool:
        """Whether there are profiles, so that no event may be left out."""
        return bool(self._profiling)

    def __call__(self, source: str, events: Sequence[tuple[int, PastEvent]]) -> dict[int, Said]:
        """What profiles say of events that are none before, by their numbers; the events are added."""
        if not self._profiling:
            return {}
        records = [Record(source, 0, number, past.time, past.key, past.event) for number, past in events]
        columns, _ = self._decoder.events(records)
        rows = []
        for i, identity in enumerate(columns.ids):
            if identity in self._seen:
                continue
            if hash(identity) in self._twice:
                self._seen.add(identity)
            rows.append(i)
        new = columns.of(rows)
        said = self._profiling.add(new, batch_of(new, self._decoder.kinds), self._profiles)
        return dict(zip([record.offset for record in new.records], self._profiling.by_name(said), strict=True))
