"""Fit: what a worker sends is made as small as its topic takes, so that no record from outside can stop a worker.

What is left out of a record, in this order, until it fits:

- decision, alert, review: the explanation, of a review also what it says of a group of novel events, then the headers
  that came with the event; then a dead letter of the event replaces it;
- feedback: earlier posts of the subject, the oldest first, then the context; then a dead letter of the label replaces
  it;
- dead letter: headers beyond `bounds.header_bytes`, a very large key, the end of the value;
- telemetry: the experts, the classes, then the whole record;
- a pointer to snapshots: all but the newest snapshot, then the whole record;
- a config: the whole record.

A decision leaves room for its link, which is put on it last.

What was left out of a dead letter is named in its headers. Everything is counted, and the first time of each topic is
logged.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Headers, Record, TransportError, record_size
from tocsin.streams.wire.encode import REASON_HEADERS, Output, dead_letter, encode, letter_headers
from tocsin.streams.wire.kinds.dead_letter import LeftOut
from tocsin.streams.wire.kinds.snapshots import SnapshotPointer
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback, read, without_context
from tocsin.streams.wire.proof.chain import LINK_BYTES
from tocsin.streams.wire.records import Alert, Decision, Review, Telemetry
from tocsin.streams.wire.schema import UnfitError

log = logging.getLogger(__name__)

LEAST_LETTER_BYTES = 2_048
"""A topic of dead letters must take records of this size: the reason alone needs almost as much."""

Smaller = Callable[[bytes, int], Iterator[bytes]]
"""From the bytes of a record and the room for them: the same record with more and more left out."""


class _Rule(NamedTuple):
    """What a topic's records are called, and how they become smaller."""

    name: str
    smaller: Smaller


