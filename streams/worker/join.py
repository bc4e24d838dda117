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

A label that waited is counted twice, as waiting and as what became of it. The labels known of events are bounded by
`bounds.pending_events`: beyond it, a label that is read again after the state was lost is joined again.

Every worker reads all labels, because a label by event id does not tell in which partition its event lies; the worker
that *holds* the event joins it: the one to which the event's partition is assigned now, whoever else may have kept the
event from before. What no event decides (a malformed label, a dead letter) is done by the label's *owner* alone: the
worker whose share of the label's partitions it falls into. So is a label that brings its own features: nobody else can
know whether it will find its event.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tocsin.config.settings import Settings
from tocsin.streams.state.store import WAITING_SHARE, Transaction
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import DecodedLabel, UnfitError
from tocsin.streams.wire.encode import Output, dead_letter, encode
from tocsin.streams.worker.learn import label_key

Owns = Callable[[Record], bool]
Holds = Callable[[int], bool]
"""Whether a partition of the events, by its number, is assigned to this worker."""
JOINED, CONTRADICTING, DUPLICATE = "joined", "contradicting", "duplicate"
SELF_CONTAINED, WAITING, UNKNOWN, LEFT = "self-contained", "waiting", "unknown", "left to its owner"


class Join:
    """Joins labels to the events that one worker holds."""

    def __init__(self, settings: Settings, owns: Owns, holds: Holds) -> None:
        self._settings = settings
        self._owns = owns
        self._holds = holds

    def label(self, decoded: DecodedLabel, transaction: Transaction, now: int) -> tuple[str, list[Output]]:
        """What becomes of one label: its outcome and what to emit."""
        about, identity = _speaks_of(decoded.label)
        key = label_key(about, identity)
        contained = decoded.label["features"] is not None or decoded.label["text"] is not None
        if contained and not self._owns(decoded.record):
            return LEFT, []
        entries = self._entries(about, identity, transaction)
        if entries:
            return self._join(decoded.label, about, key, entries, transaction)
        if contained:
            return self._self_contained(decoded, about, identity, key, transaction)
        if transaction.was_known(key, decoded.label["source"] or "", decoded.label["label"]):
            return DUPLICATE, []  # whoever holds the event has joined it
        waiting = {"label": decoded.label, "record": _pack(decoded.record)}
        transaction.wait(key, waiting, now)
        return WAITING, []

    def event(self, event: dict[str, Any], transaction: Transaction) -> list[tuple[str, list[Output]]]:
        """What becomes of the labels that waited for an event that is pending now."""
        results = []
        for about, identity in (("event", event["id"]), ("subject", event["subject"])):
            key = label_key(about, identity)
            for waiting in transaction.take_waiting(key):
                entries = self._entries(about, identity, transaction)
                results.append(self._join(waiting["label"], about, key, entries, transaction))
        return results

    def taken_over(self, transaction: Transaction) -> list[tuple[str, list[Output]]]:
        """What becomes of labels that waited here while another worker held their events, now that this one does."""
        results = []
        for key, waiting in transaction.waiting():
            about, identity = _speaks_of(waiting["label"])
            entries = self._entries(about, identity, transaction)
            if entries:
                labels = [taken["label"] for taken in transaction.take_waiting(key)]
                results += [self._join(label, about, key, entries, transaction) for label in labels]
        return results

    def expire(self, transaction: Transaction, now: int) -> list[tuple[str, list[Output]]]:
        """What becomes of labels that waited too long, or were too many."""
        bounds = self._settings.bounds
        before = now - int(bounds.waiting_ttl_seconds * 1000)
        room = int(WAITING_SHARE * self._settings.state.max_bytes)
        results = []
        for waiting in transaction.expire_waiting(before, bounds.waiting_labels, room):
            label, record = waiting["label"], _unpack(waiting["record"])
            about, identity = _speaks_of(label)
            if self._owns(record):
                error = UnfitError(
                    "unknown-event",
                    f"{about} {identity!r} did not turn up: never sent, or older than bounds.pending_ttl_hours",
                )
                results.append((UNKNOWN, [dead_letter(self._settings.topics.dead_letters, record, error)]))
        return results

    def _entries(self, about: str, identity: str, transaction: Transaction) -> list[dict[str, Any]]:
        """The pending events that a label speaks of and that this worker holds, oldest first."""
        if about == "event":
            entry = transaction.pending(identity)
            found = [] if entry is None else [entry]
        else:
            found = transaction.subject_events(identity, self._settings.bounds.subject_posts)
        return [entry for entry in found if self._holds(entry["partition"])]

    def _join(
        self,
        label: dict[str, Any],
        about: str,
        key: bytes,
        entries: list[dict[str, Any]],
        transaction: Transaction,
    ) -> tuple[str, list[Output]]:
        outcome, earlier = self._compare(label, key, transaction)
        if outcome == DUPLICATE:
            return outcome, []
        last = entries[-1]
        posts = self._newest([e["event"]["text"] for e in entries[:-1] if e["event"]["text"] is not None])
        feedback = self._feedback(label, about, last["event"], earlier)
        feedback |= {"decision": last["decision"], "saw": last["saw"], "posts": posts}
        return outcome, [self._produce(feedback, key, transaction)]

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

    def _self_contained(
        self, decoded: DecodedLabel, about: str, identity: str, key: bytes, transaction: Transaction
    ) -> tuple[str, list[Output]]:
        outcome, earlier = self._compare(decoded.label, key, transaction)
        if outcome == DUPLICATE:
            return outcome, []
        label, record = decoded.label, decoded.record
        event = {
            "id": label["event"] or f"{record.topic}-{record.partition}-{record.offset}",
            "subject": label["subject"] or identity,
            "time": label["time"],
            "features": label["features"] or {},
            "text": label["text"],
        }
        feedback = self._feedback(label, about, event, earlier) | {"decision": None, "saw": None, "posts": []}
        return SELF_CONTAINED if outcome == JOINED else outcome, [self._produce(feedback, key, transaction)]

    @staticmethod
    def _compare(label: dict[str, Any], key: bytes, transaction: Transaction) -> tuple[str, str | None]:
        """How a label stands to those known already, and the one it contradicts."""
        known = transaction.known_labels(key)
        source = label["source"] or ""
        if known.get(source) == label["label"]:
            return DUPLICATE, None
        others = [known[source]] if source in known else list(known.values())
        contradicted = [other for other in others if other != label["label"]]
        return (CONTRADICTING, contradicted[-1]) if contradicted else (JOINED, None)

    @staticmethod
    def _feedback(label: dict[str, Any], about: str, event: dict[str, Any], earlier: str | None) -> dict[str, Any]:
        return {
            "event": event,
            "label": label["label"],
            "labelled_at": label["time"],
            "delay": label["time"] - event["time"],
            "source": label["source"],
            "weight": 1.0 if label["weight"] is None else label["weight"],
            "about": about,
            "contradicts": earlier,
        }

    def _produce(self, feedback: dict[str, Any], key: bytes, transaction: Transaction) -> Output:
        # Known from now on, not only when the feedback log brings it back: a duplicate may come in this very batch.
        source = feedback["source"] or ""
        transaction.set_known_label(key, source, feedback["label"], self._settings.bounds.pending_events)
        return Output(self._settings.topics.feedback, feedback["event"]["subject"].encode(), encode(feedback))


def _speaks_of(label: dict[str, Any]) -> tuple[str, str]:
    """What a label speaks of: an event where it names one, else a subject."""
    if label["event"] is not None:
        return "event", label["event"]
    return "subject", label["subject"]


def _pack(record: Record) -> list[Any]:
    """A record as JSON can hold it."""
    as_text = [_text(part) for part in (record.key, record.value)]
    headers = [[name, _text(value)] for name, value in record.headers]
    return [record.topic, record.partition, record.offset, record.timestamp, *as_text, headers]


def _unpack(packed: list[Any]) -> Record:
    topic, partition, offset, timestamp, key, value, headers = packed
    return Record(
        topic,
        partition,
        offset,
        timestamp,
        _bytes(key),
        _bytes(value),
        tuple((name, _bytes(value)) for name, value in headers),
    )


def _text(part: bytes | None) -> str | None:
    return None if part is None else base64.b85encode(part).decode()


def _bytes(text: str | None) -> Any:
    return None if text is None else base64.b85decode(text)
