"""Forget: what `tocsin forget` finds of subjects in the logs, and the records by which every worker forgets them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.transport.guarantee import is_exactly_once
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.wire.packed.control import Control, is_control, packed_control, read_control
from tocsin.streams.wire.packed.feedback import UNREADABLE, read_sealed
from tocsin.streams.wire.sealing.key_records import (
    DeletedKey,
    Forgotten,
    KeyRecord,
    MadeKey,
    deletion,
    forgotten_record,
    read_key_record,
)
from tocsin.streams.wire.sealing.secret import ErasureError, Secret
from tocsin.streams.worker.snapshots.store import SnapshotStore, topic_folder

AT_ONCE = 50_000
"""Offsets that one control record names."""


@dataclass
class FoundSubject:
    """What the logs hold of one subject."""

    subject: str
    keys: list[bytes] = field(default_factory=list)
    """The ids of its keys, which are there now."""
    feedback: list[int] = field(default_factory=list)
    """The offsets of its feedback that the models have learnt."""
    in_clear: list[int] = field(default_factory=list)
    """Of these, and of those left out before, the ones that were written before erasure was enabled."""
    forgotten: bool = False
    """Whether it was forgotten before."""

    @property
    def known(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.keys or self.feedback or self.in_clear)


@dataclass
class ForgetReport:
    """What `tocsin forget --report json` prints."""

    subjects: int = 0
    unknown: int = 0
    """Subjects of which the logs hold nothing; workers were told to forget them nevertheless."""
    keys: int = 0
    """Keys that were deleted."""
    feedback: int = 0
    """Feedback records that the models leave out from now on."""
    in_clear: int = 0
    """Feedback records that stay readable, because they were written before erasure was enabled."""
    snapshots: int = 0
    """Shared snapshots that were deleted, because their models had learnt of a subject."""


def open_transport(settings: Settings) -> Transport:
    """A transport that reads, and writes in transactions where the broker has them. Raises TransportError."""
    transactional = None
    if is_exactly_once(settings.kafka):
        written = [settings.topics.feedback, settings.topics.keys]
        transactional = Transactional(TransactionalId(settings.group, "tocsin-forget"), written)
    terms = Terms(limits=topics.configured_limits(settings.topics))
    return KafkaTransport(
        settings.kafka, group=settings.group, client_id=settings.name, terms=terms, transactional=transactional
    )


def required_secret(settings: Settings) -> Secret:
    """The secret of a service. Raises ErasureError where it seals nothing, or where its secret is missing."""
    secret = Secret.of(settings)
    if secret is None:
        raise ErasureError(
            "erasure.enabled is not set, so that what subjects wrote stands in clear in the topics, from which nothing "
            "can be taken away: set it, with a secret in TOCSIN_ERASURE__SECRET, and what is written from then on can "
            "be forgotten. What was written before goes with the retention of its topic"
        )
    return secret


class Forget:
    """Forgets subjects of one service."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        """Raises ErasureError where the service seals nothing, or where its secret is missing."""
        secret = required_secret(settings)
        self._settings = settings
        self._secret = secret
        self._transport = transport

    def find(self, subjects: Sequence[str]) -> list[FoundSubject]:
        """What the logs hold of subjects, each once. Raises TransportError, ErasureError."""
        found = {subject: FoundSubject(subject) for subject in subjects}
        self._find_keys(found)
        self._find_feedback(found)
        return list(found.values())

    def _find_keys(self, found: dict[str, FoundSubject]) -> None:
        by_owner = {self._secret.index(subject): one for subject, one in found.items()}
        for record in self._all(self._settings.topics.keys):
            said = read_key_record(record, self._secret)
            if said is None or (one := by_owner.get(said.owner)) is None:
                continue
            if isinstance(said, MadeKey):
                one.keys.append(said.id)
            elif isinstance(said, DeletedKey):
                one.keys = [key_id for key_id in one.keys if key_id != said.id]
            elif isinstance(said, Forgotten):
                one.forgotten = True

    def _find_feedback(self, found: dict[str, FoundSubject]) -> None:
        clear = {subject.encode(): one for subject, one in found.items()}
        sealed = {self._secret.index(subject).hex().encode(): one for subject, one in found.items()}
        left_out: set[int] = set()
        for record in self._all(self._settings.topics.feedback):
            value, key = record.value or b"", record.key or b""
            if is_control(value):
                left_out |= _left_out(value)
            elif (one := sealed.get(key)) is not None and _is_sealed(value):
                one.feedback.append(record.offset)
            elif (one := clear.get(key)) is not None and not _is_sealed(value):
                one.feedback.append(record.offset)
                one.in_clear.append(record.offset)
        for one in found.values():
            one.feedback = [offset for offset in one.feedback if offset not in left_out]

    def forget(self, found: Sequence[FoundSubject], now: int | None = None, by: str = "") -> ForgetReport:
        """Have the models leave out what they learnt of subjects, and delete their keys: all of it, or nothing.

        `now` is epoch milliseconds, `by` is who asks. Where the broker has no transactions the models are told first,
        so that a second call does what an interrupted one left undone. Raises TransportError, StoreError.
        """
        now = time.time_ns() // 1_000_000 if now is None else now
        transport, names = self._transport, self._settings.topics
        offsets = sorted({offset for one in found for offset in one.feedback})
        for start in range(0, len(offsets), AT_ONCE):
            control = Control(
                kind="leave-out", reason="forgotten", time=now, by=by, offsets=offsets[start : start + AT_ONCE]
            )
            transport.produce(names.feedback, None, packed_control(control))
        transport.flush()
        for record in self._key_records(found, now):
            transport.produce(names.keys, record.key, record.value)
        transport.flush()
        transport.commit({})
        return ForgetReport(
            subjects=len(found),
            unknown=sum(not one.known for one in found),
            keys=sum(len(one.keys) for one in found),
            feedback=len(offsets),
            in_clear=sum(len(one.in_clear) for one in found),
            snapshots=self._delete_snapshots(offsets[0]) if offsets else 0,
        )

    def _key_records(self, found: Sequence[FoundSubject], now: int) -> list[KeyRecord]:
        """That subjects are forgotten, and then that their keys are deleted."""
        names = self._settings.topics
        ends = {**self._transport.end_offsets(names.events), **self._transport.end_offsets(names.labels)}
        records = []
        for one in found:
            records.append(forgotten_record(self._secret, one.subject, ends, now))
            records += [deletion(self._secret.index(one.subject), key_id) for key_id in one.keys]
        return records

    def _delete_snapshots(self, first: int) -> int:
        """Delete the shared snapshots whose models have learnt the feedback record at an offset."""
        place, topic = self._settings.state.snapshots, self._settings.topics.feedback
        if place is None:
            return 0
        folder = topic_folder(topic, self._transport.topic_ids([topic]).get(topic))
        return SnapshotStore(place).delete_above(folder, first)

    def _all(self, topic: str) -> Iterator[Record]:
        for partition, end in self._transport.end_offsets(topic).items():
            yield from self._transport.read(partition, 0, end)


def _is_sealed(value: bytes) -> bool:
    try:
        return read_sealed(value) is not None
    except UNREADABLE:
        return False


def _left_out(value: bytes) -> set[int]:
    """The offsets that a control record leaves out for subjects that were forgotten."""
    try:
        control = read_control(value)
    except UNREADABLE:
        return set()
    return set(control.offsets) if control.kind == "leave-out" and control.reason == "forgotten" else set()
