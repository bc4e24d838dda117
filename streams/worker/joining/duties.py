"""Duties: which labels this worker has to settle, because every worker reads all labels.

A label's event decides who joins it: the worker to which the event's partition is assigned. What no event decides must
be done by exactly one worker: a malformed label becomes one dead letter, a label that brings its own features teaches
once, and a label that waited in vain is reported once. That worker is the *owner* of the label's partition: the group
assigns the partitions of the labels as it assigns those of the events.

A worker may read a label long before or after its partition is assigned to it. So the owner commits for each partition
how far it has settled it, and whoever takes the partition over goes on from there, whatever it has read before:

- `settled`: below it every label is settled, or waits for its event;
- `oldest`: below it no label waits any more. It is the note beside the committed offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tocsin.streams.state.notes import Duty
from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Committed, Offsets, Partition, Record


class Duties:
    """The partitions of the labels that one worker owns now."""

    def __init__(self) -> None:
        self._duties: dict[Partition, Duty] = {}
        self._committed: dict[Partition, Committed] = {}
        """What the group has committed of each partition, as far as this worker knows."""
        self._behind: set[Partition] = set()
        """Partitions of which this worker has read labels that it did not settle, because another one owned them."""

    def take_over(self, partition: Partition, committed: Committed | None, duty: Duty) -> None:
        """A partition was assigned, for which the group has committed this. It is behind until `catch_up`."""
        self._duties[partition] = duty
        self._behind.add(partition)
        if committed is not None:
            self._committed[partition] = committed

    def give_up(self, partitions: Iterable[Partition]) -> None:
        """Partitions were revoked. Those of other topics are passed over."""
        for partition in partitions:
            self._duties.pop(partition, None)
            self._committed.pop(partition, None)
            self._behind.discard(partition)

    def clear(self) -> None:
        """All partitions were lost."""
        self._duties.clear()
        self._committed.clear()
        self._behind.clear()

    def behind(self) -> list[Partition]:
        """The partitions whose labels this worker has still to read again."""
        return sorted(self._behind)

    def catch_up(self, partition: Partition) -> None:
        """From now on what is read of a partition is settled, too."""
        self._behind.discard(partition)

    def of(self, partition: Partition) -> Duty:
        """The duty of a partition that this worker owns."""
        return self._duties[partition]

    def settles(self, label: Record) -> bool:
        """Whether this worker has to settle a label that it reads now, where no event decides about it."""
        duty = self._duties.get(Partition(label.topic, label.partition))
        return duty is not None and label.offset >= duty.settled

    def reports(self, label: Record) -> bool:
        """Whether this worker has to report a label that waited in vain."""
        duty = self._duties.get(Partition(label.topic, label.partition))
        return duty is not None and label.offset >= duty.oldest

    def advance(self, transaction: Transaction, read: Offsets) -> None:
        """Note how far labels are settled, after labels were read up to these offsets (the next ones).

        What waited for its event and waits no more is settled, too. Where this worker has read less than the one before
        it, what it has not read may still wait.
        """
        for partition, duty in self._duties.items():
            if partition in self._behind:
                continue
            position = read.get(partition) or transaction.positions.get(partition) or 0
            settled = max(duty.settled, position)
            waiting = transaction.waiting.oldest(partition.index, duty.oldest)
            oldest = position if waiting is None else min(waiting, position)
            self._duties[partition] = Duty(settled, max(duty.oldest, oldest))
            if self._duties[partition] != duty:
                transaction.notes.set_duty(partition, self._duties[partition])

    def to_commit(self) -> dict[Partition, Committed]:
        """What has changed since it was committed last."""
        now = {p: Committed(duty.settled, str(duty.oldest)) for p, duty in self._duties.items()}
        return {p: committed for p, committed in now.items() if self._committed.get(p) != committed}

    def committed(self, commits: Mapping[Partition, Committed]) -> None:
        """The group has committed this."""
        self._committed.update(commits)


def duty_of(committed: Committed | None, kept: Duty | None, end: int) -> Duty:
    """Where to go on with a partition, by what the group has committed and by what this worker's own state kept.

    A broker may forget the note, or all of it. What the state kept is then the next best, and the beginning is safe.
    What lies beyond the `end` of the partition (its end offset) is of a topic that was deleted and made anew.
    """
    if committed is not None and committed.offset > end:
        committed = None
    if kept is not None and kept.settled > end:
        kept = None
    if committed is None:
        return kept or Duty(0, 0)
    if committed.note.isdecimal():
        return Duty(committed.offset, int(committed.note))
    return Duty(committed.offset, min(committed.offset, 0 if kept is None else kept.oldest))
