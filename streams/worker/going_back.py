"""Going back: the model of one worker is made anew without feedback that it has learnt and that is left out now.

It goes on from the newest snapshot that holds nothing of what is left out (the worker's own, or a shared one), or from
the beginning of the feedback, and learns the records since then once more, without those that are left out. So it has
the bits of a model that never learnt them: whoever folds the feedback with its control records comes to the same.

What a later record says that its event's model saw is used as it stands, although that model may have learnt what is
left out by now; where it had learnt more records than the one that learns, the event is scored anew.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import SnapshotError, read_manifest
from tocsin.streams.state.store import Transaction, discard
from tocsin.streams.transport.base import Partition, Transport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.kinds.shadow import ChosenConfig, as_manifest, chosen_by
from tocsin.streams.wire.packed.control import Control, is_control
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.worker.learning.learn import Learn, read_control_of
from tocsin.streams.worker.learning.leave_outs import LeaveOuts, LeftOutFeedback, named_below
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.snapshots.candidates import Candidate
from tocsin.streams.worker.snapshots.earlier import AHEAD, EarlierSnapshots, ahead_of
from tocsin.streams.worker.snapshots.restoring import chosen_in
from tocsin.streams.worker.snapshots.store import StoreError

log = logging.getLogger(__name__)

AT_ONCE = 1_000
"""Feedback records that are learnt anew at once."""


class Gone(NamedTuple):
    """A model that went back."""

    classifier: Classifier
    start: int
    """The feedback offset that it went on from."""
    learnt: int
    """Records that it learnt anew."""


class GoingBack:
    """Makes the model of one config anew as it would be without some of the feedback."""

    def __init__(
        self,
        settings: Settings,
        decoder: Decoder,
        leave_outs: LeaveOuts,
        earlier: EarlierSnapshots,
        seals: Seals = UNSEALED,
    ) -> None:
        """`seals` opens feedback while a transaction of the state is open."""
        self._settings = settings
        self._seals = seals
        self._decoder = decoder
        self._leave_outs = leave_outs
        self._earlier = earlier
        self._feedback = Partition(settings.topics.feedback, 0)

    def usable(self, reader: Transport, offset: int, ahead: Iterable[int], stop: int) -> bool:
        """Whether the model of a snapshot is one that a model can go on from which has obeyed all below `stop`.

        `offset` is its feedback offset, and `ahead` what it has obeyed at or behind that. Raises TransportError.
        """
        self._leave_outs.read(reader, self._feedback, offset, stop)
        return list(ahead) == self._leave_outs.ahead(offset, stop)

    def model(self, reader: Transport, candidates: Sequence[Candidate], like: Classifier, stop: int) -> Gone | None:
        """The model that has learnt as far as `like` has, without what the control records below `stop` name.

        None where neither a snapshot nor the log reaches far enough back. Raises TransportError, FeedbackError.
        """
        began = self._start(reader, candidates, like, stop)
        if began is None:
            return None
        made, standing = began
        start = made.feedback_offset
        return Gone(made, start, self._learn(reader, made, standing, (like.feedback_offset, stop)))

    def forget(self, reader: Transport, learn: Learn, transaction: Transaction, control: Control, offset: int) -> None:
        """Note that the labels are known no more which the control record at an offset leaves out.

        They can come again. Raises TransportError, FeedbackError.
        """
        left_out = LeftOutFeedback({offset: control})
        for first, end in named_below(control, offset):
            for record in reader.read(self._feedback, first, end):
                if left_out.may_name(record.offset) and not is_control(record.value):
                    said = learn.said(record)
                    if said is not None and left_out.names(record.offset, said[0]):
                        transaction.known.leave_out(said[1])

    def drop_snapshots(self, reader: Transport, start: int, stop: int, latest: Path) -> bool:
        """Remove the worker's own snapshots behind `start` that hold what control records below `stop` leave out.

        `latest` is the folder of the latest one; returns whether that is gone.
        """

        def of_no_use(offset: int, directory: Path) -> bool:
            return offset > start and not self.usable(reader, offset, ahead_of(directory), max(stop, offset))

        self._earlier.remove(lambda one: of_no_use(one.offset, one.directory))
        try:
            offset = int(read_manifest(latest).get("feedback_offset", 0))
        except SnapshotError:
            return False
        if gone := of_no_use(offset, latest):
            discard(latest)
        return gone

    def _start(
        self, reader: Transport, candidates: Sequence[Candidate], like: Classifier, stop: int
    ) -> tuple[Classifier, ChosenConfig | None] | None:
        """The model to go on from, and who is to decide by what stands below its offset."""
        first = reader.first_offsets(self._feedback.topic)[self._feedback]
        settings = self._settings
        for one in candidates:
            if not first <= one.offset <= like.feedback_offset or not self.usable(reader, one.offset, one.ahead, stop):
                continue
            try:
                directory = one.fetch()
                made = Classifier.load(directory, settings.model, settings.kernels.backend)
                standing = chosen_in(read_manifest(directory))
            except (SnapshotError, StoreError, OSError) as error:
                log.warning("the snapshot is not used to go back, the one before it is tried: %s", error)
                continue
            if made.digest == like.digest:
                return made, standing
        if first > 0 or like.lineage:
            return None
        self._leave_outs.read(reader, self._feedback, 0, stop)
        return Classifier.from_config(settings), None

    def _learn(self, reader: Transport, made: Classifier, standing: ChosenConfig | None, until: tuple[int, int]) -> int:
        """Have a model learn what stands below an offset, without what is left out; returns how many records that are.

        `until` has that offset, and the one below which control records are obeyed.
        """
        stop, obeyed = until
        counts = Counts()  # what is learnt once more is not counted again
        learn = Learn(made, self._decoder, self._settings, counts, self._seals)
        left_out, every, learnt = self._leave_outs.left_out(obeyed), self._settings.state.snapshot_every, 0
        records = reader.read(self._feedback, made.feedback_offset, stop)
        for number, piece in itertools.groupby(records, lambda record: record.offset // every):
            self._arrive(made, standing, number * every, until)
            while chunk := list(itertools.islice(piece, AT_ONCE)):
                learnt += learn.fold([one for one in chunk if not is_control(one.value)], left_out)
                made.feedback_offset = chunk[-1].offset + 1
                for record in chunk:
                    if is_control(record.value) and (control := read_control_of(record)).kind == "decide-by":
                        standing = chosen_by(control, record.offset)
        self._arrive(made, standing, stop // every * every, until)
        made.feedback_offset = stop
        return learnt

    def _arrive(self, made: Classifier, standing: ChosenConfig | None, offset: int, until: tuple[int, int]) -> None:
        """Keep the snapshot of an offset, for the next time that the model must go back."""
        head, obeyed = until
        if self._earlier.keeps(offset, head) and made.feedback_offset <= offset:
            made.feedback_offset = offset
            self.keep(made, obeyed, as_manifest(standing))

    def keep(self, classifier: Classifier, obeyed: int, more: Mapping[str, Any] | None = None) -> None:
        """Keep a model that has obeyed all below an offset as an earlier snapshot; nothing where it cannot be."""
        ahead = self._leave_outs.ahead(classifier.feedback_offset, obeyed)
        try:
            manifest, arrays = classifier.to_snapshot()
            told = {**manifest, **(more or {}), **({AHEAD: ahead} if ahead else {})}
            self._earlier.write(classifier.feedback_offset, told, arrays)
        except SnapshotError:
            return
