"""Forget: what `tocsin forget` finds of subjects in the logs, and the records by which every worker forgets them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.transport.guarantee import is_exactly_once
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.wire.packed.control import Control, is_control, packed_control, read_control
from tocsin.streams.wire.packed.feedback import UNREADABLE, sealed_under
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

AT_ONCE = 20_000
"""Offsets, and keys, that one control record names."""


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
        self._read: dict[Partition, int] = {}
        """Up to where each topic was read."""

    def find(self, subjects: Sequence[str]) -> list[FoundSubject]:
        """What the logs hold of subjects, each once. Raises TransportError, ErasureError."""
        self._read.clear()
        found = {subject: FoundSubject(subject) for subject in subjects}
        self._find_keys(found)
        self._find_feedback(found)
        return list(found.values())

    def _come_meanwhile(self, found: Sequence[FoundSubject]) -> list[FoundSubject]:
        """What has come of subjects since that was found, and before they were forgotten."""
        late = {one.subject: FoundSubject(one.subject) for one in found}
        self._find_keys(late, until_forgotten=True)
        self._find_feedback(late, [key_id for one in (*found, *late.values()) for key_id in one.keys])
        return [one for one in late.values() if one.known]

    def _find_keys(self, found: dict[str, FoundSubject], until_forgotten: bool = False) -> None:
        by_owner = {self._secret.index(subject): one for subject, one in found.items()}
        for record in self._all(self._settings.topics.keys):
            said = read_key_record(record, self._secret)
            if said is None or (one := by_owner.get(said.owner)) is None:
                continue
            if until_forgotten and one.forgotten:
                continue  # it has begun anew
            if isinstance(said, MadeKey):
                one.keys.append(said.id)
            elif isinstance(said, DeletedKey):
                one.keys = [key_id for key_id in one.keys if key_id != said.id]
            elif isinstance(said, Forgotten):
                one.forgotten = True

    def _find_feedback(self, found: dict[str, FoundSubject], under: Collection[bytes] | None = None) -> None:
        """Only what is sealed `under` some keys counts, where these are given."""
        clear = {subject.encode(): one for subject, one in found.items()}
        sealed = {self._secret.index(subject).hex().encode(): one for subject, one in found.items()}
        left_out: set[int] = set()
        for record in self._all(self._settings.topics.feedback):
            value, key = record.value or b"", record.key or b""
            if is_control(value):
                left_out |= _left_out(value)
            elif (one := sealed.get(key)) is not None and (key_id := sealed_under(value)) is not None:
                if under is None or key_id in under:
                    one.feedback.append(record.offset)
            elif under is None and (one := clear.get(key)) is not None and sealed_under(value) is None:
                one.feedback.append(record.offset)
                one.in_clear.append(record.offset)
        for one in found.values():
            one.feedback = [offset for offset in one.feedback if offset not in left_out]

    def forget(self, found: Sequence[FoundSubject], now: int | None = None, by: str = "") -> ForgetReport:
        """Delete the keys of subjects, and have the models leave out what they learnt of them: all of it, or nothing.

        `now` is epoch milliseconds, `by` is who asks. What workers have sealed since `find`, before they could know, is
        forgotten by records of its own. Where the broker has no transactions, a second call does what an interrupted
        one left undone. Raises TransportError, StoreError.
        """
        now = time.time_ns() // 1_000_000 if now is None else now
        self._write(found, self._key_records(found, now), (now, by))
        if late := self._come_meanwhile(found):
            deleted = [deletion(self._secret.index(one.subject), key_id) for one in late for key_id in one.keys]
            self._write(late, deleted, (now, by))
        both = [*found, *late]
        offsets = {offset for one in both for offset in one.feedback}
        return ForgetReport(
            subjects=len(found),
            unknown=len({one.subject for one in found} - {one.subject for one in both if one.known}),
            keys=sum(len(one.keys) for one in both),
            feedback=len(offsets),
            in_clear=sum(len(one.in_clear) for one in both),
            snapshots=self._delete_snapshots(min(offsets)) if offsets else 0,
        )

    def _write(self, found: Sequence[FoundSubject], keys: Sequence[KeyRecord], asked: tuple[int, str]) -> None:
        """Write records of keys, and then control records that leave out what was found; `asked` is when and by whom.

        In this order, because workers that read a control record look for deleted keys.
        """
        transport, names, (now, by) = self._transport, self._settings.topics, asked
        for record in keys:
            transport.produce(names.keys, record.key, record.value)
        transport.flush()
        offsets = sorted({offset for one in found for offset in one.feedback})
        ids = [key_id.hex() for one in found for key_id in one.keys]
        for start in range(0, max(len(offsets), len(ids)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            control = Control(
                kind="leave-out", reason="forgotten", time=now, by=by, offsets=offsets[part], keys=ids[part]
            )
            transport.produce(names.feedback, None, packed_control(control))
        transport.flush()
        transport.commit({})

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
        """The records that were not read yet."""
        for partition, end in self._transport.end_offsets(topic).items():
            start, self._read[partition] = self._read.get(partition, 0), end
            yield from self._transport.read(partition, start, end) if start < end else ()


def _left_out(value: bytes) -> set[int]:
    """The offsets that a control record leaves out for subjects that were forgotten."""
    try:
        control = read_control(value)
    except UNREADABLE:
        return set()
    return set(control.offsets) if control.kind == "leave-out" and control.reason == "forgotten" else set()
