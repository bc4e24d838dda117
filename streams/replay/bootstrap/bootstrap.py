"""Bootstrap: write histories to the topic of feedback, each once, whatever interrupts it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.config.kafka import TopicsSettings
from tocsin.config.settings import Settings
from tocsin.streams.replay.bootstrap.history import History, Survey
from tocsin.streams.replay.bootstrap.mark import HEADER_BYTES, Mark, Places, places
from tocsin.streams.replay.bootstrap.records import TWICE, UNLABELLED, FeedbackMaker, Made, Numbered
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.transport.guarantee import is_exactly_once
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.fit import Fit
from tocsin.streams.wire.sealing.logged_keys import CommandOutputs

_BATCH = 1_000
"""Events that are read, written and committed together."""


class BootstrapError(Exception):
    """The histories are not written; the text says why, and what can be done."""


@dataclass
class BootstrapReport:
    """What `tocsin bootstrap --report json` prints."""

    events: int = 0
    """Of all histories."""
    written: int = 0
    there_already: int = 0
    """Events that an earlier run has worked off."""
    unlabelled: int = 0
    twice: int = 0
    """Events that came before, with the same id, content and label."""
    dead_letters: int = 0
    events_per_second: float | None = None
    """Of those that were worked off now."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why events became dead letters."""


@dataclass
class Task:
    """One history and how far it is written."""

    history: History
    survey: Survey
    reached: Mark | None = None

    @property
    def done(self) -> bool:
        """Whether its last record stands in the topic."""
        return self.reached is not None and self.reached.last

    @property
    def first(self) -> int:
        """The number of the first event that is to be worked off."""
        if self.reached is None:
            return 0
        return self.survey.events if self.reached.last else self.reached.number + 1


def open_writer(settings: Settings) -> Transport:
    """A transport that writes feedback: in transactions where the broker has them. Raises TransportError.

    Topics that are missing are made, unless `topics.create` says otherwise. The transactional id is the same in every
    run, so that of two runs at once the first is refused by the broker.
    """
    if settings.topics.create:
        topics.create(settings, unused=False)
    transactional = None
    if is_exactly_once(settings.kafka):
        written = [settings.topics.feedback, settings.topics.dead_letters]
        written += [settings.topics.keys] if settings.erasure.enabled else []
        transactional = Transactional(TransactionalId(settings.group, "tocsin-bootstrap"), written)
    return KafkaTransport(
        settings.kafka,
        group=settings.group,
        client_id=settings.name,
        terms=Terms(limits=topics.configured_limits(settings.topics)),
        transactional=transactional,
    )


