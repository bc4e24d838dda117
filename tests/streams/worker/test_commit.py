from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.transport.base import (
    Committed,
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    Record,
    TransactionFailedError,
    Transport,
    TransportError,
)
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.commit import Commit

from ..support import START, Service, check_chain, crash, drain, event, label, settings, stream


class Frail:
    """A transport that fails at one step of one commit, before or after the step itself."""

    def __init__(self, inner: Transport, plan: dict[str, int], error: Exception) -> None:
        self.inner, self.plan, self.error = inner, plan, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _due(self, step: str) -> bool:
        if step not in self.plan:
            return False
        self.plan[step] -= 1
        return self.plan[step] == 0

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        if self._due("produce"):
            raise self.error
        self.inner.produce(topic, key, value, headers)

    def flush(self) -> None:
        if self._due("flush"):
            raise self.error
        self.inner.flush()

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
        if offsets and self._due("commit"):
            raise self.error
        self.inner.commit(offsets, notes)
        if offsets and self._due("after commit"):
            raise self.error


def frail(service: Service, plan: dict[str, int], error: Exception) -> Any:
    def open_transport(shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Any:
        return Frail(service.open(shared, whole, rebalance), plan, error)

    return open_transport


def check_nothing_is_lost(service: Service, n: int) -> None:
    """Every event has a decision and every label exactly one feedback record."""
    decided = Counter(d["event"] for d in service.decisions)
    assert set(decided) == {f"e{i}" for i in range(n)}
    taught = Counter(f["event"]["id"] for f in service.feedback)
    assert set(taught) == set(decided)
    assert set(taught.values()) == {1}, {k: v for k, v in taught.items() if v > 1}
    check_chain(service)


@pytest.mark.parametrize("step", ["produce", "flush", "commit", "after commit", "state"])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("way", ["exactly once", "exactly once, two at once", "at least once"])
def test_a_crash_at_any_step_loses_nothing(
    tmp_path: Path, step: str, at: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactional, concurrent = way.startswith("exactly once"), way.endswith("two at once")
    config = settings(tmp_path / "state", batching={"max_events": 40})
    service = Service(config, partitions=2, transactional=transactional, concurrent=concurrent)
    events, labels = zip(*stream(60), strict=True)
    service.send(*events[:40])
    service.tell(*labels[20:50])  # some come before their events
    plan = {step: at * (17 if step == "produce" else 1)}
    if step == "state":
        commits, real = iter(range(1, 99)), Commit.run

        def run(self: Commit, offsets: Offsets, settled: Mapping[Partition, Committed]) -> None:
            real(self, offsets, settled)
            if offsets and next(commits) == at:
                raise TransportError("killed")

        monkeypatch.setattr(Commit, "run", run)
    worker = service.worker(open_transport=frail(service, plan, TransportError("killed")))
    worker.__enter__()
    with pytest.raises(TransportError, match="killed"):  # noqa: PT012
        drain(worker)
        service.send(*events[40:])
        drain(worker)
        for raw in labels[:20]:
            service.tell(raw)
            worker.step(0)
        raise AssertionError("the plan was never carried out")
    crash(worker)
    monkeypatch.undo()
    sent = {e["id"] for e in events[:40]} if len(service.records("events")) == 40 else {e["id"] for e in events}
    service.send(*[e for e in events if e["id"] not in sent])
    before = Counter(d["event"] for d in service.decisions)
    with service.worker() as again:
        drain(again)
        service.tell(*labels[:20], *labels[50:])
        drain(again)
        check_nothing_is_lost(service, 60)
        doubles = {i for i, n in Counter(d["event"] for d in service.decisions).items() if n > before[i] > 0}
        assert again.counts.decided_twice == len(doubles)
        if transactional or step in ("after commit", "state"):
            assert not doubles


@pytest.mark.parametrize("step", ["flush", "commit"])
def test_a_partition_lost_to_another_worker_ends_nothing(tmp_path: Path, step: str) -> None:
    service = Service(settings(tmp_path / "state", batching={"max_events": 10}), partitions=2)
    events, labels = zip(*stream(60), strict=True)
    plan: dict[str, int] = {}
    with service.worker(open_transport=frail(service, plan, PartitionLostError("gone"))) as worker:
        drain(worker)
        plan[step] = 3
        for raw, truth in zip(events, labels, strict=True):
            service.send(raw)
            service.tell(truth)
        steps = iter(range(60))
        worker.run(lambda: next(steps, None) is None)
        check_nothing_is_lost(service, 60)
        assert worker.classifier.learnt == worker.classifier.feedback_offset == 60


def test_a_worker_that_was_revoked_goes_on_with_what_it_has(tmp_path: Path) -> None:
    """Its commit is refused for real: another member took the partition between its poll and its commit."""
    service = Service(settings(tmp_path / "state", batching={"max_events": 10}), partitions=2)
    events, labels = zip(*stream(60, subjects=20), strict=True)
    with service.worker() as worker:
        drain(worker)
        service.send(*events)
        service.tell(*labels)
        worker.step(0)
        group = service.broker._groups[service.settings.group]
        group.owners.clear()
        group.generation += 1
        steps = iter(range(60))
        worker.run(lambda: next(steps, None) is None)
        check_nothing_is_lost(service, 60)


@pytest.mark.parametrize("step", ["produce", "flush", "commit", "after commit"])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("concurrent", [False, True], ids=["one at a time", "two at once"])
def test_a_transaction_that_failed_or_whose_answer_was_lost_doubles_nothing(
    tmp_path: Path, step: str, at: int, concurrent: bool
) -> None:
    """The worker lives, and cannot know whether its batch is done: after `commit` it is not, after the other it is."""
    config = settings(tmp_path / "state", batching={"max_events": 10})
    service = Service(config, partitions=2, transactional=True, concurrent=concurrent)
    events, labels = zip(*stream(60), strict=True)
    plan = {step: at * (17 if step == "produce" else 1)}
    lost = TransactionFailedError("there is no answer")
    with service.worker(open_transport=frail(service, plan, lost)) as worker:
        for raw, truth in zip(events, labels, strict=True):
            service.send(raw)
            service.tell(truth)
        steps = iter(range(80))
        worker.run(lambda: next(steps, None) is None)
        assert plan[step] <= 0
        check_all_is_there_once(service, 60)
        assert worker.classifier.learnt == worker.classifier.feedback_offset == 60
        assert worker.counts.decided_twice == 0


def check_all_is_there_once(service: Service, n: int) -> None:
    check_nothing_is_lost(service, n)
    assert set(Counter(d["event"] for d in service.decisions).values()) == {1}


@pytest.mark.parametrize("concurrent", [False, True], ids=["one at a time", "two at once"])
def test_a_zombie_that_wakes_with_a_batch_in_hand_writes_nothing(tmp_path: Path, concurrent: bool) -> None:
    """It was paused between its poll and its commit, while another worker did all that it had in hand."""
    config = settings(tmp_path / "one", batching={"max_events": 10})
    service = Service(config, partitions=2, transactional=True, concurrent=concurrent)
    events, labels = zip(*stream(60, subjects=20), strict=True)
    paused: list[Callable[[], None]] = []

    class Pausing:
        """Lets others do their work before it flushes."""

        def __init__(self, inner: Transport) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def flush(self) -> None:
            while paused:
                paused.pop()()
            self.inner.flush()

    def open_pausing(shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Any:
        return Pausing(service.open(shared, whole, rebalance))

    other = service.worker(settings(tmp_path / "two", batching={"max_events": 10}))
    with service.worker(open_transport=open_pausing) as zombie:
        drain(zombie)
        service.send(*events)
        service.tell(*labels)

        def replaced() -> None:
            service.broker.evict(config.group, zombie._transport.inner)  # type: ignore[attr-defined]
            other.__enter__()
            drain(other)

        paused.append(replaced)
        steps = iter(range(60))
        zombie.run(lambda: next(steps, None) is None)
        drain(zombie, other)
        check_all_is_there_once(service, 60)
        assert zombie.classifier.learnt == other.classifier.learnt == 60
    other.__exit__(None, None, None)


class Late(MemoryTransport):
    """Gives the records of whole topics for some polls before partitions are assigned, as Kafka's does."""

    polls = 0

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        if self.shared and Late.polls > 0:
            Late.polls -= 1
            return self._take(max_records)
        return super().poll(max_records, timeout)


def test_a_label_that_was_learnt_before_a_failed_batch_is_not_learnt_again(tmp_path: Path) -> None:
    """The state goes back by several batches, and the model, which has learnt their feedback, does not."""
    service = Service(settings(tmp_path / "state", batching={"max_events": 1}), transactional=True, concurrent=True)
    plan: dict[str, int] = {}

    def late(shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Any:
        inner = Late(
            service.broker,
            shared=shared,
            whole=whole,
            group=service.settings.group,
            rebalance=rebalance,
            transactional=bool(shared),
            concurrent=True,
        )
        return Frail(inner, plan, TransactionFailedError("no answer"))

    with service.worker(open_transport=late) as worker:
        service.send(*[event(f"e{i}") for i in range(3)])
        drain(worker)
        worker._commits.settle()
        service.tell(label("e0"), label("e1"))
        while worker.classifier.feedback_offset < 2:
            worker.step(0)
            worker._commits._wait()
        assert worker._commits.unsettled, "or the state lacks nothing"
        service.send(event("e3"))
        plan["commit"], Late.polls = 1, 6
        steps = iter(range(30))
        worker.run(lambda: next(steps, None) is None)
        assert plan["commit"] <= 0
    assert [item["event"]["id"] for item in service.feedback] == ["e0", "e1"]


@pytest.mark.parametrize("transactional", [True, False], ids=["exactly once", "at least once"])
def test_labels_that_were_corrected_are_not_learnt_again_after_a_crash(tmp_path: Path, transactional: bool) -> None:
    """Read again, the first of them contradicts what its source said last: it must be known for the one it was."""
    service = Service(settings(tmp_path / "state"), transactional=transactional)
    plan = {"after commit": 0}
    worker = service.worker(open_transport=frail(service, plan, TransportError("killed")))
    worker.__enter__()
    drain(worker)
    service.send(event("e"), event("other"))
    service.tell(label("other"))
    drain(worker)
    service.tell(*[label("e", truth) for truth in ("yes", "no", "yes")])
    plan["after commit"] = 1
    with pytest.raises(TransportError, match="killed"):
        drain(worker)
    crash(worker)
    with service.worker() as again:
        drain(again)
        service.tell(label("e", "no", time=START + 4))
        drain(again)
    assert [item["label"] for item in service.feedback][1:] == ["yes", "no", "yes", "no"]
