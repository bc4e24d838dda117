"""Which snapshots of a model are kept for all workers, as the topic `snapshots` has it."""

from __future__ import annotations

from msgspec import Struct


class SharedSnapshot(Struct, frozen=True):
    """One snapshot of a model in the store that all workers share."""

    offset: int
    """The feedback offset: the model had learnt all records below it."""
    sha256: str
    """The digest of its arrays, 64 hex digits."""
    place: str
    """Its folder, below `state.snapshots`."""


class SnapshotPointer(Struct, frozen=True):
    """The snapshots of one model that are kept for all workers. On the topic `snapshots`, keyed by what it is of."""

    config: str
    """The model digest, as `model.config` of decisions."""
    lineage: str
    """The digest and the offset of the model that it went on from; empty for a model of all feedback."""
    topic: str
    """The feedback topic that it has learnt from."""
    topic_id: str | None
    """The id of that topic, where the broker tells one."""
    worker: str
    """Who wrote this."""
    time: int
    kept: list[SharedSnapshot]
    """The newest first. One that is damaged or missing is passed over for the next."""
