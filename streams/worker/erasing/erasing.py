"""What a worker does for erasure: it seals what it sends, reads the topic of keys, and forgets who is forgotten there.

A forgotten subject is erased in three steps, each of which is taken again where a crash came between:

1. the record of it is read, in whatever transaction: its keys are gone from the state, and it is noted for step 2;
2. all that the state keeps of it is deleted, in one transaction, which also notes that the file is to be written anew;
3. the file is written anew, so that none of its pages holds what was deleted.

The models unlearn by the record in the feedback: see `tocsin.streams.worker.model`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from tocsin.config.inputs.profiles import SUBJECT
from tocsin.config.settings import Settings
from tocsin.streams.state.peer_baselines import peer_group
from tocsin.streams.state.sealing.kept_keys import KeptKeys, KeyMemory
from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import Transport
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.kinds.keys import SubjectKey
from tocsin.streams.wire.packed.control import Control
from tocsin.streams.wire.sealing.key_records import ROLL, Forgotten, other_secret
from tocsin.streams.wire.sealing.outputs import SealedOutputs
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.wire.sealing.secret import ErasureError, Secret
from tocsin.streams.worker.deciding.profiling import Profiling
from tocsin.streams.worker.joining.label_target import LabelTarget

log = logging.getLogger(__name__)

KEPT_HOURS = 24
"""So much longer than an event waits for its label it stays in its topic, see `tocsin.streams.transport.topics`."""
ROLL_MS = 3_900_000
"""So long after a subject was forgotten a record is written that lets the broker close the segment of its keys."""


class Erasing:
    """What one worker does; nothing where `erasure.enabled` is not set."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        """`clock` gives epoch milliseconds. Raises ErasureError where the secret or the library is missing."""
        self._settings = settings
        self._clock = clock
        self._outputs = SealedOutputs(settings)
        self._group = peer_group(settings.early_risk)
        self._topic = settings.topics.keys
        secret = Secret.of(settings)
        self.keys = None if secret is None else KeyMemory(secret, settings.erasure.keys_in_memory, clock, self._topic)
        """What the state seals by."""
        self.seals: Seals = UNSEALED if self.keys is None else self.keys.seals
        """Opens and seals while a transaction of the state is open."""
        self._profiling = Profiling(settings)
        self.profiles_of_others = any(profile.key != SUBJECT for profile in settings.schema_.profiles)
        """Whether there are profiles of other keys than the subject. What one subject sent is in those of several, so
        that whoever forgets one makes them anew."""
        self._roll_at: int | None = None
        """When the record is due that lets the broker close a segment."""

    def open(self, state: State, reader: Transport) -> None:
        """Take over the keys that there are, and forget who was forgotten since. Raises ErasureError, StateError."""
        self._state, self._reader = state, reader
        if self.keys is None:
            return
        self.keys.read_on = self._read_on
        self.keys.kept_ms = int((self._settings.bounds.pending_ttl_hours + KEPT_HOURS) * 3_600_000)
        self._require_whole()
        self.look()
        self.rewrite()

    def room(self, topic: str, limit: int) -> int:
        """Of the bytes that a topic takes, those that a record may have before it is sealed."""
        return limit if self.keys is None else self._outputs.room(topic, limit)

    def sealed(self, output: Output, transaction: Callable[[], Transaction]) -> Output:
        """An output as it is to be produced. Raises ErasureError, StateError."""
        return output if self.keys is None else self._outputs(output, lambda: transaction().seals)

    def made(self, elected: bool) -> list[Output]:
        """The keys that were made since the last call, to be produced with the batch that they seal, and before it.

        An `elected` worker also lets the broker close the segment of keys that were deleted.
        """
        if self.keys is None:
            return []
        made, self.keys.made[:] = list(self.keys.made), []
        outputs = [Output(self._topic, record.key, record.value or b"") for record in made]
        if elected and self._roll_at is not None and self._clock() >= self._roll_at:
            self._roll_at = None
            outputs.append(Output(self._topic, ROLL, _said(self.keys.secret, self._clock())))
        return outputs

    def attend(self, profiles_anew: Callable[[], None], forget: Callable[[int], None]) -> None:
        """Forget who was forgotten since the last look, in this state and elsewhere: see `Ownership` and `Models`.

        No transaction of the state may be open. Raises ErasureError, StateError, TransportError.
        """
        if self.look() and self.profiles_of_others:
            profiles_anew()
        forget(self.forgets)
        self.rewrite()

    def forgotten(self, control: Control, at: int) -> None:
        """Use no key any more that is deleted by the control record at an offset of the feedback.

        All workers do so there: whoever went on with such a key would learn what nobody else can read. A transaction
        of the state is open. Raises ErasureError, StateError, TransportError.
        """
        if self.keys is None:
            return
        assert self.keys.within is not None
        if not control.keys or any(self.keys.within.has(bytes.fromhex(one)) for one in control.keys):
            self._read_on(self.keys.within)

    @property
    def forgets(self) -> int:
        """How many subjects were forgotten since the state was made."""
        if self.keys is None:
            return 0
        with self._state.transaction() as t:
            return t.notes.forgets

    def look(self) -> bool:
        """Read the topic of keys to its end and forget who is forgotten; returns whether anybody was.

        No transaction of the state may be open. Raises ErasureError, StateError, TransportError.
        """
        if self.keys is None:
            return False
        with self._state.transaction() as t:
            assert t.keys is not None
            self._read_on(t.keys)
            gone = t.keys.to_erase()
            for one in gone:
                self._erase(one, t)
                t.keys.erased(one)
            if gone:
                t.notes.rewrite = True
                t.notes.forgets += len(gone)
                self._roll_at = max(one.time for one in gone) + ROLL_MS
        return bool(gone)

    def rewrite(self) -> None:
        """Write the file of the state anew where it still holds what was deleted. Raises StateError."""
        if self.keys is None:
            return
        with self._state.transaction() as t:
            due = t.notes.rewrite
        if due:
            self._state.rewrite()
            log.info("a subject is forgotten: the file of the state was written anew")

    def _read_on(self, kept: KeptKeys) -> bool:
        """Take over what the topic has behind the position; returns whether there was anything."""
        began = kept.position
        for partition, end in self._reader.end_offsets(self._topic).items():
            for record in self._reader.read(partition, began, end) if began < end else ():
                kept.take(record)
        return kept.position > began

    def _require_whole(self) -> None:
        """Raise ErasureError where the topic is not the one that this state has read, or lost its beginning, and where
        the secret is another one."""
        assert self.keys is not None
        secret = self.keys.secret.name.encode()
        ids, ends = self._reader.topic_ids([self._topic]), self._reader.end_offsets(self._topic)
        if len(ends) != 1:
            raise ErasureError(
                f"topics.keys: {self._topic} has {len(ends)} partitions, and keys have an order in one partition only; "
                "name a topic of one partition"
            )
        [(partition, end)] = ends.items()
        first = self._reader.first_offsets(self._topic)[partition]
        with self._state.transaction() as t:
            assert t.keys is not None
            if t.notes.get("secret") not in (None, secret):
                raise other_secret(f"state.directory: {self._settings.state.directory}")
            t.notes.set("secret", secret)
            known, position = t.notes.topic_id(self._topic), t.keys.position
            if first > position or position > end or known not in (None, ids.get(self._topic, known)):
                raise ErasureError(
                    f"{partition.name} (topics.keys) is not what this worker has read: keys were deleted from it, or "
                    "it was made anew. Bring its records back; without them all that is sealed is erased. To go on "
                    "without them, remove the state directory and name new topics in topics.keys and topics.feedback"
                )
            if self._topic in ids:
                t.notes.set_topic_id(self._topic, ids[self._topic])

    def _erase(self, one: Forgotten, t: Transaction) -> None:
        """Delete all that the state keeps of a subject."""
        subject = one.subject
        events = t.pending.forget(subject)
        about = LabelTarget.of("subject", subject)
        t.waiting.take(about.key)
        t.waiting.take_where(lambda waiting: waiting.label.subject == subject or waiting.label.event == subject)
        t.known.forget([about.key, *(LabelTarget.of("event", identity).key for identity in events)])
        t.subjects.forget(subject, self._group)
        if self.profiles_of_others:
            for partition in t.profiles.partitions():
                t.profiles.begin(partition, self._profiling)
        elif self._profiling:
            t.profiles.forget(subject, self._profiling, SUBJECT)
        t.notes.forget_recent_events()


def _said(secret: Secret, now: int) -> bytes:
    return encode(SubjectKey(secret.name, now))
