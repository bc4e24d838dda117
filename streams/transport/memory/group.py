"""Consumer groups of the broker in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tocsin.streams.transport.base import Committed, Partition


class Member(Protocol):
    """One member of a group, compared by identity."""

    @property
    def shared(self) -> frozenset[str]:
        """The topics that it shares with the other members."""
        ...


class Group:
    """A consumer group: its members, what each is to own, what each still owns, and what was committed.

    A member first gives up what it owned, and takes over a partition only when its former owner has given it up.
    """

    def __init__(self) -> None:
        self.generation = 0
        """Grows whenever the partitions are distributed anew."""
        self.members: list[Member] = []
        self.target: dict[Member, list[Partition]] = {}
        """What each member is to own in this generation."""
        self.owners: dict[Partition, Member] = {}
        """Who owns each partition at present."""
        self.committed: dict[Partition, Committed] = {}

    def redistribute(self, counts: Mapping[str, int]) -> None:
        """Begin a generation: share every topic out in contiguous ranges; `counts` are its partitions, by topic.

        Partitions of equal number of two topics go to the same member.
        """
        self.generation += 1
        self.target = {member: [] for member in self.members}
        for topic, count in counts.items():
            candidates = [member for member in self.members if topic in member.shared]
            for index in range(count if candidates else 0):
                member = candidates[index * len(candidates) // count]
                self.target[member].append(Partition(topic, index))

    def available(self, member: Member) -> bool:
        """Whether nobody else still owns what the member is to own."""
        return all(self.owners.get(p, member) is member for p in self.target[member])

    def release(self, member: Member) -> None:
        """Let go of all that a member owns."""
        self.owners = {p: owner for p, owner in self.owners.items() if owner is not member}
