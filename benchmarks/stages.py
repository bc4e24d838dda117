"""Where does an event's CPU time go, from its record to its decision, and from its label to what is learnt?

A worker with the experts of `service.py` and a warm model works off batches of 1,000 on the broker in memory: 1,000
events, then their labels, then their feedback, each timed apart. A clock stands around each step of `STEPS`, and what
it counts for a step is without the steps within it. What the client library does with a record costs more than the
broker in memory does: see `service.py` for the whole.

    python benchmarks/stages.py [--batches 20] [--warm 10] [--text]

It also prints how many bytes records and entries take, and what explaining costs at each level.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from parts.service.config import PARTITIONS, Scenario, write_config
from parts.service.events import Events
from parts.service.stopwatch import Spent, Step, Stopwatch

from tocsin.config import Settings
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.worker import Worker

BATCH = 1_000
LEVELS = ("none", "brief", "full")
EVENTS, LABELS, FEEDBACK = "events", "labels", "feedback"
EXPLANATION = "explanation"
PENDING_ENTRIES = "events"
"""The database of the state that holds pending events."""
LEAST = 0.02
"""Microseconds an event from which a step is printed."""
OTHER_BATCHES = 3
"""Batches at other levels of explanation than the usual one, to warm a model and to time."""

_EXPERTS = (
    ("neighbours", "neighbours:NeighboursExpert"),
    ("forest", "trees.forest:ForestExpert"),
    ("trees", "trees.tree:TreeExpert"),
    ("linear", "linear:LinearExpert"),
    ("logistic", "logistic.base:SecondOrderExpert"),
    ("moving clusters", "moving_clusters:MovingClustersExpert"),
    ("naive Bayes", "naive_bayes:NaiveBayesExpert"),
    ("persistence", "persistence:PersistenceExpert"),
    ("ss3", "ss3:SS3Expert"),
)
# In the order in which they are printed. Steps that the service does not have (any more) are named in the output: after
# a change of the way of an event, this is the one table to bring up to date. A "rest" is what its parts leave of it.
STEPS = (
    Step("poll", "tocsin.streams.transport.memory.transport:MemoryTransport.poll"),
    Step("decode events", "tocsin.streams.wire.decode:Decoder.events"),
    Step("new-event check", "tocsin.streams.worker.pipeline:Pipeline._new_events"),
    Step("decode labels", "tocsin.streams.wire.decode:Decoder.labels"),
    Step("pending entry: get, decode", "tocsin.streams.state.pending.events:PendingEvents.get"),
    Step("read feedback, check", "tocsin.streams.worker.learning.learn:Learn._read"),
    Step("note known", "tocsin.streams.worker.learning.learn:note_known"),
    Step("columns", "tocsin.streams.worker.deciding.decide:batch_of"),
    Step("feedback's columns", "tocsin.streams.worker.learning.learn:columns_of"),
    Step("feedback's columns, rest", "tocsin.streams.worker.learning.learn:Learn._columns"),
    *(Step(f"evidence: {name}", f"tocsin.models.experts.{where}.evidence") for name, where in _EXPERTS),
    Step("evidence, rest", "tocsin.models.experts.pool:ExpertPool.evidence"),
    Step("router, fusion, BetP", "tocsin.models.routing.combiner:Combiner.combine"),
    Step("novelty, abstention", "tocsin.models.decision.judge:Judge.judge"),
    Step("score, rest", "tocsin.models.classifier:Classifier.score"),
    Step(EXPLANATION, "tocsin.explain.brief.explanations:Explanations.columns"),
    Step("decision records", "tocsin.streams.worker.deciding.decide:decision_texts"),
    Step("encode event for review", "tocsin.streams.worker.deciding.decide:encode"),
    Step("pack", "tocsin.streams.worker.deciding.decide:packed_batch"),
    Step("outputs, rest", "tocsin.streams.worker.deciding.decide:Decide.written"),
    Step("deciding, rest", "tocsin.streams.worker.model:Decide.__call__"),
    Step("pending entry: keys, puts", "tocsin.streams.state.pending.events:PendingEvents.add_new"),
    Step("waiting-label check", "tocsin.streams.worker.joining.join:Join.event"),
    Step("compare with known labels", "tocsin.streams.worker.joining.join:_compare"),
    Step("add to known labels", "tocsin.streams.state.known_labels:KnownLabels.add"),
    Step("note that it has a label", "tocsin.streams.state.pending.events:PendingEvents.note_label_of"),
    Step("note it from feedback", "tocsin.streams.state.pending.events:PendingEvents.note_label"),
    Step("encode feedback", "tocsin.streams.worker.joining.join:packed_feedback"),
    Step("does it fit", "tocsin.streams.wire.fit:Fit.fits"),
    Step("join, rest", "tocsin.streams.worker.joining.join:Join.label"),
    *(Step(f"learn: {name}", f"tocsin.models.experts.{where}.learn") for name, where in _EXPERTS),
    Step("learn: router", "tocsin.models.routing.reliability:ReliabilityRouter.learn"),
    Step("learn: class discount", "tocsin.models.routing.combiner:Combiner.learn"),
    Step("learn: abstention, novelty", "tocsin.models.decision.judge:Judge.learn_late"),
    Step("learn: lifecycle", "tocsin.models.routing.lifecycle:Lifecycle.observe"),
    Step("learn, rest", "tocsin.models.classifier:Classifier.learn"),
    Step("produce", "tocsin.streams.worker.worker:Worker._produce"),
    Step("LMDB commit", "tocsin.streams.state.store:Transaction.commit"),
    Step("commit, rest", "tocsin.streams.worker.worker:Worker._commit"),
)


class Sizes(NamedTuple):
    """Mean bytes of a record or an entry; nan where there is none."""

    decision: float
    feedback: float
    pending: float


class Bench:
    """A worker on a broker in memory, which is given one batch after the other."""

    def __init__(self, worker: Worker, broker: MemoryBroker, settings: Settings, events: Events) -> None:
        self._worker, self._broker, self._settings, self._events = worker, broker, settings, events
        self._producer = MemoryTransport(broker)
        self._next = 0

    def round(self, watch: Stopwatch | None) -> None:
        """Have a batch of events decided, joined to their labels and learnt; timed where there is a watch."""
        topics = self._settings.topics
        some = self._events.take(self._next, BATCH)
        self._next += BATCH
        self._put(topics.events, some, [past.event for past in some])
        self._work(watch, EVENTS)
        self._put(topics.labels, some, [self._events.label(past) for past in some])
        self._work(watch, LABELS)
        self._work(watch, FEEDBACK)

    def _put(self, topic: str, some: Sequence[PastEvent], values: Sequence[bytes]) -> None:
        for past, value in zip(some, values, strict=True):
            self._producer.produce(topic, past.key, value)

    def _work(self, watch: Stopwatch | None, phase: str) -> None:
        """Work off the batch that is there, and nothing that comes of it."""
        if watch is None:
            self._steps()
            return
        with watch.phase(phase):
            self._steps()

    def _steps(self) -> None:
        handled = tries = 0
        while handled < BATCH:
            handled += self._worker.step(0)
            tries += 1
            if tries > BATCH:
                raise SystemExit(f"of {BATCH:,} records only {handled:,} were polled")

    def sizes(self, skipped: int) -> Sizes:
        """Of the records after the first `skipped`, and of all pending entries."""
        topics = self._settings.topics
        return Sizes(self._mean(topics.decisions, skipped), self._mean(topics.feedback, skipped), self._pending())

    def _mean(self, topic: str, skipped: int) -> float:
        reader = MemoryTransport(self._broker, whole=[topic])
        sizes: list[int] = []
        while records := reader.poll(BATCH, 0):
            sizes += [len(record.value or b"") for record in records]
        reader.close()
        return _mean(sizes[skipped // 2 :])

    def _pending(self) -> float:
        try:
            with self._worker._state.transaction() as t:
                return _mean([len(key) + len(value) for key, value in t.entries.walk(PENDING_ENTRIES)])
        except (AttributeError, KeyError):
            return float("nan")

    @property
    def counts(self) -> str:
        """How many events were decided, so that a cold model is noticed."""
        counts = self._worker.counts
        return f"{counts.decided:,} decided, {counts.abstained:,} abstained, {counts.feedback:,} learnt"


def _mean(sizes: Sequence[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else float("nan")


@contextmanager
def bench(level: str, text: bool) -> Iterator[Bench]:
    """A worker at one level of explanation."""
    broker = MemoryBroker()
    with tempfile.TemporaryDirectory() as temporary:
        _, settings = write_config(Scenario("stages", None, text), "127.0.0.1:9092", Path(temporary), level)
        for topic in settings.topics.names():
            broker.create(topic, 1 if topic == settings.topics.feedback else PARTITIONS)

        def open_transport(
            shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None
        ) -> Transport:
            return MemoryTransport(broker, shared=shared, whole=whole, group=settings.group, rebalance=rebalance)

        with Worker(settings, open_transport) as worker:
            yield Bench(worker, broker, settings, Events(settings, text))


def timed(watch: Stopwatch, level: str, text: bool, warm: int, batches: int) -> tuple[Sizes, str]:
    """Warm a worker by some batches, and time some; returns sizes, and what was decided."""
    watch.clear()
    with bench(level, text) as one:
        for _ in range(warm):
            one.round(None)
        for _ in range(batches):
            one.round(watch)
        return one.sizes(warm * BATCH), one.counts


def show(watch: Stopwatch, events: int) -> None:
    """Print what each step took, in CPU microseconds an event."""
    micro = 1e6 / events
    for phase in (EVENTS, LABELS, FEEDBACK):
        found = {step.name: watch.spent.get((phase, step.name), Spent()) for step in STEPS}
        sum_ = sum(spent.seconds for spent in found.values()) + watch.rest[phase]
        print(f"\n{phase:32}{'us':>8}{'share':>8}{'calls':>10}")
        for name, spent in found.items():
            if micro * spent.seconds >= LEAST:
                calls = spent.calls / events
                print(f"{name:32}{micro * spent.seconds:>8.2f}{spent.seconds / sum_:>8.1%}{calls:>10.3f}")
        print(f"{'all else':32}{micro * watch.rest[phase]:>8.2f}{watch.rest[phase] / sum_:>8.1%}")
        print(f"{'together':32}{micro * sum_:>8.2f}   (all threads, with the clocks: {micro * watch.whole[phase]:.2f})")
    if watch.missing:
        print("\nNot there, so within another step: " + "; ".join(f"{s.name} ({s.function})" for s in watch.missing))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--warm", type=int, default=10, help="batches by which the model is warmed")
    parser.add_argument("--text", action="store_true", help="with a text in each event, and an expert that reads it")
    arguments = parser.parse_args()
    watch = Stopwatch()
    watch.attach(STEPS)
    sizes: dict[str, Sizes] = {}
    explaining: dict[str, float] = {}
    for level in LEVELS:
        brief = level == "brief"
        # The levels beside the usual one are only there for their sizes and for what explaining costs.
        batches, warm = (arguments.batches, arguments.warm) if brief else (OTHER_BATCHES, OTHER_BATCHES)
        sizes[level], counts = timed(watch, level, arguments.text, warm, batches)
        spent = watch.spent.get((EVENTS, EXPLANATION), Spent())
        explaining[level] = 1e6 * spent.seconds / (batches * BATCH)
        if brief:
            print(f"{batches * BATCH:,} events in batches of {BATCH:,}, brief explanations, CPU microseconds an event")
            print(f"since its start the worker has {counts}")
            show(watch, batches * BATCH)
    print(f"\nexplaining at {' / '.join(LEVELS)}: {' / '.join(f'{explaining[level]:.1f}' for level in LEVELS)} us")
    decisions = " / ".join(f"{sizes[level].decision:,.0f}" for level in LEVELS)
    usual = sizes["brief"]
    print(f"bytes of a decision at {' / '.join(LEVELS)}: {decisions}; ", end="")
    print(f"of a feedback record: {usual.feedback:,.0f}; of a pending entry: {usual.pending:,.0f}")


if __name__ == "__main__":
    main()
