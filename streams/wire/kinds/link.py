"""The place of a decision in the chain of all decisions on one partition of the events."""

from __future__ import annotations

from msgspec import Struct


class Link(Struct, frozen=True):
    """One link: it holds the digest of the decision before it, so that none can be changed or taken away unseen.

    The digest is the SHA-256 over all bytes of the record that stand before `,"sha256":`, which is the end of every
    decision. Decisions are keyed by subject, so that the links of one partition of the events may lie in several
    partitions of the decisions.
    """

    partition: int
    """The partition of the events topic that the event stands in."""
    offset: int
    """The offset of the event in that partition."""
    before: str
    """`sha256` of the decision before it on that partition, 64 hex digits; empty where the chain begins."""
    sha256: str
    """64 hex digits."""
