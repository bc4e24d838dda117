"""A group of workers that start, stop, die and take over: no event and no label is lost or handled twice."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tocsin.streams.transport.base import BatchFailedError
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.worker import Worker

from ..support import Service, crash, drain, event, label, reason, settings

PARTITIONS, WORKERS = 3, 3
LONG = 4_000.0
"""Seconds after which a waiting label has waited too long."""


def keyless(identity: str, **more: Any) -> dict[str, Any]:
    """A label that lies in a partition of its own, mostly not that of its event."""
    return {**label(identity), **more}


def own(identity: str) -> dict[str, Any]:
    """A label that describes its event itself."""
    return keyless(identity, features={"a": 1.0})


class GroupOfWorkers(RuleBasedStateMachine):
    """The machine sends records, moves the group and the clock, and steps workers one at a time."""

    classes: ClassVar[tuple[str, ...]] = ("no", "yes")
    """The classes that the config names."""
    transactional = False

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="group-"))
        self.service = Service(self.config(0), partitions=PARTITIONS, transactional=self.transactional)
        self.workers: dict[int, Worker] = {}
        self.sent = 0
        self.events: list[str] = []
        self.labelled: list[str] = []
        """Event ids that have a label, whether the event was sent or not."""
        self.gone: set[str] = set()
        """Event ids whose label has waited in vain."""
        self.own: list[str] = []
        self.bad: list[bytes] = []
        self.sent_events: dict[str, dict[str, Any]] = {}
        """Events by their ids, as they were sent first."""
        self.forged = 0
        """Other events under an id that is taken."""

    def config(self, number: int) -> Any:
        return settings(self.root / str(number), batching={"max_events": 4}, classes=self.classes)

    # The group

    @rule(number=st.integers(0, WORKERS - 1))
    def start(self, number: int) -> None:
        if number not in self.workers:
            self.workers[number] = self.service.worker(self.config(number)).__enter__()

    @rule(number=st.integers(0, WORKERS - 1), lost=st.booleans())
    def kill(self, number: int, lost: bool) -> None:
        if number in self.workers:
            crash(self.workers.pop(number))
            if lost:
                shutil.rmtree(self.root / str(number))

    @rule(number=st.integers(0, WORKERS - 1))
    def stop(self, number: int) -> None:
        if number in self.workers:
            self.workers.pop(number).__exit__(None, None, None)

    @rule(number=st.integers(0, WORKERS - 1), times=st.integers(1, 4))
    def step(self, number: int, times: int) -> None:
        for _ in range(times if number in self.workers else 0):
            self.workers[number].step(0)

    @precondition(lambda self: self.workers)
    @rule()
    def wait_too_long(self) -> None:
        drain(*self.workers.values())
        self.gone |= set(self.labelled) - set(self.events)
        self.service.clock.move(LONG)
        self.drain()

    # Records

    def name(self) -> str:
        self.sent += 1
        return f"r{self.sent}"

    @rule(subject=st.integers(0, 5))
    def send_event(self, subject: int) -> None:
        self.send(event(self.name(), subject=f"s{subject}"))

    def send(self, sent: dict[str, Any]) -> None:
        self.events.append(sent["id"])
        self.sent_events[sent["id"]] = sent
        self.service.send(sent)

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def send_event_again(self, data: st.DataObject) -> None:
        """It is in the same partition, because it has the same subject."""
        self.service.send(self.sent_events[data.draw(st.sampled_from(self.events))])

    @precondition(lambda self: self.events)
    @rule(data=st.data(), a=st.floats(2, 9))
    def send_another_event_under_an_id_that_is_taken(self, data: st.DataObject, a: float) -> None:
        first = self.sent_events[data.draw(st.sampled_from(self.events))]
        self.forged += 1
        self.service.send({**first, "features": {"a": a, "b": None}})

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def send_label(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.events))
        self.labelled.append(name)
        self.service.tell(keyless(name))

    @rule(subject=st.integers(0, 5), comes=st.booleans())
    def send_label_before_its_event(self, subject: int, comes: bool) -> None:
        name = self.name()
        self.labelled.append(name)
        self.service.tell(keyless(name))
        if comes:
            self.send(event(name, subject=f"s{subject}"))

    @precondition(lambda self: set(self.labelled) - set(self.events) - self.gone)
    @rule(data=st.data())
    def send_event_of_a_label(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(set(self.labelled) - set(self.events) - self.gone)))
        self.send(event(name))

    @rule()
    def send_self_contained_label(self) -> None:
        name = self.name()
        self.own.append(name)
        self.service.tell(own(name))

    @precondition(lambda self: self.own)
    @rule(data=st.data())
    def send_self_contained_label_again(self, data: st.DataObject) -> None:
        self.service.tell(own(data.draw(st.sampled_from(self.own))))

    @rule()
    def send_malformed_label(self) -> None:
        self.bad.append(self.name().encode())
        self.service.tell(self.bad[-1])

    # What must hold

    def drain(self) -> None:
        drain(*self.workers.values(), most=2_000)
        for _ in range(2):
            for worker in self.workers.values():
                worker.step(0)

    @invariant()
    def nothing_is_handled_twice(self) -> None:
        assert not [name for name, n in self.joined().items() if n > 1]
        assert not [value for value, n in self.letters().items() if n > 1]
        assert not [name for name, n in self.decided().items() if n > 1]

    def joined(self) -> Counter[str]:
        return Counter(f["event"]["id"] for f in self.service.feedback)

    def decided(self) -> Counter[str]:
        return Counter(d["event"] for d in self.service.decisions)

    def letters(self) -> Counter[tuple[str, str, str]]:
        """Where the records of the dead letters came from: topic, partition and offset."""
        records = self.service.records("dead-letters")
        return Counter((reason(r, "topic"), reason(r, "partition"), reason(r, "offset")) for r in records)

    def teardown(self) -> None:
        try:
            self.start(0)
            self.drain()
            self.service.clock.move(LONG)
            self.drain()
            self.nothing_is_handled_twice()
            assert set(self.decided()) == set(self.events)
            assert set(self.joined()) == (set(self.labelled) & set(self.events)) | set(self.own)
            in_vain = [name for name in self.labelled if name not in self.events]
            kinds = Counter(kind for kind, _ in self.service.dead_letters)
            assert kinds.pop("id-taken", 0) == self.forged
            assert kinds.total() == len(self.bad) + len(in_vain)
            for worker in self.workers.values():
                with worker._state.transaction() as t:
                    assert t.waiting.count() == 0
        finally:
            for worker in self.workers.values():
                crash(worker)
            shutil.rmtree(self.root)


GroupOfWorkers.TestCase.settings = profile(max_examples=100, stateful_step_count=40, deadline=None)
TestGroupOfWorkers = GroupOfWorkers.TestCase


class GroupOfWorkersWithoutClasses(GroupOfWorkers):
    """The same, where the classes are found in the labels."""

    classes = ()


GroupOfWorkersWithoutClasses.TestCase.settings = profile(max_examples=50, stateful_step_count=40, deadline=None)
TestGroupOfWorkersWithoutClasses = GroupOfWorkersWithoutClasses.TestCase


class Killed(BaseException):
    """SIGKILL in the middle of a commit."""


class GroupOfTransactionalWorkers(GroupOfWorkers):
    """The same group in transactions: workers are killed at every step of a commit, or replaced unawares."""

    transactional = True

    @rule(number=st.integers(0, WORKERS - 1), step=st.sampled_from(["produced", "flushed", "committed"]))
    def kill_in_the_middle(self, number: int, step: str) -> None:
        if number not in self.workers:
            return
        worker = self.workers[number]
        transport = worker._transport
        flush, commit = transport.flush, transport.commit

        def kill_at_flush() -> None:
            if step == "flushed":
                flush()
            raise Killed

        def kill_at_commit(*arguments: Any) -> None:
            commit(*arguments)
            raise Killed

        if step == "committed":
            transport.commit = kill_at_commit  # type: ignore[method-assign]
        else:
            transport.flush = kill_at_flush  # type: ignore[method-assign]
        try:
            for _ in range(2):
                worker.step(0)
        except (Killed, BatchFailedError):
            crash(self.workers.pop(number))
        else:
            transport.flush, transport.commit = flush, commit  # type: ignore[method-assign]

    @rule(number=st.integers(0, WORKERS - 1), times=st.integers(1, 4))
    def replace_unawares(self, number: int, times: int) -> None:
        """A worker is paused with a batch in hand, while the others do it."""
        if number not in self.workers or len(self.workers) == 1:
            return
        worker = self.workers[number]
        transport = worker._transport
        flush = transport.flush

        def pause() -> None:
            transport.flush = flush  # type: ignore[method-assign]
            assert isinstance(transport, MemoryTransport)
            self.service.broker.evict(self.service.settings.group, transport)
            for _ in range(times):
                for other in self.workers.values():
                    if other is not worker:
                        other.step(0)
            flush()

        transport.flush = pause  # type: ignore[method-assign]
        stop = iter([False, True])
        worker.run(lambda: next(stop))
        transport.flush = flush  # type: ignore[method-assign]


GroupOfTransactionalWorkers.TestCase.settings = profile(max_examples=100, stateful_step_count=40, deadline=None)
TestGroupOfTransactionalWorkers = GroupOfTransactionalWorkers.TestCase
