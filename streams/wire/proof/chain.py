"""The chain of decisions: how a link is put on a decision, and how it is read and checked.

A link is written into the bytes of a decision that is finished otherwise, and checked on the bytes that were read. So
nothing depends on how JSON is written: what was changed in a record, by a single byte, changes its digest.
"""

from __future__ import annotations

import hashlib

import msgspec

from tocsin.streams.wire.kinds.link import Link

_LINK = b',"chain":{"partition":%d,"offset":%d,"before":"%b"'
_DIGEST = b',"sha256":"%b"}}'
_END_BYTES = len(_DIGEST % (64 * b"0"))
LINK_BYTES = len(_LINK % (2**31, 2**63, 64 * b"0")) + _END_BYTES
"""The most bytes that a link adds to a decision."""


class Linked(msgspec.Struct, frozen=True):
    """A decision of which nothing but its link is read."""

    chain: Link | None = None


def with_link(decision: bytes, partition: int, offset: int, before: str) -> tuple[bytes, str]:
    """A decision with its place in the chain, and its digest; `before` is the digest of the decision before it.

    >>> linked, digest = with_link(b'{"event":"e"}', 0, 17, "")
    >>> linked[:56]
    b'{"event":"e","chain":{"partition":0,"offset":17,"before"'
    >>> is_whole(linked), is_whole(linked.replace(b"17", b"18"))
    (True, False)
    """
    linked = decision[:-1] + _LINK % (partition, offset, before.encode())
    digest = hashlib.sha256(linked).hexdigest()
    return linked + _DIGEST % digest.encode(), digest


def is_whole(decision: bytes) -> bool:
    """Whether the digest at the end of a decision is that of all that stands before it."""
    covered, end = decision[:-_END_BYTES], decision[-_END_BYTES:]
    return end == _DIGEST % hashlib.sha256(covered).hexdigest().encode()


def without_link(decision: bytes) -> bytes:
    """A decision as it was before its link was put on it."""
    start = decision.rfind(b',"chain":{')
    return decision if start < 0 else decision[:start] + b"}"


_LINKED = msgspec.json.Decoder(Linked)


def link_of(decision: bytes) -> Link | None:
    """The link of a decision; None for one of an older worker, or for what is no decision."""
    try:
        return _LINKED.decode(decision).chain
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
