"""The models of a worker: that of its config and, where the config names a shadow, that of the shadow.

One of both decides, and the other one is the shadow: it scores the same events after that, learns from the same
feedback, and says nothing to the outside but on `topics.shadow`. A `decide-by` record of the feedback exchanges them.

Each keeps what it saw of the stream (class priors, traffic) where it always did: that of the file in the worker's
state, the other one in the shadow's. Whatever has been said to the outside (subjects and their alerts, budgets, groups
of novel events) belongs to whoever decides, and is handed over as at a restart under another config. The shadow has
such entries of its own meanwhile, which nobody sees.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tocsin.config.settings import Settings
from tocsin.streams.printable import printable
from tocsin.streams.state.entries import StateError
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.store import State, Transaction, discard
from tocsin.streams.transport.base import Offsets, Record, Transport, TransportError
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.kinds.shadow import ShadowTelemetry
from tocsin.streams.wire.packed.beside import SeenBeside
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.worker.deciding import scoring
from tocsin.streams.worker.deciding.decide import DecidedBatch, JudgedEvents
from tocsin.streams.worker.gaps import next_offsets
from tocsin.streams.worker.learning.feedback_items import FeedbackItem
from tocsin.streams.worker.learning.learn import Learn
from tocsin.streams.worker.model import Model
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.shadow.beside import Beside
from tocsin.streams.worker.shadow.snapshot_places import exchange
from tocsin.streams.worker.warm_up import StoppedError, warm_up

log = logging.getLogger(__name__)

_WHY = 300
"""Characters of the error that telemetry tells."""


class Models:
    """The models of one worker."""

    def __init__(
        self,
        settings: Settings,
        decoder: Decoder,
        directory: Path,
        counts: Counts,
        seals: Seals = UNSEALED,
        on_change: Callable[[Settings], None] = lambda settings: None,
    ) -> None:
        """`directory` is that of the worker; `on_change` is told by which settings events are decided from now on."""
        self._settings = settings
        self._counts = counts
        self._directory = directory
        self._on_change = on_change
        self.first = self.deciding = Model(settings, decoder, directory / "snapshot", counts, seals)
        of_shadow = settings.of_shadow
        self.beside = None if of_shadow is None else Beside(settings, of_shadow, decoder, directory / "shadow", seals)
        self._digests = (settings.digest(),) if self.beside is None else self.beside.digests
        self._unknown = -1
        """The offset of the last record that named a config which is neither of both."""
        self._forgets = 0
        """How many subjects were forgotten, as of the last look."""
        self._transaction: Transaction | None = None
        """That of the worker's state, while feedback is learnt."""
        self.first.notes_in = self._notes_of_first

    @property
    def shadow(self) -> Model | None:
        """The model that does not decide; None where there is none, or it was given up."""
        beside = self.beside
        if beside is None or beside.failed is not None:
            return None
        return beside.second if self.deciding is self.first else self.first

    @property
    def learn(self) -> Learn:
        """What teaches the model that decides."""
        return self.deciding.learn

    @property
    def settings(self) -> list[Settings]:
        """Those of all models."""
        return [self._settings] if self.beside is None else [self._settings, self.beside.settings]

    @property
    def all(self) -> list[Model]:
        """All models, the first one first."""
        return [self.first] if self.beside is None else [self.first, self.beside.second]

    # How they come to what they know

    def restore(self, reader: Transport, state: State, stop: Callable[[], bool]) -> None:
        """Take over snapshots and fold the feedback log to its end.

        A shadow that cannot be restored is given up, unless it is the one that decides. Raises FeedbackError,
        StoppedError.
        """
        self._reader = reader
        own, other = self._directory / "snapshot", self._directory / "shadow" / "snapshot"
        exchange(own, other, self._settings)
        beside = self.beside
        if beside is None:
            _restore(self.first, reader, state, stop, None)
            self._seat()
            return
        ends = reader.end_offsets(self._settings.topics.feedback)
        opened = self._attempt(beside.open)
        self.first.listens = self._hear if opened else _nothing
        _restore(self.first, reader, state, stop, ends)
        with self._within(state):
            if opened:
                self._attempt(lambda: _restore(beside.second, reader, None, stop, ends))
            standing = self.first.standing
            if beside.failed is not None and standing is not None and standing.config == beside.digests[1]:
                raise beside.failed
            self._seat()

    def catch_up(self, reader: Transport, state: State) -> None:
        """Fold the feedback log to its end. Raises FeedbackError."""
        ends = reader.end_offsets(self._settings.topics.feedback)
        self.deciding.catch_up(reader, state, ends)
        with self._within(state):
            if (shadow := self.shadow) is not None:
                self._attempt(lambda: shadow.catch_up(reader, None, ends))
            self._seat()

    @contextmanager
    def _within(self, state: State) -> Iterator[None]:
        """Have a transaction of the worker's state open: it has the keys of what is sealed."""
        with state.transaction() as self._transaction:
            try:
                yield
            finally:
                self._transaction = None

    def _notes_of_first(self, transaction: Transaction | None) -> Notes | None:
        """See `Model.notes_in`. As the shadow it learns without a transaction."""
        within = transaction or self._transaction
        return None if within is None else within.notes

    def fold(self, records: Sequence[Record], transaction: Transaction) -> None:
        """Learn feedback records in their order; after that whoever is to decide at this offset decides."""
        self._transaction = transaction
        try:
            self.deciding.fold(records, transaction)
            if (shadow := self.shadow) is not None:
                self._attempt(lambda: shadow.fold(records, None))
            self._seat()
        finally:
            self._transaction = None

    def _hear(self, items: Sequence[FeedbackItem]) -> None:
        """Labels that are about to be learnt."""
        if (beside := self.beside) is not None and beside.state is not None:
            self._attempt(lambda: beside.comparison.learn(items, beside.transaction))

    # Who decides

    def _seat(self) -> None:
        """Let the model decide that the feedback says by now."""
        standing, beside = self.deciding.standing, self.beside
        if standing is None:
            return
        if standing.offset != self._unknown and standing.config not in self._digests:
            self._unknown = standing.offset
            log.warning(
                "at feedback offset %d the config %s was chosen to decide, and it is neither that of the config file "
                "nor its shadow's: that of the file decides",
                standing.offset,
                printable(standing.config),
            )
        if beside is not None:
            wanted = beside.second if standing.config == beside.digests[1] else self.first
            if wanted is not self.deciding:
                self._exchange(beside, wanted)

    def _exchange(self, beside: Beside, wanted: Model) -> None:
        before = self.deciding
        if beside.failed is not None:
            self._revive(beside, wanted)
        before.listens, wanted.listens = _nothing, self._hear
        before.count_in(beside.counts)
        wanted.count_in(self._counts)
        wanted.decide.shed, before.decide.shed = before.decide.shed, None
        self._counts.judged.judge_by(wanted.settings)
        self.deciding = wanted
        is_first = wanted is self.first
        standing = wanted.standing
        log.info(
            "the %s decides from feedback offset %d on: config %s",
            "config file" if is_first else "config of the shadow",
            wanted.classifier.feedback_offset if standing is None else standing.offset + 1,
            beside.digests[0 if is_first else 1],
        )
        self._on_change(wanted.settings)

    def _revive(self, beside: Beside, model: Model) -> None:
        """Fold the model that was given up once more, because it is to decide. Raises whatever it failed by."""
        log.warning("the shadow that was given up is to decide: its model is folded once more")
        if beside.state is None:
            beside.open()
        model.begin_anew()
        model.load_snapshot(self._reader)
        [feedback] = self._reader.end_offsets(self._settings.topics.feedback)
        model.catch_up(self._reader, None, {feedback: self.deciding.classifier.feedback_offset})
        beside.failed = None

    def _attempt(self, what: Callable[[], None]) -> bool:
        """Do something for the shadow, and give it up where that fails; returns whether it went well.

        What the state of the shadow fails by is an error of the worker while that state is the deciding model's.
        """
        try:
            what()
        except (StoppedError, TransportError):
            raise
        except Exception as error:
            if self.beside is None or (isinstance(error, StateError) and self.deciding is not self.first):
                raise
            self._give_up(self.beside, error)
            return False
        return True

    def _give_up(self, beside: Beside, error: Exception) -> None:
        beside.failed = error
        if self.deciding is self.first and beside.state is not None:
            beside.state.drop()
        log.error(
            "the shadow failed, and is given up until this worker starts again; what decides goes on as before: %s",
            printable(repr(error)),
            exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
        )

    # Events

    def decide(self, events: EventColumns, transaction: Transaction, now: int) -> tuple[DecidedBatch, list[Output]]:
        """Decide events at one instant (epoch ms); the outputs are what the shadow would have decided, if it is wanted.

        See `Decide.__call__`.
        """
        beside, decide = self.beside, self.deciding.decide
        if beside is None:
            return decide(events, transaction, now), []
        judged = decide.judge(events, transaction, now, self._notes_of(self.deciding, beside, transaction))
        shadow, outputs, seen = self.shadow, list[Output](), list[SeenBeside]()
        if shadow is not None and decide.shed is None:
            self._attempt(lambda: seen.extend(self._look(beside, shadow, judged, (transaction, now), outputs)))
        if self.shadow is None or decide.shed is not None:
            beside.passed_over += events.size
        return decide.written(judged, seen), outputs

    def _look(
        self,
        beside: Beside,
        shadow: Model,
        judged: JudgedEvents,
        within: tuple[Transaction, int],
        outputs: list[Output],
    ) -> list[SeenBeside]:
        """What the shadow sees of events that are decided; what it would have decided is added to the outputs."""
        transaction, now = within
        notes = self._notes_of(shadow, beside, transaction)
        said = shadow.decide.judge(judged.events, beside.transaction, now, notes, judged.own)
        pair = (judged, said) if self.deciding is self.first else (said, judged)
        beside.comparison.note(*pair, beside.transaction)
        topic = self._settings.topics.events
        beside.transaction.positions.set(next_offsets(r for r in judged.events.records if r.topic == topic))
        beside.scored += judged.events.size
        seen = shadow.decide.seen(said)
        if beside.topic is not None:
            outputs += shadow.decide.decisions_alone(said, beside.topic)
        return seen

    def _notes_of(self, model: Model, beside: Beside, transaction: Transaction) -> Notes:
        """Where a model keeps class priors and traffic."""
        return transaction.notes if model is self.first else beside.transaction.notes

    def took_over(self, committed: Offsets) -> None:
        """Partitions of the events came to this worker, of which the group has committed these offsets.

        What the shadow saw of one that another worker had meanwhile is of events long ago, and begins anew.
        """
        beside = self.beside
        if beside is None or beside.state is None:
            return
        for partition, offset in committed.items():
            if (beside.transaction.positions.get(partition) or 0) < offset:
                notes = beside.transaction.notes
                notes.forget_priors(partition.index)
                notes.forget_traffic(partition.index)
                notes.forget_novel_groups(partition.index)

    def among(self, partitions: int) -> None:
        """The events have so many partitions."""
        for model in self.all:
            model.decide.partitions = partitions

    # Once in a while

    def forget(self, forgets: int) -> None:
        """Have the shadow keep nothing of subjects that are forgotten, `forgets` of them since the state was made.

        Nor may what is left of a shadow that the config does not name any more, or that was given up: it unlearns
        nothing.
        """
        if (beside := self.beside) is not None:
            self._attempt(lambda: beside.forget(forgets))
        if forgets == self._forgets:
            return
        self._forgets, of_shadow = forgets, self._directory / "shadow"
        if beside is None:
            discard(of_shadow)
        elif beside.failed is not None:
            first = self.deciding is self.first
            model, place = (beside.second, of_shadow) if first else (self.first, self._directory)
            model.snapshot = None
            discard(place / "snapshot")
            discard(place / "earlier")

    def keep(self) -> None:
        """Keep what the shadow saw."""
        if self.beside is not None:
            self._attempt(self.beside.keep)

    def save_snapshots(self) -> None:
        """Write a snapshot of each, unless the one that is there is of this very offset."""
        self.deciding.save_snapshot()
        if (shadow := self.shadow) is not None:
            self._attempt(shadow.save_snapshot)

    def told(self) -> ShadowTelemetry | None:
        """What telemetry says of both; None where there is no shadow."""
        beside = self.beside
        if beside is None:
            return None
        shadow, shed = self.shadow, self.deciding.decide.shed is not None
        return ShadowTelemetry(
            first=beside.digests[0],
            second=beside.digests[1],
            decides=beside.digests[0 if self.deciding is self.first else 1],
            standing=self.deciding.standing,
            state="given-up" if shadow is None else "waits" if shed else "scores",
            why="" if beside.failed is None else printable(repr(beside.failed))[:_WHY],
            feedback_offset=None if shadow is None else shadow.classifier.feedback_offset,
            scored=beside.scored,
            passed_over=beside.passed_over,
            compared=beside.comparison.told(),
        )

    def close(self) -> None:
        """Close the state of the shadow; what is not kept by then is forgotten."""
        if self.beside is not None and self.beside.state is not None:
            self.beside.state.close()
            self.beside.state = None


def _restore(
    model: Model, reader: Transport, state: State | None, stop: Callable[[], bool], ends: Offsets | None
) -> None:
    model.load_snapshot(reader)
    if model.classifier.classes:
        warm_up(model.classifier, stop)
        scoring.warm_up(model.settings, model.classifier)
    model.first_catch_up(reader, state, ends)


def _nothing(items: Sequence[FeedbackItem]) -> None:
    """Hear nothing."""
