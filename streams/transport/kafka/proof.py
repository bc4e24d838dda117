"""What a member proves to the broker with each transaction: that it has its partitions in the present generation."""

from __future__ import annotations

import threading

from confluent_kafka import Consumer


class Proof:
    """The metadata of one member of a group, for the thread that commits.

    Where partitions move one by one, the client takes part in a rebalance in the background and keeps what it has, so
    that the generation grows between two polls. The metadata are read anew as long as the client is the member that got
    the partitions. A client that was removed from its group is not: it knows no generation, which the broker takes for
    a producer without a group, so that it must prove the generation in which it was a member last.

    Only the thread that polls may ask the client: any other one would wait until the poll returns, and for ever where
    the poll waits for a commit.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._identity: str | None = None
        """The id that the broker gave the member when its partitions came last."""
        self._readings = 0
        self._gone = False
        """Whether the client is that member no more."""
        self._changed = threading.Condition()
        self._polling = threading.get_ident()
        """The thread that polls."""
        self.metadata: object = None
        """What goes with offsets; see `Consumer.consumer_group_metadata`."""

    def take(self) -> None:
        """Partitions came. For the thread that polls."""
        self._polling = threading.get_ident()
        with self._changed:
            self._identity, self._gone = self._consumer.memberid(), False
            self._note(self._consumer.consumer_group_metadata())

    def renew(self) -> None:
        """Read the metadata anew. For the thread that polls."""
        metadata = self._consumer.consumer_group_metadata()
        with self._changed:
            if self.is_of_member():
                self._note(metadata)
            else:
                self._gone = True
                self._changed.notify_all()

    def is_of_member(self) -> bool:
        """Whether the client is the member that got the partitions, as far as it knows. For the thread that polls."""
        return self._identity is not None and self._consumer.memberid() == self._identity

    def newer(self, seconds: float) -> bool:
        """Wait until the metadata are read anew; False where the client is the member no more, or it took too long."""
        if threading.get_ident() == self._polling:
            self.renew()
            return not self._gone
        with self._changed:
            before = self._readings
            self._changed.wait_for(lambda: self._readings > before or self._gone, seconds)
            return self._readings > before and not self._gone

    def _note(self, metadata: object) -> None:
        self.metadata = metadata
        self._readings += 1
        self._changed.notify_all()
