from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import (
    Committed,
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    TransactionFailedError,
    Transport,
    TransportError,
)
from tocsin.streams.wire.encode import Output
from tocsin.streams.worker import commit
from tocsin.streams.worker.commit import Commit, Commits

from ..support import START, Service, crash, drain, event, label, settings, stream


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


class Witness:
    """A transport that notes in which order it is called, and waits in its flush until it may go on."""

    concurrent = True

    def __init__(self) -> None:
        self.order: list[Any] = []
        self.go_on = threading.Event()

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        self.order.append(value)

    def flush(self) -> None:
        assert self.go_on.wait(60)
        self.order.append("flush")

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        self.order.append((dict(offsets), dict(notes)))


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    """Notes the commits of the state, too."""
    seen, real = Witness(), Transaction.commit

    def noted(self: Transaction) -> None:
        seen.order.append("state")
        real(self)

    monkeypatch.setattr(Transaction, "commit", noted)
    return seen


EVENTS, LABELS = Partition("events", 0), Partition("labels", 0)


def test_the_order_of_a_commit_is_its_guarantee(tmp_path: Path, witness: Witness) -> None:
    state = State(tmp_path, 2**20)
    witness.order.clear()
    witness.concurrent = False
    witness.go_on.set()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.produce(Output("decisions", None, b"said"))
    commits.commit({EVENTS: 3}, {LABELS: 5}, {LABELS: Committed(5, "2")})
    assert witness.order == [b"said", "flush", ({EVENTS: 3, LABELS: 5}, {LABELS: "2"}), "state"]
    with state.transaction() as t:
        assert (t.positions.get(EVENTS), t.positions.get(LABELS)) == (3, 5)
    commits.close()
    state.close()


def test_what_is_worked_off_while_a_batch_is_committed_waits_for_its_turn(tmp_path: Path, witness: Witness) -> None:
    state = State(tmp_path, 2**20)
    witness.order.clear()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.produce(Output("decisions", None, b"first"))
    commits.commit({EVENTS: 1}, {}, {})
    commits.transaction.positions.set({LABELS: 9})
    commits.produce(Output("decisions", None, b"second"))
    assert b"second" not in witness.order
    assert "state" not in witness.order
    witness.go_on.set()
    commits.commit({EVENTS: 2}, {}, {})
    commits.settle()
    first, second = [b"first", "flush", ({EVENTS: 1}, {})], [b"second", "flush", ({EVENTS: 2}, {})]
    assert witness.order == [*first, *second, "state"]
    assert not commits.unsettled
    commits.close()
    state.close()


def test_a_batch_that_fails_takes_what_was_worked_off_meanwhile_out_of_the_state(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path, 2**20)
    commits = Commits(state, witness)  # type: ignore[arg-type]

    def failing(offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        raise TransactionFailedError("no answer")

    monkeypatch.setattr(witness, "commit", failing)
    witness.go_on.set()
    commits.commit({EVENTS: 1}, {}, {})
    commits.produce(Output("decisions", None, b"second"))
    with pytest.raises(TransactionFailedError):
        commits.commit({EVENTS: 2}, {}, {})
    commits.drop()
    assert b"second" not in witness.order
    with state.transaction() as t:
        assert t.positions.get(EVENTS) is None
    commits.close()
    state.close()


def test_the_state_of_a_worker_that_never_rests_lags_by_no_more_than_its_time(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "KEEP_SECONDS", 0.0)
    state = State(tmp_path, 2**20)
    witness.go_on.set()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.commit({EVENTS: 1}, {}, {})
    assert witness.order[-1] == "state"
    commits.close()
    state.close()


def check_nothing_is_lost(service: Service, n: int) -> None:
    """Every event has a decision and every label exactly one feedback record."""
    decided = Counter(d["event"] for d in service.decisions)
    assert set(decided) == {f"e{i}" for i in range(n)}
    taught = Counter(f["event"]["id"] for f in service.feedback)
    assert set(taught) == set(decided)
    assert set(taught.values()) == {1}, {k: v for k, v in taught.items() if v > 1}


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
