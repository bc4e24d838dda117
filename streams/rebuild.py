"""Rebuild: what a lagging or missing state lacks, from the logs.

Events below the group's committed offset have been decided; their decisions are in the log. So they are read again,
joined to what was decided of them, and remembered: nothing is decided or emitted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tocsin.config.settings import Settings
from tocsin.streams.decode import Decoder, UnfitError
from tocsin.streams.logs.log import Log, Partition, Record
from tocsin.streams.state import State

CHUNK = 5_000


class Rebuild:
    """Brings the state of an events partition up to the group's committed offset."""

    def __init__(self, settings: Settings, decoder: Decoder, state: State, reader: Log) -> None:
        self._settings = settings
        self._decoder = decoder
        self._state = state
        self._reader = reader

    def __call__(self, partition: Partition, committed: int, now: int) -> int:
        """Remember the events from the state's position, or as many as may be pending, to `committed`.

        Returns how many were remembered.
        """
        with self._state.transaction() as t:
            position = t.position(partition)
        start = max(0, committed - self._settings.bounds.pending_events)
        if position is not None:
            start = max(start, position)
        if start >= committed:
            return 0
        events = self._events(partition, start, committed)
        decisions = self._decisions(set(events))
        self._remember(events, decisions, partition, committed, now)
        return len(events)

    def _events(self, partition: Partition, start: int, stop: int) -> dict[str, dict[str, Any]]:
        events: dict[str, dict[str, Any]] = {}
        for record in self._reader.read(partition, start, stop):
            try:
                event = self._decoder.event(record)
            except UnfitError:
                continue  # it is a dead letter already
            events.setdefault(event["id"], event)
        return events

    def _decisions(self, wanted: set[str]) -> dict[str, dict[str, Any]]:
        """The last decisions of these events, without their explanations."""
        found: dict[str, dict[str, Any]] = {}
        most = self._settings.bounds.pending_events
        for record in tail(self._reader, self._settings.topics.decisions, most):
            decision = orjson.loads(record.value or b"{}")
            if decision.get("event") in wanted:
                found[decision["event"]] = {**decision, "explanation": None}
        return found

    def _remember(
        self,
        events: dict[str, dict[str, Any]],
        decisions: dict[str, dict[str, Any]],
        partition: Partition,
        committed: int,
        now: int,
    ) -> None:
        bounds = self._settings.bounds
        items = list(events.values())
        for start in range(0, len(items), CHUNK):
            with self._state.transaction() as t:
                for event in items[start : start + CHUNK]:
                    decision = decisions.get(event["id"])
                    # What was seen at the time is gone with the state: the learner scores such an event anew.
                    entry = {"event": event, "decision": decision, "saw": None, "partition": partition.index}
                    t.remember(event, entry, now)
                    if decision is not None and decision.get("risk"):
                        t.set_subject(event["subject"], decision["risk"], bounds.subjects)
        with self._state.transaction() as t:
            t.set_positions({partition: committed})


def tail(reader: Log, topic: str, most: int) -> Iterator[Record]:
    """The last records of every partition of a topic, at most `most` of each."""
    for partition, end in reader.ends(topic).items():
        yield from reader.read(partition, max(0, end - most), end)
