"""Taking back: what becomes of a label without a class, which takes back what its source said before.

Every worker reads all labels, and notes of each taking back that the labels before it do not count any more: those that
wait for their event wait no more, and the same label may come again. Which feedback records these labels became, every
worker knows from the feedback. The owner of the label's partition (`tocsin.streams.worker.joining.duties`) writes one
control record that names their offsets, and every model that reads it unlearns them.

A label may be on its way: another worker has joined it, and its feedback record was not read back yet. So a taking back
that found a label waiting, or none at all, waits itself. Once such a record comes, it is named by a control record of
its own. What was found nowhere within `bounds.waiting_ttl_seconds` becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tocsin.config.settings import Settings
from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import DecodedLabel
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.wire.records import Label
from tocsin.streams.wire.schema import UnfitError
from tocsin.streams.worker.joining.duties import Duties
from tocsin.streams.worker.joining.label_target import LabelTarget, place_of, target_of


class Withdrawal(NamedTuple):
    """What one taking back has found."""

    owed: list[int]
    """The offsets of the feedback records to leave out."""
    found: bool
    """Whether there is anything to take back: a label that waits no more, one that is learnt, or one on its way."""
    waits: bool
    """Whether more may come, so that it waits itself."""
    again: bool
    """Whether all was taken back before."""


class TakingBack:
    """Takes labels back, for one worker."""

    def __init__(self, settings: Settings, duties: Duties) -> None:
        self._topic = settings.topics.feedback
        self._most = settings.bounds.pending_events
        self._duties = duties

    def find(self, decoded: DecodedLabel, target: LabelTarget, transaction: Transaction) -> Withdrawal:
        """What a label takes back, which does not count from now on."""
        label, record = decoded.label, decoded.record
        source, place = label.source or "", place_of(record)
        withdrew = transaction.waiting.withdraw(target.key, source, place)
        taken = transaction.known.take_back(target.key, source, place, self._most)
        if withdrew:
            transaction.known.find(target.key, source)
        found = withdrew or bool(taken.owed) or taken.on_its_way
        waits = withdrew or taken.on_its_way or not (found or taken.again)
        return Withdrawal(taken.owed, found, waits, taken.again)

    def output(self, offsets: Sequence[int], label: Label, record: Record) -> Output:
        """The control record that leaves out what stands at these offsets of the feedback."""
        control = Control(
            kind="leave-out",
            reason="taken-back",
            time=max(record.timestamp, 0),
            by=label.source or "",
            offsets=sorted(offsets),
        )
        return Output(self._topic, record.key, packed_control(control), origin=record)

    def come_since(self, keys: set[bytes], transaction: Transaction) -> Iterator[tuple[Output, bool]]:
        """The control records for what waits under these keys, and takes back feedback records that have come by now.

        With each comes whether its label has found nothing before.
        """
        for key in sorted(keys):
            told = set[str]()
            for label, record in transaction.waiting.takings_back(key):
                source = label.source or ""
                owed = transaction.known.owed(key, source)
                if owed and source not in told and self._duties.reports(record):
                    told.add(source)  # whoever says so twice takes it back once
                    yield self.output(owed, label, record), transaction.known.find(key, source)

    def in_vain(self, label: Label, transaction: Transaction) -> UnfitError | None:
        """Why a taking back that waited has found nothing; None where it has found something."""
        target, source = target_of(label), label.source or ""
        if transaction.known.found(target.key, source):
            return None
        whose = f"source {label.source!r}" if label.source else "a label without a source"
        return UnfitError(
            "unknown-label",
            f"there is nothing to take back: {whose} said nothing of {target.about} {target.identity!r}, or said it "
            "behind this record or in another partition of the topic",
        )
