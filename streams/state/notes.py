"""Notes: single values by name, such as the format, how the worker stopped, and what partitions have spent."""

from __future__ import annotations

from typing import NamedTuple

from tocsin.config.alert.budget import HOUR
from tocsin.streams.state.entries import Entries
from tocsin.streams.transport.base import Partition

NOTES = "meta"


class Duty(NamedTuple):
    """How far one partition of the labels is settled, as offsets; see `tocsin.streams.worker.joining.duties`."""

    settled: int
    """Below it every label is settled, or waits for its event."""
    oldest: int
    """Below it no label waits any more."""


class Notes:
    """The notes within one transaction."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def get(self, name: str) -> bytes | None:
        """A note by name."""
        return self._entries.get(NOTES, name.encode())

    def set(self, name: str, value: bytes) -> None:
        """Write a note."""
        self._entries.put(NOTES, name.encode(), value)

    def delete(self, name: str) -> None:
        """Remove a note; a missing one is no error."""
        self._entries.delete(NOTES, name.encode())

    @property
    def stopped_cleanly(self) -> bool | None:
        """Whether the worker that had this state before stopped cleanly; None where there was none."""
        found = self.get("clean")
        return None if found is None else found == b"1"

    @stopped_cleanly.setter
    def stopped_cleanly(self, value: bool) -> None:
        self.set("clean", b"1" if value else b"0")

    def budget(self, partition: int, period: int = HOUR) -> bytes | None:
        """What a partition spent of the budget of reviews of a period (milliseconds), see
        `tocsin.streams.worker.deciding.review_budget`."""
        return self.get(_budget(partition, period))

    def set_budget(self, partition: int, state: bytes, period: int = HOUR) -> None:
        """Keep it."""
        self.set(_budget(partition, period), state)

    def alerts(self, partition: int) -> bytes | None:
        """What a partition spent of the budget of alerts; see `tocsin.streams.worker.deciding.alert_budget`."""
        return self.get(f"alerts:{partition}")

    def set_alerts(self, partition: int, state: bytes) -> None:
        """Keep it."""
        self.set(f"alerts:{partition}", state)

    def priors(self, partition: int, model: str) -> bytes | None:
        """How frequent classes have been of late in a partition: see `tocsin.models.decision.prior_shift.RecentPriors`.

        `model` is the digest of the model that it is of. None where nothing is kept for that model: to another one the
        places of the classes may mean other classes.
        """
        kept_of, _, state = (self.get(f"priors:{partition}") or b"").partition(b" ")
        return state if kept_of == model.encode() else None

    def set_priors(self, partition: int, model: str, state: bytes) -> None:
        """Keep it."""
        self.set(f"priors:{partition}", model.encode() + b" " + state)

    def forget_priors(self, partition: int) -> None:
        """Remove it, so that the partition begins as usual: it is of events long ago."""
        self.delete(f"priors:{partition}")

    def traffic(self, partition: int, part: str = "") -> bytes | None:
        """A part of a partition's recent traffic; see `tocsin.streams.worker.deciding.traffic`."""
        return self.get(f"traffic:{partition}:{part}")

    def set_traffic(self, partition: int, part: str, state: bytes) -> None:
        """Keep it."""
        self.set(f"traffic:{partition}:{part}", state)

    def forget_traffic(self, partition: int) -> None:
        """Begin anew: it is of events long ago."""
        self.delete(f"traffic:{partition}:")

    def forget_recent_events(self) -> None:
        """Begin traffic and novel groups of all partitions anew, and keep nothing of what they were: an event's numbers
        are among theirs, and nothing says whose."""
        for name, _ in list(self._entries.walk(NOTES)):
            if name.startswith((b"traffic:", b"novel:")):
                self._entries.delete(NOTES, name)

    def novel_groups(self, partition: int) -> bytes | None:
        """The groups of a partition's novel events; see `tocsin.streams.worker.deciding.novel_groups`."""
        return self.get(f"novel:{partition}")

    def set_novel_groups(self, partition: int, state: bytes) -> None:
        """Keep them."""
        self.set(f"novel:{partition}", state)

    def forget_novel_groups(self, partition: int) -> None:
        """Begin anew: they are of events long ago."""
        self.delete(f"novel:{partition}")

    def profiles(self, partition: int) -> str | None:
        """Of which settings the profiles of a partition are kept, by their digest; None where there are none."""
        found = self.get(f"profiles:{partition}")
        return None if found is None else found.decode()

    def set_profiles(self, partition: int, digest: str) -> None:
        """Keep it."""
        self.set(f"profiles:{partition}", digest.encode())

    def chain(self, partition: int) -> str | None:
        """The digest of the last decision on a partition of the events; None where it is not known."""
        found = self.get(f"chain:{partition}")
        return None if found is None else found.decode()

    def set_chain(self, partition: int, digest: str) -> None:
        """Keep it."""
        self.set(f"chain:{partition}", digest.encode())

    @property
    def forgets(self) -> int:
        """How many subjects were forgotten since this state was made; the state of a shadow has it as of its own."""
        return int(self.get("forgets") or 0)

    @forgets.setter
    def forgets(self, value: int) -> None:
        self.set("forgets", b"%d" % value)

    def duty(self, partition: Partition) -> Duty | None:
        """How far this worker knew a partition of the labels to be settled; None where it never owned it."""
        found = self.get(f"duty:{partition.name}")
        return None if found is None else Duty(*map(int, found.split()))

    def set_duty(self, partition: Partition, duty: Duty) -> None:
        """Keep it."""
        self.set(f"duty:{partition.name}", b"%d %d" % duty)

    def dropped(self, partition: Partition) -> int:
        """Below this offset labels that waited here in vain may have been dropped without being reported.

        They were another worker's to report.
        """
        return int(self.get(f"dropped:{partition.name}") or 0)

    def set_dropped(self, partition: Partition, offset: int) -> None:
        """Keep it; a lower offset than before changes nothing."""
        if offset > self.dropped(partition):
            self.set(f"dropped:{partition.name}", b"%d" % offset)

    def topic_id(self, topic: str) -> str | None:
        """The id of the topic that the positions are of; None where the broker told none."""
        found = self.get(f"topic:{topic}")
        return None if found is None else found.decode()

    def set_topic_id(self, topic: str, identity: str) -> None:
        """Keep it."""
        self.set(f"topic:{topic}", identity.encode())

    @property
    def read_feedback_again(self) -> bool:
        """Whether the feedback is to be read again from its beginning, for what an older format did not note of it."""
        return self.get("read_feedback_again") is not None

    @read_feedback_again.setter
    def read_feedback_again(self, value: bool) -> None:
        if value:
            self.set("read_feedback_again", b"1")
        else:
            self.delete("read_feedback_again")

    @property
    def rewrite(self) -> bool:
        """Whether something was erased since the file of the state was written anew: its bytes are still in it."""
        return self.get("rewrite") is not None

    @rewrite.setter
    def rewrite(self, value: bool) -> None:
        if value:
            self.set("rewrite", b"1")
        else:
            self.delete("rewrite")

    @property
    def decided_twice(self) -> int:
        """Events that were decided again after a crash since this state was made."""
        return int(self.get("decided_twice") or 0)

    @decided_twice.setter
    def decided_twice(self, value: int) -> None:
        self.set("decided_twice", b"%d" % value)


def _budget(partition: int, period: int) -> str:
    """The name of the note; that of an hour is as it was when there was nothing else."""
    return f"budget:{partition}" if period == HOUR else f"budget:{partition}:{period}"