class Bootstrap:
    """Writes histories to the feedback topic of one service, one after the other."""

    def __init__(self, settings: Settings, open_transport: Callable[[], Transport]) -> None:
        """`open_transport` opens the writer once everything is surveyed."""
        self._settings = settings
        self._open_transport = open_transport
        self.report = BootstrapReport()

    def run(
        self, histories: Sequence[History], append: bool = False, progress: Callable[[], None] = lambda: None
    ) -> BootstrapReport:
        """Write what is not there yet; `progress` is called after each event.

        With `append` it may go behind feedback that is not of these histories. Raises BootstrapError where there is
        such feedback and something is to be written, SourceError, TransportError.
        """
        tasks = [Task(history, history.survey()) for history in histories]
        self.report.events = sum(task.survey.events for task in tasks)
        transport = self._open_transport()
        try:
            self._find_places(tasks, transport, append)
            began, worked_off = time.perf_counter(), 0
            for task in tasks:
                self.report.there_already += task.first
                worked_off += task.survey.events - task.first
                if not task.done:
                    self._write(task, transport, progress)
            seconds = time.perf_counter() - began
        finally:
            transport.close()
        self.report.events_per_second = worked_off / seconds if worked_off and seconds else None
        return self.report

    def _find_places(self, tasks: Sequence[Task], transport: Transport, append: bool) -> None:
        """Find how far each history is written. Raises BootstrapError where other feedback stands in the topic."""
        found = places(self._feedback(transport))
        for task in tasks:
            task.reached = found.reached.get(task.survey.history)
        twice = [task for task, times in Counter(task.survey.history for task in tasks).items() if times > 1]
        if twice:
            raise BootstrapError("one history is named twice")
        foreign = _foreign(found, tasks)
        if foreign and not append and not all(task.done for task in tasks):
            raise BootstrapError(
                f"topic {self._settings.topics.feedback!r} holds {foreign}: what is learnt first would come last. Name "
                "a new topic in topics.feedback (TOCSIN_TOPICS__FEEDBACK), or write behind it with --append"
            )

    def _feedback(self, transport: Transport) -> Iterator[Record]:
        topic = self._settings.topics.feedback
        ends = transport.end_offsets(topic)
        if len(ends) != 1:
            raise BootstrapError(
                f"topic {topic!r} has {len(ends)} partitions, and feedback has an order in one partition only; name a "
                "topic of one partition"
            )
        [(partition, end)] = ends.items()
        return transport.read(Partition(topic, partition.index), 0, end)

    def _write(self, task: Task, transport: Transport, progress: Callable[[], None]) -> None:
        settings, report = self._settings, self.report
        maker = FeedbackMaker(settings, task.history.source, task.survey)
        seal = CommandOutputs(settings, transport)
        fit = Fit(settings, lambda topic: seal.room(topic, transport.limit(topic)) - HEADER_BYTES, Counter(), Counter())

        def records(output: Output) -> list[Output]:
            return [made for one in fit(output) for made in seal(one)]

        writer = _Writer(transport, records, settings.topics, task.survey.history)
        numbered = enumerate(task.history.events(task.survey))
        for batch in _batches(itertools.islice(numbered, task.first), progress):
            maker.pass_by(batch)
        for batch in _batches(numbered, progress):
            for made in maker.make(batch):
                writer.take(made)
            writer.commit()
        writer.end()
        report.written += writer.written
        report.dead_letters += writer.dead_letters
        report.unlabelled += maker.skipped[UNLABELLED]
        report.twice += maker.skipped[TWICE]
        report.reasons.update(maker.reasons)


def _batches(events: Iterator[Numbered], progress: Callable[[], None]) -> Iterator[list[Numbered]]:
    """The events in batches; `progress` is called for each of them once its batch is worked off."""
    while batch := list(itertools.islice(events, _BATCH)):
        yield batch
        for _ in batch:
            progress()


class _Writer:
    """Writes what was made of one history. The last feedback record is held back until it is known to be the last.

    Dead letters are not held back, so that those behind the last feedback record may come twice after an interruption.
    """

    def __init__(
        self, transport: Transport, fit: Callable[[Output], Sequence[Output]], topics: TopicsSettings, history: str
    ) -> None:
        """`fit` gives the records to produce for one that was made."""
        self._transport = transport
        self._fit = fit
        self._topics = topics
        self._history = history
        self._held: Made | None = None
        self.written = 0
        self.dead_letters = 0

    def take(self, made: Made) -> None:
        """Write a dead letter; of feedback write the record before, and hold this one back."""
        if made.is_feedback:
            self._write_held(last=False)
            self._held = made
        else:
            self._produce(made, last=False)

    def commit(self) -> None:
        """Make final what was written, without what is held back."""
        self._transport.flush()
        self._transport.commit({})

    def end(self) -> None:
        """Write what is held back, and make it final."""
        self._write_held(last=True)
        self.commit()

    def _write_held(self, last: bool) -> None:
        if self._held is not None:
            self._produce(self._held, last)
            self._held = None

    def _produce(self, made: Made, last: bool) -> None:
        for output in self._fit(made.output):
            is_feedback = output.topic == self._topics.feedback
            mark = [Mark(self._history, made.number, last).header] if is_feedback else []
            self._transport.produce(output.topic, output.key, output.value, [*output.headers, *mark])
            self.written += is_feedback
            self.dead_letters += output.topic == self._topics.dead_letters


def _foreign(found: Places, tasks: Sequence[Task]) -> str:
    """What a feedback topic holds that is of none of these histories; empty where it holds nothing else."""
    ours = {task.survey.history for task in tasks}
    others = len(found.reached.keys() - ours)
    parts = [f"{found.others:,} records that workers wrote"] if found.others else []
    parts += [f"{others:,} other histor{'y' if others == 1 else 'ies'}"] if others else []
    return " and ".join(parts)
