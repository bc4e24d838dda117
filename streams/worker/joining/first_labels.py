"""First labels: those of a batch that are the first of their events are joined all at once.

Most labels name an event that is pending here, that nobody has labelled before, and bring nothing of their own. What
becomes of each of them is known without asking the state for it alone. `Join` joins every other one by itself, and a
test holds that both ways give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tocsin.streams.state.known_labels import KnownLabel
from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.decode import DecodedLabel
from tocsin.streams.wire.records import Label
from tocsin.streams.worker.joining.label_target import LabelTarget, place_of, target_of


class FirstLabel(NamedTuple):
    """A label that may be the first of its event."""

    decoded: DecodedLabel
    target: LabelTarget
    pending: PendingEvent | None
    """Its event, where the label is the first of it and the event is this worker's; else None."""


def find(
    labels: Sequence[DecodedLabel],
    transaction: Transaction,
    takes: Callable[[str], bool],
    assigned: Callable[[int], bool],
) -> list[FirstLabel]:
    """Which of these labels are the first of an event that is pending here; one of each event at most.

    `takes` says whether the model has room for a class, `assigned` whether a partition of the events is this worker's.
    """
    room = {name: takes(name) for name in {label.label for _, label in labels} if name is not None}
    targets = [target_of(label) for _, label in labels]
    may = [label.label is not None and room[label.label] and _names_an_event_only(label) for _, label in labels]
    events = transaction.pending.get_all(target.identity for target, may_be in zip(targets, may, strict=True) if may_be)
    taken = transaction.known.known_of(target.key for target, may_be in zip(targets, may, strict=True) if may_be)
    found: list[FirstLabel] = []
    for decoded, target, may_be in zip(labels, targets, may, strict=True):
        pending = events.get(target.identity) if may_be and target.key not in taken else None
        if pending is not None and not assigned(pending.partition):
            pending = None
        # Whatever becomes of this label, another one of its event is not the first any more.
        taken.add(target.key)
        found.append(FirstLabel(decoded, target, pending))
    return found


def note(labels: Sequence[FirstLabel], transaction: Transaction, most: int) -> None:
    """Note that these labels are joined to their events; labels are known of at most so many events and subjects."""
    transaction.pending.note_labels_of(first.pending for first in labels if first.pending is not None)
    known = [
        KnownLabel(target.key, said.source or "", said.truth, place_of(record)) for (record, said), target, _ in labels
    ]
    transaction.known.add_all(known, most)


def _names_an_event_only(label: Label) -> bool:
    return label.event is not None and label.features is None and label.text is None
