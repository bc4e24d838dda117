"""Join: a label finds the event it speaks of and becomes one feedback record.

What becomes of a label (the *outcome*, counted in telemetry):

| outcome | when | what happens |
|---|---|---|
| joined | its event, or an event of its subject, is pending | one feedback record |
| contradicting | the same, and an earlier label said otherwise | one feedback record that names the earlier label |
| duplicate | the same source said the same before | nothing more: the feedback log has it already |
| self-contained | the event is not pending, but the label brings its features | one feedback record |
| waiting | the event is not known yet | kept until the event comes or `bounds.waiting_ttl_seconds` pass |
| unknown | it waited in vain: the event never came, or is older than `bounds.pending_ttl_hours` | a dead letter |
| refused | there is no room for its class (any more), or for more labels of its event or subject | a dead letter |
| taken-back | it has no class, and its source said something of the event or the subject before | a control record |
| left to its owner | another worker settles it | nothing |

A label that waited is counted twice, as waiting and as what became of it. The labels known of events are bounded by
`bounds.pending_events`: beyond it, a label that is read again after the state was lost is joined again.

Every worker reads all labels, because a label by event id does not tell in which partition its event lies. The worker
to which the event's partition is assigned now joins it, whoever else may have kept the event from before. Whatever does
not depend on an event (a dead letter, a label that brings its own features) is done by one worker alone, the owner of
the label's partition: see `tocsin.streams.worker.joining.duties`. No other worker writes a dead letter about a label,
because it cannot know what the owner has done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tocsin.config.settings import Settings
from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.store import WAITING_SHARE, Transaction
from tocsin.streams.state.waiting import WaitingLabel
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.decode import DecodedLabel
from tocsin.streams.wire.encode import Output, dead_letter
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import Event, Label
from tocsin.streams.wire.schema import UnfitError
from tocsin.streams.worker.joining import first_labels
from tocsin.streams.worker.joining.duties import Duties
from tocsin.streams.worker.joining.first_labels import FirstLabel
from tocsin.streams.worker.joining.label_target import LabelTarget, place_of, target_of
from tocsin.streams.worker.joining.taking_back import TakingBack

Takes = Callable[[str], bool]
"""Whether the model has room for a class, by its name."""
Fits = Callable[[Output], bool]
"""Whether something of a record fits its topic."""
Assigned = Callable[[int], bool]
"""Whether a partition of the events, by its number, is assigned to this worker."""
JOINED, CONTRADICTING, DUPLICATE = "joined", "contradicting", "duplicate"
SELF_CONTAINED, WAITING, UNKNOWN = "self-contained", "waiting", "unknown"
REFUSED, LEFT, TAKEN_BACK = "refused", "left to its owner", "taken-back"
FEW = 3
"""So many labels are joined one by one, which takes less time for them."""


class Joined(NamedTuple):
    """What became of one label."""

    outcome: str | None
    """None where it was told before."""
    outputs: list[Output]
    dead_letter: str | None = None
    """The kind of the dead letter that it became."""


class _Comparison(NamedTuple):
    """How a label stands to those that are known of its target already."""

    outcome: str
    contradicts: str | None = None


class Join:
    """Joins labels to the events of the partitions that are assigned to one worker."""

    def __init__(
        self, settings: Settings, duties: Duties, assigned: Assigned, takes: Takes, fits: Fits, layout: Layout
    ) -> None:
        """`layout` is that of events of which nothing but the features is packed."""
        self._settings = settings
        self._layout = layout
        self._duties = duties
        self._assigned = assigned
        self._takes = takes
        self._fits = fits
        self._taking_back = TakingBack(settings, duties)

    def labels(self, labels: Sequence[DecodedLabel], transaction: Transaction, now: int) -> Iterator[Joined]:
        """What becomes of labels that were read now (epoch ms), in their order.

        Those that are the first of their events are joined together, as `label` would join each of them.
        """
        if len(labels) <= FEW:
            yield from (self.label(decoded, transaction, now) for decoded in labels)
            return
        together: list[FirstLabel] = []
        outputs: list[Output] = []
        for first in first_labels.find(labels, transaction, self._takes, self._assigned):
            if first.pending is not None:
                label, record = first.decoded.label, first.decoded.record
                output = self._feedback(label, record, first.target, first.pending)
                if self._fits(output):
                    together.append(first)
                    outputs.append(output)
                    continue
            yield from self._join_together(together, outputs, transaction)
            together, outputs = [], []
            yield self.label(first.decoded, transaction, now)
        yield from self._join_together(together, outputs, transaction)

    def _join_together(
        self, labels: list[FirstLabel], outputs: list[Output], transaction: Transaction
    ) -> Iterator[Joined]:
        first_labels.note(labels, transaction, self._settings.bounds.pending_events)
        yield from (Joined(JOINED, [output]) for output in outputs)

    def label(self, decoded: DecodedLabel, transaction: Transaction, now: int) -> Joined:
        """What becomes of one label that was read now (epoch ms)."""
        label, record, target = decoded.label, decoded.record, target_of(decoded.label)
        if label.label is None:
            return self._take_back(decoded, target, transaction, now)
        self_contained = label.features is not None or label.text is not None
        if self_contained and not self._duties.settles(record):
            return Joined(LEFT, [])
        if not self._takes(label.label):
            # Where the owner before had room for the class, the label waited. It goes on waiting, and is reported.
            if self._duties.reports(record) and not self._duties.settles(record):
                return self._wait(WaitingLabel(label, record), target, transaction, now)
            return self._refuse(record, _no_room_for_class(label), transaction)
        events = self._events(target, transaction)
        if events:
            return self._join(WaitingLabel(label, record), target, events, transaction)
        if self_contained:
            return self._join_alone(decoded, target, transaction)
        source, place = label.source or "", place_of(record)
        if transaction.known.has(target.key, source, label.label):
            return Joined(DUPLICATE, [])  # the worker that has the event has joined it
        if transaction.known.withdrawn(target.key, source, place):
            return Joined(DUPLICATE, [])  # it is read again, and was taken back since
        return self._wait(WaitingLabel(label, record), target, transaction, now)

    def _take_back(self, decoded: DecodedLabel, target: LabelTarget, transaction: Transaction, now: int) -> Joined:
        """What becomes of a label that takes back what its source said before."""
        label, record = decoded.label, decoded.record
        if transaction.waiting.has(record):
            return Joined(WAITING, [])
        found, settles = self._taking_back.find(decoded, target, transaction), self._duties.settles(record)
        outputs = [self._taking_back.output(found.owed, label, record)] if found.owed and settles else []
        if found.waits:
            waits = self._wait(WaitingLabel(label, record), target, transaction, now)
            counted = TAKEN_BACK if settles and found.found else waits.outcome
            return waits._replace(outcome=counted, outputs=[*outputs, *waits.outputs])
        if found.owed and settles:
            return Joined(TAKEN_BACK, outputs)
        if found.owed or not found.again:
            # Its owner may go before it has done so. Then this worker reads it again if it is the next owner.
            transaction.notes.set_dropped(Partition(record.topic, record.partition), record.offset + 1)
            return Joined(LEFT, [])
        return Joined(DUPLICATE, [])

    def owed(self, keys: set[bytes], transaction: Transaction) -> list[Joined]:
        """What becomes of labels that wait to take back what has come to stand in the feedback, by keys of targets."""
        come = self._taking_back.come_since(keys, transaction)
        return [Joined(TAKEN_BACK if first else None, [output]) for output, first in come]

    def _wait(self, waiting: WaitingLabel, target: LabelTarget, transaction: Transaction, now: int) -> Joined:
        if transaction.waiting.has(waiting.record):
            return Joined(WAITING, [])
        most = self._settings.bounds.labels_per_target
        if transaction.waiting.full(target.key, most):
            return self._refuse(waiting.record, _too_many_labels(target, most), transaction)
        transaction.waiting.add(target.key, waiting, now)
        return Joined(WAITING, [])

    def event(self, identity: str, subject: str, transaction: Transaction) -> list[Joined]:
        """What becomes of the labels that waited for an event, by its id or its subject, that is pending now."""
        results = []
        for target in (LabelTarget.of("event", identity), LabelTarget.of("subject", subject)):
            for waiting in transaction.waiting.take(target.key):
                events = self._events(target, transaction)
                results.append(self._join(waiting, target, events, transaction))
        return results

    def after_assignment(self, transaction: Transaction) -> list[Joined]:
        """What becomes of labels that waited here while another worker had their events, now that this one does."""
        results = []
        all_waiting = transaction.waiting.first_of_each()
        for key, first in all_waiting:
            target = target_of(first.label)
            events = self._events(target, transaction)
            if events:
                taken = transaction.waiting.take(key)
                results += [self._join(waiting, target, events, transaction) for waiting in taken]
        return results + self.owed({key for key, _ in all_waiting}, transaction)

    def without_room(self, transaction: Transaction) -> list[Joined]:
        """What becomes of labels that wait, and for whose class the model has no room now.

        No model will have room for it again. So whatever worker has their events cannot join them, and they are
        reported at once.
        """

        def in_vain(waiting: WaitingLabel) -> bool:
            name = waiting.label.label
            return name is not None and not self._takes(name) and self._duties.reports(waiting.record)

        taken = transaction.waiting.take_where(in_vain)
        return [self._refuse(record, _no_room_for_class(label), transaction) for label, record in taken]

    def expire(self, transaction: Transaction, now: int) -> list[Joined]:
        """What becomes of labels that waited too long by now (epoch ms), or were too many."""
        bounds = self._settings.bounds
        before = now - int(bounds.waiting_ttl_seconds * 1000)
        room = int(WAITING_SHARE * self._settings.state.max_bytes)
        results = []
        for waiting in transaction.waiting.expire(before, bounds.waiting_labels, room):
            why = self._why_in_vain(waiting.label, transaction)
            refused = None if why is None else self._refuse(waiting.record, why, transaction)
            if refused is not None and refused.outcome == REFUSED:
                results.append(refused._replace(outcome=UNKNOWN))
        return results

    def _why_in_vain(self, label: Label, transaction: Transaction) -> UnfitError | None:
        """Why a label was joined to nothing. The worker that has its event may have refused it, and did not say so.

        None for one that waited for more to take back.
        """
        if label.label is None:
            return self._taking_back.in_vain(label, transaction)
        target, most = target_of(label), self._settings.bounds.labels_per_target
        if not self._takes(label.truth):
            return _no_room_for_class(label)
        if _new_source(label, transaction.known.get(target.key), most):
            return _too_many_labels(target, most)
        about, identity, _ = target
        return UnfitError(
            "unknown-event",
            f"{about} {identity!r} did not turn up: never sent, or older than bounds.pending_ttl_hours",
        )

    def _refuse(self, record: Record, error: UnfitError, transaction: Transaction) -> Joined:
        """Make a label a dead letter, or leave that to its owner."""
        if not self._duties.reports(record):
            # Its owner may go before it has done so. Then this worker reads the label again if it is the next owner.
            transaction.notes.set_dropped(Partition(record.topic, record.partition), record.offset + 1)
            return Joined(LEFT, [])
        letter = dead_letter(self._settings.topics.dead_letters, record, error)
        return Joined(REFUSED, [letter], error.kind)

    def _events(self, target: LabelTarget, transaction: Transaction) -> list[PendingEvent]:
        """The pending events of a target in the partitions assigned to this worker, oldest first."""
        if target.about == "event":
            pending = transaction.pending.get(target.identity)
            found = [] if pending is None else [pending]
        else:
            found = transaction.pending.of_subject(target.identity, self._settings.bounds.subject_posts)
        return [pending for pending in found if self._assigned(pending.partition)]

    def _join(
        self, waiting: WaitingLabel, target: LabelTarget, events: list[PendingEvent], transaction: Transaction
    ) -> Joined:
        label, record = waiting
        most = self._settings.bounds.labels_per_target
        if _new_source(label, transaction.known.get(target.key), most):
            return self._refuse(record, _too_many_labels(target, most), transaction)
        compared = _compare(WaitingLabel(label, record), target, transaction)
        if compared.outcome == DUPLICATE:
            return Joined(DUPLICATE, [])
        for pending in events:
            transaction.pending.note_label_of(pending)
        posts = self._newest([pending.read.text for pending in events[:-1] if pending.read.text is not None])
        return self._finished(label, target, compared, events[-1], posts, record, transaction)

    def _newest(self, posts: list[str]) -> list[str]:
        """The last posts that a feedback record has room for, in their order."""
        room = self._settings.bounds.subject_posts_bytes
        kept: list[str] = []
        for post in reversed(posts):
            room -= len(post.encode())
            if room < 0:
                break
            kept.append(post)
        return kept[::-1]

    def _join_alone(self, decoded: DecodedLabel, target: LabelTarget, transaction: Transaction) -> Joined:
        """Join a self-contained label to the event that it describes itself."""
        label, record = decoded.label, decoded.record
        most = self._settings.bounds.labels_per_target
        if _new_source(label, transaction.known.get(target.key), most):
            return self._refuse(record, _too_many_labels(target, most), transaction)
        compared = _compare(WaitingLabel(label, record), target, transaction)
        if compared.outcome == DUPLICATE:
            return Joined(DUPLICATE, [])
        event = Event(
            id=label.event or f"{record.topic}-{record.partition}-{record.offset}",
            subject=label.subject or target.identity,
            time=label.time,
            features=label.features or {},
            text=label.text,
        )
        described = PendingEvent.of(event, self._layout, record.partition)
        if compared.outcome == JOINED:
            compared = _Comparison(SELF_CONTAINED)
        return self._finished(label, target, compared, described, [], record, transaction)

    def _finished(
        self,
        label: Label,
        target: LabelTarget,
        compared: _Comparison,
        pending: PendingEvent,
        posts: list[str],
        record: Record,
        transaction: Transaction,
    ) -> Joined:
        topic, event = self._settings.topics.feedback, pending.read
        output = self._feedback(label, record, target, pending, compared.contradicts, posts)
        if not self._fits(output):
            return self._refuse(record, _too_large(topic), transaction)
        # Known from now on, not only when the feedback log brings it back: a duplicate may come in this very batch.
        key = LabelTarget.of(target.about, event.id if target.about == "event" else event.subject).key
        transaction.known.add(
            key, label.source or "", label.truth, self._settings.bounds.pending_events, place_of(record)
        )
        return Joined(compared.outcome, [output])

    def _feedback(
        self,
        label: Label,
        record: Record,
        target: LabelTarget,
        pending: PendingEvent,
        contradicts: str | None = None,
        posts: Sequence[str] = (),
    ) -> Output:
        """The feedback record of a label and the event that it found."""
        feedback = PackedFeedback(
            label=label.truth,
            labelled_at=label.time,
            source=label.source,
            weight=1.0 if label.weight is None else label.weight,
            about=target.about,
            contradicts=contradicts,
            posts=list(posts),
            layout=pending.layout.packed,
            event=pending.packed,
            place=place_of(record),
        )
        key = pending.read.subject.encode()
        return Output(self._settings.topics.feedback, key, packed_feedback(feedback), origin=record)


def _too_large(topic: str) -> UnfitError:
    return UnfitError(
        "feedback-too-large",
        f"its feedback is larger than topic {topic!r} takes, whatever is left out of it: raise its max.message.bytes",
    )


def _no_room_for_class(label: Label) -> UnfitError:
    return UnfitError("too-many-classes", f"{label.label!r} is a new class: bounds.classes allows no more")


def _too_many_labels(target: LabelTarget, most: int) -> UnfitError:
    about, identity, _ = target
    return UnfitError(
        "too-many-labels", f"{about} {identity!r} has labels of {most} sources: bounds.labels_per_target allows no more"
    )


def _new_source(label: Label, known: Mapping[str, str], most: int) -> bool:
    """Whether a label is of one source more than may label one event or subject."""
    return len(known) >= most and (label.source or "") not in known


def _compare(waiting: WaitingLabel, target: LabelTarget, transaction: Transaction) -> _Comparison:
    """How a label stands to those known already, and which one it contradicts."""
    label, record = waiting
    known = transaction.known.get(target.key)
    source = label.source or ""
    if known.get(source) == label.label or transaction.known.passed(target.key, source, place_of(record)):
        return _Comparison(DUPLICATE)
    others = [known[source]] if source in known else list(known.values())
    contradicted = [other for other in others if other != label.label]
    return _Comparison(CONTRADICTING, contradicted[-1]) if contradicted else _Comparison(JOINED)
