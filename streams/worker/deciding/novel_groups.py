"""Groups of novel events in each partition of the events, kept in the state with the transaction of each batch.

A worker that takes a partition over begins anew, unless its own state is as far as the partition is. So do the groups
of another model, to which the places of events mean something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.classifier import Classifier
from tocsin.models.decision.novel_groups.groups import KeptGroup, NovelEvent, NovelGroups
from tocsin.models.decision.scores import Scores
from tocsin.streams.state.notes import Notes
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.kinds.novelty import NovelGroup, NovelGroupsTelemetry


class NovelGroupsKeeper:
    """Reads, extends and writes the groups of partitions; nothing where novel events are not grouped."""

    def __init__(self, settings: AbstentionSettings, classifier: Classifier) -> None:
        self._most = settings.novel_groups if settings.enabled else 0
        self._columns, self._least = settings.novelty_columns, settings.novel_ask
        self._novelty, self._digest = classifier.mixture.judge.novelty, classifier.digest.encode()

    def join(
        self, events: EventColumns, scores: Scores, reviewed: Callable[[int], bool], notes: Notes
    ) -> dict[int, NovelGroup]:
        """Take in the events that were abstained from as novel; returns what the review of each says, by its row.

        `reviewed` says whether an event goes to review. One beyond the budget belongs to its group, but asks nobody:
        the question waits for the next one that goes.
        """
        rows = np.array([i for i, reason in enumerate(scores.reasons) if reason == "novel"], np.int64)
        if not self._most or not len(rows) or scores.nonconformity is None:
            return {}
        places, far = self._novelty.places(scores.batch.X[rows]), scores.nonconformity[rows, 0].tolist()
        if not 0 < places.shape[1] <= self._columns:
            return {}
        kept, said = dict[int, NovelGroups](), dict[int, NovelGroup]()
        for row, place, distance in zip(rows.tolist(), places, far, strict=True):
            at = events.records[row]
            if at.partition not in kept:
                kept[at.partition] = self._read(at.partition, places.shape[1], notes)
            event = NovelEvent(f"{at.partition}-{at.offset}", events.ids[row], events.times[row], distance)
            group = kept[at.partition].add(place, event)
            if reviewed(row):
                said[row] = self._told(group)
        for partition, groups in kept.items():
            notes.set_novel_groups(partition, self._digest + b" " + groups.state())
        return said

    def standing(self, partitions: Iterable[int], notes: Notes) -> NovelGroupsTelemetry | None:
        """How many groups these partitions have; None where novel events are not grouped."""
        if not self._most:
            return None
        sizes = [group.events for partition in partitions for group in self._of(partition, notes)]
        return NovelGroupsTelemetry(len(sizes), max(sizes, default=0))

    def _told(self, group: KeptGroup) -> NovelGroup:
        ask = group.due(self._least)
        if ask:
            group.asked = group.events
        return NovelGroup(group.name, group.events, group.first, group.last, group.examples, ask)

    def _of(self, partition: int, notes: Notes) -> list[KeptGroup]:
        numbers = self._novelty.places(np.zeros((0, self._novelty.columns))).shape[1]
        return self._read(partition, numbers, notes).groups

    def _read(self, partition: int, numbers: int, notes: Notes) -> NovelGroups:
        """From the state; none where that is of another model, or damaged."""
        digest, _, state = (notes.novel_groups(partition) or b"").partition(b" ")
        groups = NovelGroups(self._most, numbers)
        if digest == self._digest:
            try:
                groups.restore(state)
            except ValueError:
                return NovelGroups(self._most, numbers)
        return groups
