"""Replay in process: the decisions of the whole service on past events, with labels as late as asked.

Either a worker on a broker in memory decides them event by event, or, where it makes no difference, the model decides
many at a time (`tocsin.streams.replay.in_chunks`).
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tocsin.config.erasure import ErasureSettings
from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.decision.abstention import COLD_START
from tocsin.models.decision.promise.state import STATES
from tocsin.streams.printable import printable
from tocsin.streams.replay.by_subject.figures import SubjectEvaluation
from tocsin.streams.replay.by_subject.plan import DueSubjects, Plan, make_plan, subject_label
from tocsin.streams.replay.evaluation import PrequentialEvaluation, PrequentialReport, as_keywords
from tocsin.streams.replay.in_chunks import REASONS, Chunks, OneByOneError, few_collections, goes_in_chunks
from tocsin.streams.replay.label_schedule import LabelSchedule
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.records import Decision
from tocsin.streams.worker.deciding.quick_labels import told
from tocsin.streams.worker.worker import Worker

log = logging.getLogger(__name__)

EXPIRE_EVERY = 2_000
"""Events between two times at which old records are deleted, so that a long replay does not fill the memory."""
_RECORDS_KEPT = 10
"""Records of a topic that are not deleted: the worker has never more than these still to poll."""
_TOGETHER = 500
"""Events between two labels of subjects that are decided at once, at the most."""
_BATCH = 1_000
"""Records in a batch: enough that an event is always read together with the feedback before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport(PrequentialReport):
    """What `tocsin replay --in-process --report json` prints."""

    events_per_second: float | None
    dead_letters: int
    promise: dict[str, float | str | None] | None
    """With `controls: error`: for which shares of the events the promise on errors was kept, at risk, or could not be
    kept, as it was known at each, and how it stands at the end; else null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReplayReport(ReplayReport):
    """The same where alerts are judged by subject."""

    early_risk: dict[str, Any]
    """How early and how surely alerts were raised: see `tocsin.streams.replay.by_subject.figures`."""


class InProcess:
    """Decides past events as the service would, and judges the decisions.

    A label that has a time of its own is sent before the first event that is no earlier. Any other label, of event i,
    is sent once event i + `label_delay` is decided: with 0 at once, with 1 one event late. Where early risk is on,
    labels may be those of whole subjects: see `tocsin.streams.replay.by_subject.plan`.
    """

    def __init__(self, settings: Settings, label_delay: int, rival: bool = False, many_at_once: bool = True) -> None:
        """`rival` also runs `tocsin.streams.replay.rival` on the same events, as one more baseline. Without
        `many_at_once` a worker decides every event by itself."""
        # What is decided here stays nowhere, so that nothing needs to be sealed.
        settings = settings.model_copy(update={"erasure": ErasureSettings()})
        self._together = settings.replay.together
        self._settings = settings
        self._delay = label_delay
        self._classes = frozenset(settings.classes)
        self.evaluation = PrequentialEvaluation(settings)
        self._with_rival = rival
        self._many_at_once = many_at_once
        self.classifier: Classifier | None = None
        """The model that decided, once the replay is over."""
        self._begin()

    def _begin(self) -> None:
        """Everything as it is before the first event."""
        settings = self._settings
        self.evaluation.begin()
        self._broker = MemoryBroker()
        for topic in settings.topics.names():
            self._broker.create(topic)
        self._decisions = MemoryTransport(self._broker, whole=[settings.topics.decisions])
        self._producer = MemoryTransport(self._broker)
        self._unlabelled = LabelSchedule[None](self._delay)
        """Events that were sent and whose label is not due yet."""
        self._of_subject: dict[str, list[PastEvent]] = {}
        """By subject, the events of which the rival has not learnt the label."""
        self.cold = 0
        """Events that came before enough labels were known to decide anything."""
        self.without_label = 0
        """Events that have no label: the service decides them and cannot learn from them, and nothing is judged."""
        self._alerts = MemoryTransport(self._broker, whole=[settings.topics.alerts])
        self.subjects: SubjectEvaluation | None = None
        """How alerts fare by subject, where that is judged."""
        self._dead_letters = MemoryTransport(self._broker, whole=[settings.topics.dead_letters])
        self.refused: Counter[str] = Counter()
        """Why records were put aside, with how often; of many different reasons the first `REASONS`."""
        self._decided = self._misfits = 0
        """Events that were decided, and labels among theirs that are no class."""
        self._promises: Counter[str] = Counter()
        """Events by the state of the promise on errors after each."""
        self._rival = None
        if self._with_rival:
            from tocsin.streams.replay.rival import RivalTree  # only here, because it imports river

            self._rival = RivalTree(settings)

    def _open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        return MemoryTransport(
            self._broker, shared=shared, whole=whole, group=self._settings.group, rebalance=rebalance
        )

    def run(self, source: Iterable[PastEvent], progress: Callable[[], None] = lambda: None) -> ReplayReport:
        """Replay all events; `progress` is called after each. Raises SourceError while reading them.

        Many events are decided at a time where that gives the same decisions, and where the source can be read again:
        an event that only the service itself can handle makes the replay begin anew, one event at a time.
        """
        if (plan := make_plan(self._settings, source)) is not None:
            self.subjects = SubjectEvaluation(self._settings.early_risk.classes, plan)
            if plan.of_events:
                return self._run_one_by_one(source, progress)
            return self._run_by_subject(source, plan, progress)
        if self._together > 1:
            return self._run_together(source, progress)
        again = not isinstance(source, Iterator)
        if self._many_at_once and again and self._goes_in_chunks():
            try:
                return self._run_in_chunks(source, progress)
            except OneByOneError as error:
                log.warning("%s: the replay begins anew, one event at a time", printable(str(error)))
                self._begin()
        return self._run_one_by_one(source, progress)

    def _goes_in_chunks(self) -> bool:
        return goes_in_chunks(self._settings, Classifier.from_config(self._settings), self._delay)

    def _run_in_chunks(self, source: Iterable[PastEvent], progress: Callable[[], None]) -> ReplayReport:
        chunks = Chunks(self._settings, self._delay)
        chunks.warm_up()
        started = time.perf_counter()
        with few_collections():
            for past, decision, before, due in chunks.run(source):
                for one in before:
                    self._tell(one)
                if decision is not None:
                    self._judge(past, decision)
                self.without_label += past.label is None
                for one in due:
                    self._tell(one)
                progress()
        seconds = time.perf_counter() - started
        self.classifier = chunks.classifier
        self.refused = chunks.refused
        return self._report(chunks.decided + chunks.dead_letters, seconds, chunks.dead_letters)

    def _run_one_by_one(self, source: Iterable[PastEvent], progress: Callable[[], None]) -> ReplayReport:
        with self._worker() as worker:
            started = time.perf_counter()
            for number, past in enumerate(source, 1):
                self._replay_one(worker, past)
                progress()
                if number % EXPIRE_EVERY == 0:
                    self._count_refused()
                    self._expire_old_records()
            for due, _ in self._unlabelled.rest():
                self._send_label(worker, due)
            return self._finished(worker, started)

    def _run_together(self, source: Iterable[PastEvent], progress: Callable[[], None]) -> ReplayReport:
        with self._worker() as worker:
            started, events = time.perf_counter(), iter(source)
            while block := list(islice(events, self._together)):
                self._send_labels(worker, [due for due, _ in self._unlabelled.before(block[0])])
                for past in block:
                    self._producer.produce(self._settings.topics.events, past.key, past.event)
                self._decide(worker, [*block])
                due: list[PastEvent] = []
                for past in block:
                    self._unlabelled.add(past, None)
                    due += (one for one, _ in self._unlabelled.after())
                    progress()
                self._send_labels(worker, due)
            self._send_labels(worker, [due for due, _ in self._unlabelled.rest()])
            return self._finished(worker, started)

    def _run_by_subject(self, source: Iterable[PastEvent], plan: Plan, progress: Callable[[], None]) -> ReplayReport:
        """Replay with labels of whole subjects; events between two labels are decided together, to the same bits."""
        due, sent = DueSubjects(self._settings, plan, self._delay), list[PastEvent]()
        with self._worker() as worker:
            started = time.perf_counter()
            for number, past in enumerate(source):
                if labelled := due.before(number, past.time):
                    self._decide(worker, sent)
                    self._send_subjects(worker, plan, labelled)
                self._producer.produce(self._settings.topics.events, past.key, past.event)
                sent.append(past)
                due.after(number)
                progress()
                if len(sent) == _TOGETHER:
                    self._decide(worker, sent)
            self._decide(worker, sent)
            self._send_subjects(worker, plan, due.rest())
            return self._finished(worker, started)

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        with (
            tempfile.TemporaryDirectory(prefix="tocsin-replay-") as directory,
            Worker(self._worker_settings(Path(directory)), self._open) as worker,
        ):
            yield worker

    def _decide(self, worker: Worker, sent: list[PastEvent]) -> None:
        """Decide the events that were sent, and judge the decisions."""
        if not sent:
            return
        _until_idle(worker)
        by_id = {past.id: past for past in sent}
        for record in self._decisions.poll(2 * len(sent) + 1, 0):
            decision = read_own(record, Decision)
            if decision is not None and decision.event in by_id:
                self._judge(by_id[decision.event], decision)
        if (keeping := worker.classifier.abstention.promise) is not None:
            self._promises[keeping.promise.state] += len(sent)
        if self._rival is not None and self.subjects is not None:
            for past in sent:
                self._of_subject.setdefault(past.subject, []).append(past)
        self.without_label += sum(past.label is None for past in sent)
        sent.clear()
        self._count_refused()
        self._expire_old_records()

    def _send_subjects(self, worker: Worker, plan: Plan, names: Sequence[str]) -> None:
        """Send the labels of these subjects; the worker joins each, and learns from them in its next step."""
        for name in names:
            one = plan.subjects[name]
            if one.label is not None and self._fits(one.label):
                self.evaluation.tell(one.label)
                if (rival := self._rival) is not None:
                    for past in self._of_subject.pop(name, ()):
                        rival.tell(past, one.label)
            self._producer.produce(self._settings.topics.labels, one.key, subject_label(self._settings, name, one))
            worker.step(0)

    def _finished(self, worker: Worker, started: float) -> ReplayReport:
        worker.step(0)
        self._count_refused()
        seconds = time.perf_counter() - started
        dead_letters = sum(worker.counts.dead_letters.values())
        self.classifier = worker.classifier
        return self._report(worker.counts.events + dead_letters, seconds, dead_letters)

    def _report(self, handled: int, seconds: float, dead_letters: int) -> ReplayReport:
        figures = as_keywords(self.evaluation.report())
        figures |= {"events_per_second": handled / seconds if seconds else None, "dead_letters": dead_letters}
        figures["promise"] = self._promise()
        if self.subjects is None:
            return ReplayReport(**figures)
        return SubjectReplayReport(**figures, early_risk=self.subjects.report())

    def _promise(self) -> dict[str, float | str | None] | None:
        """How the promise on errors stood."""
        stands = None if self.classifier is None else told(self.classifier)
        if stands is None:
            return None
        n = max(self._promises.total(), 1)
        shares = {state.replace(" ", "_"): self._promises[state] / n for state in STATES}
        return {**shares, "state": stands.state, "reason": stands.reason, "drifts_every": stands.drifts_every}

    def _worker_settings(self, directory: Path) -> Settings:
        """The service's settings with a state of the replay's own, and batches of a fixed size."""
        state = self._settings.state.model_copy(update={"directory": directory, "snapshots": None})
        batch = max(_BATCH, 4 * self._together)  # the events, and the feedback of the labels before them
        batching = self._settings.batching.model_copy(update={"max_events": batch})
        return self._settings.model_copy(update={"state": state, "batching": batching})

    def _replay_one(self, worker: Worker, past: PastEvent) -> None:
        for due, _ in self._unlabelled.before(past):
            self._send_label(worker, due)
        self._producer.produce(self._settings.topics.events, past.key, past.event)
        worker.step(0)  # before it decides, it also learns the feedback of the last label
        for record in self._decisions.poll(2, 0):
            decision = read_own(record, Decision)
            self._judge(past, decision)
        if (keeping := worker.classifier.abstention.promise) is not None:
            self._promises[keeping.promise.state] += 1
        self.without_label += past.label is None
        self._unlabelled.add(past, None)
        for due, _ in self._unlabelled.after():
            self._send_label(worker, due)

    def _judge(self, past: PastEvent, decision: Decision | None) -> None:
        """Judge a decision by the label of its event."""
        self._decided += 1
        self.cold += decision is not None and decision.reason == COLD_START
        if self.subjects is not None and decision is not None:
            self._note_of_subject(self.subjects, decision)
        truth = self._today(past.label)
        self._misfits += truth is not None and not self._fits(truth)
        if truth is not None and decision is not None and self._fits(truth):
            judged = self.evaluation.add(decision, truth)
            if self._rival is not None:
                right = self._rival.is_right(past, truth)
                self.evaluation.add_rival(self._rival.name, right and judged)

    def _note_of_subject(self, subjects: SubjectEvaluation, decision: Decision) -> None:
        """Note a decision, and the alerts since the last one; the first of a subject counts."""
        subjects.decision(decision)
        for record in self._alerts.poll(_BATCH, 0):
            told = orjson.loads(record.value or b"{}")
            if told.get("kind", "subject") == "subject":
                subjects.alert(told["subject"], told["class"], told["delay"])

    def _tell(self, past: PastEvent) -> None:
        """The label of a past event is due: the baselines are told."""
        truth = self._today(past.label)
        if truth is not None and self._fits(truth):
            self.evaluation.tell(truth)
            if self._rival is not None:
                self._rival.tell(past, truth)

    @property
    def nothing_fitted(self) -> bool:
        """Whether no event could be decided, or none could be judged because no label is one of the classes."""
        return not self.evaluation.events and (not self._decided or self._misfits > 0)

    def _today(self, label: str | None) -> str | None:
        """What the class of a label is called today."""
        return None if label is None else self._settings.class_map.get(label, label)

    def _fits(self, label: str) -> bool:
        """Whether a label is one of the classes; any other becomes a dead letter, and nothing is judged by it."""
        return not self._classes or label in self._classes

    def _send_label(self, worker: Worker, past: PastEvent) -> None:
        self._send_labels(worker, [past])

    def _send_labels(self, worker: Worker, due: Sequence[PastEvent]) -> None:
        """Send the labels that are due; the worker joins them now, and learns from them in its next step."""
        labelled = [past for past in due if past.label is not None]
        for past in labelled:
            self._tell(past)
            record = label_record(self._settings, past)
            self._producer.produce(self._settings.topics.labels, past.key, record)
        if len(labelled) > 1:
            _until_idle(worker)
        elif labelled:
            worker.step(0)

    def _count_refused(self) -> None:
        """Read the dead letters since the last time."""
        while letters := self._dead_letters.poll(_BATCH, 0):
            for letter in letters:
                reason = dict(letter.headers)["__streams.errors.message"].decode(errors="replace")
                if reason in self.refused or len(self.refused) < REASONS:
                    self.refused[reason] += 1

    def _expire_old_records(self) -> None:
        for topic in self._settings.topics.names():
            for partition, end in self._producer.end_offsets(topic).items():
                self._broker.expire(partition, end - _RECORDS_KEPT)


def _until_idle(worker: Worker) -> None:
    """Have the worker do all that waits for it: a step takes no more than a batch."""
    while worker.step(0):
        pass