class Fit:
    """Makes outputs fit their topics."""

    def __init__(
        self,
        settings: Settings,
        limit: Callable[[str], int],
        dead_letters: Counter[str],
        shortened: Counter[str],
    ) -> None:
        """`limit` is that of the transport; the counters are told what became of records that did not fit.

        `dead_letters` counts by kind, `shortened` by the kind of record.
        """
        topics = settings.topics
        self._limit_of, self._decisions = limit, topics.decisions
        self._letters = topics.dead_letters
        self._header_bytes = settings.bounds.header_bytes
        self._dead_letters = dead_letters
        self._shortened = shortened
        self._rules = {
            topics.decisions: _Rule("decision", _smaller_decision),
            topics.alerts: _Rule("alert", _smaller_alert),
            topics.review: _Rule("review", _smaller_review),
            topics.feedback: _Rule("feedback", _smaller_feedback),
            topics.telemetry: _Rule("telemetry", _smaller_telemetry),
            topics.snapshots: _Rule("pointer", _smaller_pointer),
            topics.configs: _Rule("config", _as_it_is),
        }
        if topics.shadow is not None:
            self._rules[topics.shadow] = _Rule("shadow decision", _smaller_decision)

    def __call__(self, output: Output) -> list[Output]:
        """The records to produce in place of an output: itself where it fits. Raises TransportError.

        TransportError means that the topic of dead letters takes less than any dead letter needs.
        """
        limit = self._room(output.topic)
        if output.topic != self._letters and output.headers:
            output = self._with_bounded_headers(output)
        if _size(output) <= limit:
            return [output]
        if output.topic == self._letters:
            return [self._shorter_letter(output, limit)]
        rule = self._rules[output.topic]
        smaller = self._smaller(rule, output, limit)
        if smaller is not None:
            self._note(rule.name, output.topic)
            return [smaller]
        if rule.name in ("telemetry", "pointer", "config", "shadow decision"):
            self._note(rule.name, output.topic)
            return []
        letter = self._replacement(rule.name, output)
        self._dead_letters[f"{rule.name}-too-large"] += 1
        return self(letter)

    def fits(self, output: Output) -> bool:
        """Whether a record of its kind goes out for an output, whatever is left out of it. Raises TransportError."""
        limit = self._room(output.topic)
        return _size(output) <= limit or self._smaller(self._rules[output.topic], output, limit) is not None

    def _room(self, topic: str) -> int:
        """How large a record of a topic may be before its link is put on it."""
        return self._limit_of(topic) - (LINK_BYTES if topic == self._decisions else 0)

    def _with_bounded_headers(self, output: Output) -> Output:
        """The output with as many of the headers from outside as the bounds allow."""
        kept = _first(output.headers, self._header_bytes)
        if len(kept) == len(output.headers):
            return output
        return output._replace(headers=[*kept, *letter_headers(LeftOut(headers=len(output.headers) - len(kept)))])

    def _smaller(self, rule: _Rule, output: Output, limit: int) -> Output | None:
        """The output with as little left out as makes it fit; None where nothing does."""
        bare = output
        if output.headers:
            bare = output._replace(headers=letter_headers(LeftOut(headers=len(output.headers))))
        smallest = output.value
        for smallest in rule.smaller(output.value, limit - _size(output._replace(value=b""))):
            smaller = output._replace(value=smallest)
            if _size(smaller) <= limit:
                return smaller
        bare = bare._replace(value=smallest)
        return bare if _size(bare) <= limit else None

    def _note(self, name: str, topic: str) -> None:
        self._shortened[name] += 1
        if self._shortened[name] == 1:
            log.warning(
                "a %s is larger than topic %s takes (max.message.bytes = %d) and is shortened; from now on this is "
                "only counted (`shortened`)", name, topic, self._limit_of(topic),
            )  # fmt: skip

    def _replacement(self, name: str, output: Output) -> Output:
        """A dead letter of the record from outside that an output was to answer."""
        origin = output.origin or Record(output.topic, -1, -1, 0, output.key, output.value)
        error = UnfitError(
            f"{name}-too-large",
            f"the {name} of {_size(output)} bytes is more than topic {output.topic!r} takes, whatever is left out of "
            f"it: raise its max.message.bytes = {self._limit_of(output.topic)}",
        )
        return dead_letter(self._letters, origin, error)

    def _shorter_letter(self, letter: Output, limit: int) -> Output:
        """A dead letter that keeps as much as the topic takes, and says what is left out."""
        if limit < LEAST_LETTER_BYTES:
            raise too_small(letter.topic, limit)
        self._note("dead letter", letter.topic)
        outside, reasons = letter.headers[:-REASON_HEADERS], letter.headers[-REASON_HEADERS:]
        # A quarter each at most, so that something of the value is kept as well.
        kept = _first(outside, min(self._header_bytes, limit // 4))
        key = letter.key if letter.key is None or len(letter.key) <= limit // 4 else None
        left_out = LeftOut(
            headers=len(outside) - len(kept),
            key_sha256=_sha256(letter.key) if key is None and letter.key is not None else None,
        )
        whole = letter._replace(key=key, headers=[*kept, *reasons, *letter_headers(left_out)])
        if _size(whole) <= limit:
            return whole
        left_out = msgspec.structs.replace(left_out, value_bytes=len(letter.value), value_sha256=_sha256(letter.value))
        cut = whole._replace(value=b"", headers=[*kept, *reasons, *letter_headers(left_out)])
        if (over := _size(cut) - limit) > 0:
            # What came with the record leaves too little room for the reason, which matters more.
            kept = _first(kept, max(0, sum(map(_header_size, kept)) - over))
            left_out = msgspec.structs.replace(left_out, headers=len(outside) - len(kept))
            cut = cut._replace(headers=[*kept, *_briefly(reasons), *letter_headers(left_out)])
        return cut._replace(value=letter.value[: max(0, limit - _size(cut))])


def too_small(topic: str, limit: int) -> TransportError:
    """The error to raise where a topic of dead letters takes less than any dead letter needs."""
    return TransportError(
        f"topic {topic!r} takes records of {limit} bytes at most, and dead letters need {LEAST_LETTER_BYTES}: "
        "raise its max.message.bytes"
    )


def _size(output: Output) -> int:
    return record_size(output.key, output.value, output.headers)


def _header_size(header: tuple[str, bytes]) -> int:
    return record_size(None, None, [header]) - record_size(None, None)


def _first(headers: Headers, room: int) -> list[tuple[str, bytes]]:
    """The first headers for which there is room."""
    kept = []
    for header in headers:
        room -= _header_size(header)
        if room < 0:
            break
        kept.append(header)
    return kept


def _briefly(reasons: Headers) -> list[tuple[str, bytes]]:
    """The headers of a reason, none of them longer than the smallest topic of dead letters has room for."""
    return [(name, value.decode(errors="replace").encode()[:249]) for name, value in reasons]


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _smaller_decision(value: bytes, room: int) -> Iterator[bytes]:
    yield encode(msgspec.structs.replace(msgspec.json.decode(value, type=Decision), explanation=None))


def _smaller_alert(value: bytes, room: int) -> Iterator[bytes]:
    yield encode(msgspec.structs.replace(msgspec.json.decode(value, type=Alert), explanation=None))


def _smaller_review(value: bytes, room: int) -> Iterator[bytes]:
    review = msgspec.json.decode(value, type=Review)
    decision = msgspec.structs.replace(review.decision, explanation=None)
    review = msgspec.structs.replace(review, decision=decision)
    yield encode(review)
    yield encode(msgspec.structs.replace(review, novelty=msgspec.UNSET))


def _smaller_feedback(value: bytes, room: int) -> Iterator[bytes]:
    if is_control(value):  # nothing of it can be spared
        return
    feedback = read(value)
    assert isinstance(feedback, PackedFeedback)  # nothing else is produced
    posts, size = feedback.posts, len(value)
    while posts and size > room:
        size -= len(posts[0].encode())
        posts = posts[1:]
    feedback = msgspec.structs.replace(feedback, posts=posts)
    yield packed_feedback(feedback)
    yield packed_feedback(without_context(msgspec.structs.replace(feedback, posts=[])))


def _smaller_telemetry(value: bytes, room: int) -> Iterator[bytes]:
    telemetry = msgspec.structs.replace(msgspec.json.decode(value, type=Telemetry), experts={}, judged=None)
    yield encode(telemetry)
    yield encode(msgspec.structs.replace(telemetry, classes={}))


def _as_it_is(value: bytes, room: int) -> Iterator[bytes]:
    yield value


def _smaller_pointer(value: bytes, room: int) -> Iterator[bytes]:
    pointer = msgspec.json.decode(value, type=SnapshotPointer)
    yield encode(msgspec.structs.replace(pointer, kept=pointer.kept[:1]))
