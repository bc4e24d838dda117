"""The models that decided, one after the other: a fold over the feedback that stops at each offset that is asked for.

It begins at the nearest snapshot of the model, or at the beginning of the log. Nothing of a worker's state is read or
written. A control record that takes feedback back changes the model from its own offset on: then the fold begins again
from an earlier snapshot, and leaves out what the control record names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.streams.replay.past.feedback import FeedbackLog, FeedbackPieces
from tocsin.streams.replay.verify.report import ERASED_FEEDBACK
from tocsin.streams.replay.verify.snapshots import ModelSnapshots
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.control import is_control, read_control
from tocsin.streams.wire.packed.feedback import read_sealed
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.wire.sealing.logged_keys import is_erased
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals, key_id_of
from tocsin.streams.worker.deciding.decide import Decide
from tocsin.streams.worker.learning.learn import ERASED, FeedbackError, Learn
from tocsin.streams.worker.learning.leave_outs import LeftOutFeedback, first_named
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.snapshots.candidates import Candidate
from tocsin.streams.worker.snapshots.store import StoreError

PIECE = 1_000
"""Feedback records that are learnt at once."""


class NoModelError(Exception):
    """A model cannot be rebuilt; the text is the reason in the report."""


class _GoBackError(Exception):
    """Records at or behind this offset were learnt that a control record leaves out."""

    def __init__(self, first: int) -> None:
        self.first = first


class ModelFold:
    """The models of one config, at feedback offsets that never fall."""

    def __init__(
        self, settings: Settings, config: str, log: FeedbackLog, snapshots: ModelSnapshots, seals: Seals = UNSEALED
    ) -> None:
        """`settings` are those that decided, `config` is the config digest that decisions name them by.

        `seals` open feedback.
        """
        self._seals = seals
        self._settings, self._config, self._log, self._snapshots = settings, config, log, snapshots
        self._decoder = Decoder(EventSchema(settings))
        self._left_out = LeftOutFeedback({})
        """What the control records name that take feedback back, as far as they were read."""
        self._obeyed: dict[int, int] = {}
        """By their offsets, the first offset that each names."""
        self._pieces: FeedbackPieces | None = None

    @property
    def decoder(self) -> Decoder:
        """That of its events."""
        return self._decoder

    def at(self, offset: int) -> Decide:
        """What decides with all feedback below an offset. Raises NoModelError, TransportError."""
        try:
            if self._pieces is None or self._classifier.feedback_offset < min(offset, self._log.first):
                self._begin(offset, offset)  # what comes next is deleted: only a snapshot leads past it
            self._go_on(offset)
        except FeedbackError:
            self._pieces = None
            raise NoModelError("feedback-unreadable") from None
        except NoModelError:
            self._pieces = None  # a later offset may have a snapshot of its own
            raise
        if self._counts.passed_over[ERASED]:
            raise NoModelError(ERASED_FEEDBACK)  # it had learnt what nobody can read any more
        self._classifier.feedback_offset = offset
        return self._decide

    def _begin(self, most: int, wanted: int) -> None:
        """Begin at the nearest snapshot at or below `most`, for the model at `wanted`. Raises NoModelError."""
        found: Classifier | None = None
        for snapshot in self._snapshots.at_most(most, wanted):
            if not self._is_without_what_was_left_out(snapshot.candidate):
                continue
            try:
                found = snapshot.load()
                break
            except (SnapshotError, StoreError, OSError):
                continue
        self._classifier = found or self._snapshots.empty()
        if self._classifier.digest != self._snapshots.digest:
            raise NoModelError("model-unknown")
        base = self._classifier.feedback_offset
        if self._log.end < wanted or (base < wanted and base < self._log.first):
            raise NoModelError("feedback-gone")
        self._pieces = FeedbackPieces(self._log, base)
        self._decide = Decide(self._settings, self._classifier, self._decoder, self._config)
        self._counts = Counts()
        self._learn = Learn(self._classifier, self._decoder, self._settings, self._counts, self._seals)

    def _is_without_what_was_left_out(self, snapshot: Candidate) -> bool:
        """Whether a snapshot holds nothing that a control record behind it leaves out, of those that were read.

        The fold would pass over such a record, which it has obeyed before.
        """
        ahead = {at for at, first in self._obeyed.items() if first < snapshot.offset <= at}
        return ahead <= set(snapshot.ahead)

    def _go_on(self, offset: int) -> None:
        """Fold up to an offset, from the beginning again where a control record asks for that."""
        while True:
            try:
                self._fold_below(offset)
                return
            except _GoBackError as back:
                self._begin(back.first, offset)

    def _fold_below(self, offset: int) -> None:
        assert self._pieces is not None
        while records := self._pieces.below(offset, PIECE):
            learnt: list[Record] = []
            for record in records:
                if is_control(record.value):
                    self._fold(learnt)
                    learnt = []
                    self._obey(record)
                else:
                    learnt.append(record)
            self._fold(learnt)

    def _fold(self, records: Sequence[Record]) -> None:
        if not records:
            return
        passed_over = self._counts.passed_over
        before = passed_over[ERASED]
        self._learn.fold(records, self._left_out)
        if passed_over[ERASED] > before:
            passed_over[ERASED] = before + sum(self._is_missed(record) for record in records)

    def _is_missed(self, record: Record) -> bool:
        """Whether nobody can read a record any more that the model had learnt.

        It had not learnt one that was left out by then, nor one that was sealed under a key that was deleted by then.
        """
        value = record.value or b""
        said = read_sealed(value)
        if said is None or not is_erased(value, self._seals) or self._left_out.names(record.offset, said.source):
            return False
        deleted_at = self._log.deleted_keys.get(key_id_of(said.event) or b"")
        return deleted_at is None or record.offset < deleted_at

    def _obey(self, record: Record) -> None:
        """Leave out what a control record names, if it was not left out already. Raises _GoBackError."""
        try:
            control = read_control(record.value or b"")
        except msgspec.MsgspecError:
            raise FeedbackError("a control record cannot be read") from None
        if control.kind != "leave-out" or record.offset in self._obeyed:
            return
        self._left_out.add(record.offset, control)
        self._obeyed[record.offset] = first = first_named(control, record.offset)
        if first < record.offset:
            raise _GoBackError(first)
