"""The way of one micro-batch: feedback is learnt, events are decided, labels are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tocsin.config.settings import Settings
from tocsin.streams.state.store import PENDING_SHARE, Transaction
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import DecodedLabel, Decoder, Rejected
from tocsin.streams.wire.encode import Output, dead_letter
from tocsin.streams.wire.event_columns import EventColumns, is_again
from tocsin.streams.wire.schema import UnfitError
from tocsin.streams.worker.deciding.decide import DecidedBatch
from tocsin.streams.worker.erasing.passed_over import wanted_events, wanted_labels
from tocsin.streams.worker.joining.join import Fits, Join, Joined
from tocsin.streams.worker.ownership import Ownership
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.shadow.models import Models

Produce = Callable[[Output], None]


class Pipeline:
    """Turns the records of a batch into outputs and changes of the state, and counts what it did.

    `decided_before` are events that had been decided before an unclean stop, which are counted when they are decided
    again.
    """

    def __init__(
        self,
        settings: Settings,
        decoder: Decoder,
        models: Models,
        ownership: Ownership,
        counts: Counts,
        produce: Produce,
        fits: Fits,
    ) -> None:
        self._settings = settings
        self._decoder = decoder
        self._models = models
        self._duties = ownership.duties
        self._counts = counts
        self._produce = produce
        self._join = Join(
            settings, ownership.duties, ownership.decides, lambda name: models.learn.takes(name), fits, decoder.layout
        )
        self.decided_before: set[str] = set()
        self._was_full = False
        """Whether labels that wait were looked through since the model has all its classes."""

    def run(
        self,
        feedback: Sequence[Record],
        events: Sequence[Record],
        labels: Sequence[Record],
        transaction: Transaction,
        now: int,
    ) -> None:
        """Work off what was polled now (epoch ms). Raises FeedbackError, StateError, TransportError."""
        self._models.fold(feedback, transaction)
        self._finish(self._join.owed(transaction.known.take_owing(), transaction))
        self._report_without_room(transaction)
        self._decide(events, transaction, now)
        # After the events: a label that came along with its event finds it.
        self.join(labels, transaction, now)

    def join(self, records: Sequence[Record], transaction: Transaction, now: int) -> None:
        """Join labels that were read now (epoch ms), and settle those that are this worker's to settle."""
        labels, rejected = self._decoder.labels(records)
        wanted = wanted_labels(labels, transaction)
        self._counts.forgotten += len(labels) - len(wanted)
        self.join_decoded(wanted, transaction, now)
        self._reject([(record, error) for record, error in rejected if self._duties.settles(record)])

    def join_decoded(self, labels: Sequence[DecodedLabel], transaction: Transaction, now: int) -> None:
        """Join labels that were read already."""
        self._finish(self._join.labels(labels, transaction, now))

    def after_assignment(self, transaction: Transaction) -> None:
        """Join the labels that were read while another worker had their events."""
        self._finish(self._join.after_assignment(transaction))
        self._was_full = False  # there are other labels to report now
        self._report_without_room(transaction)

    def _report_without_room(self, transaction: Transaction) -> None:
        """Report the labels that wait and can be learnt no more, once the model has all its classes."""
        was_full, self._was_full = self._was_full, self._models.learn.full  # one that goes back may have room again
        if was_full or not self._was_full:
            return
        self._finish(self._join.without_room(transaction))

    def expire(self, transaction: Transaction, now: int) -> None:
        """Drop events and labels that waited for too long by now (epoch ms), or are too many."""
        bounds = self._settings.bounds
        self._finish(self._join.expire(transaction, now))
        before = now - int(bounds.pending_ttl_hours * 3_600_000)
        room = int(PENDING_SHARE * self._settings.state.max_bytes)
        self._counts.expired += transaction.pending.expire(before, bounds.pending_events, room)

    def _decide(self, records: Sequence[Record], transaction: Transaction, now: int) -> None:
        events, rejected = self._decoder.events(records)
        self._reject(rejected)
        wanted = wanted_events(events, transaction)
        self._counts.forgotten += events.size - wanted.size
        new = self._new_events(wanted, transaction)
        if not new.size:
            return
        decided, beside = self._models.decide(new, transaction, now)
        places = [record.partition for record in new.records]
        kept = list(zip(new.ids, new.subjects, places, decided.packed, strict=True))
        if transaction.waiting.count() == 0:
            transaction.pending.add_new(kept, decided.layout, now)
            for outputs in decided.outputs:
                self._produce_all(outputs)
        else:
            for i, outputs in enumerate(decided.outputs):
                transaction.pending.add_new(kept[i : i + 1], decided.layout, now)
                self._produce_all(outputs)
                self._finish(self._join.event(new.ids[i], new.subjects[i], transaction))
        self._produce_all(beside)
        self._count(decided)

    def _new_events(self, events: EventColumns, transaction: Transaction) -> EventColumns:
        """Events that were not decided before; the same id with other content is a dead letter."""
        new: dict[str, int] = {}
        clashes: list[Rejected] = []
        kept = transaction.pending.get_all(events.ids)
        for i, identity in enumerate(events.ids):
            pending = kept.get(identity)
            if pending is not None:
                again = is_again(events, i, pending.event, pending.content)
            elif identity in new:
                again = is_again(events, i, events.event(new[identity]), events.content(new[identity]))
            else:
                new[identity] = i
                continue
            if again:
                self._counts.duplicates += 1
            else:
                error = UnfitError("id-taken", f"id {identity!r} is that of another event with other content")
                clashes.append((events.records[i], error))
        self._reject(clashes)
        return events.of(list(new.values()))

    def _produce_all(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self._produce(output)

    def _reject(self, rejected: Sequence[Rejected]) -> None:
        """Put records that cannot be used among the dead letters."""
        for record, error in rejected:
            self._produce(dead_letter(self._settings.topics.dead_letters, record, error))
            self._counts.dead_letters[error.kind] += 1

    def _finish(self, results: Iterable[Joined]) -> None:
        """Produce what became of labels, and count it."""
        for outcome, outputs, dead_letter_kind in results:
            if outcome is not None:
                self._counts.labels[outcome] += 1
            self._produce_all(outputs)
            if dead_letter_kind is not None:
                self._counts.dead_letters[dead_letter_kind] += 1

    def _count(self, decided: DecidedBatch) -> None:
        counts = self._counts
        classes = [name for name in decided.label if name is not None]
        counts.events += decided.events.size
        counts.decided += len(classes)
        counts.classes.update(classes)
        reasons = [reason for reason in decided.reasons if reason is not None]
        counts.abstained += len(reasons)
        counts.reasons.update(reasons)
        counts.over_budget += decided.over_budget
        counts.quick_labels += decided.quick
        alerts = self._settings.topics.alerts
        counts.alerts += sum(output.topic == alerts for outputs in decided.outputs for output in outputs[1:])
        if self.decided_before:
            again = self.decided_before.intersection(decided.events.ids)
            self.decided_before -= again
            counts.decided_twice += len(again)
