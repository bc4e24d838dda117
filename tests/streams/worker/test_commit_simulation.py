"""The commit of batches against a model of the broker: thousands of histories, each one of a seed.

The protocol is the service's own (`Commits`, `KafkaTransport`, `GroupMember.commit_with`, `Transactions`). What it
commits is made by a worker of a few lines that decides, remembers, joins and folds as the real one does.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tocsin.streams.transport.base import BatchFailedError, Committed, Partition
from tocsin.streams.transport.kafka import KafkaTransport, Transactional, TransactionalId
from tocsin.streams.transport.kafka.member import GroupMember
from tocsin.streams.transport.kafka.transactions import Proof, Transactions
from tocsin.streams.wire.encode import Output
from tocsin.streams.worker.commit import Commits

from .calls_without_threads import CallsAtOnce, CallsLate, wait_for_late
from .commit_model import NO_GENERATION, Chance, Crash, Entry, Member, ModelBroker, ModelConnection, ModelConsumer

EVENTS = [Partition("events", i) for i in range(3)]
LABELS, DECISIONS, FEEDBACK = Partition("labels", 0), Partition("decisions", 0), Partition("feedback", 0)
WORKERS, ROUNDS = 3, 40
HISTORIES = 2_000


@pytest.fixture(autouse=True)
def calls_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.streams.transport.kafka.transactions.Calls", CallsAtOnce)
    monkeypatch.setattr("tocsin.streams.worker.commit.Calls", CallsLate)
    monkeypatch.setattr("tocsin.streams.worker.commit.wait", wait_for_late)
    monkeypatch.setattr("tocsin.streams.worker.commit.KEEP_SECONDS", 60.0)
    monkeypatch.setattr("tocsin.streams.transport.kafka.member._PAUSE_SECONDS", 0.0)


class SmallState:
    """What a worker keeps, and the transaction that changes it: `Commit` sets positions and commits."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {"positions": {}, "pending": {}, "known": set(), "waiting": []}
        self.begin()

    def begin(self) -> SmallState:
        self.now = {name: copy.copy(part) for name, part in self.kept.items()}
        return self

    @property
    def positions(self) -> SmallState:
        return self

    def set(self, offsets: dict[Partition, int]) -> None:
        self.now["positions"].update(offsets)

    def abort(self) -> None:
        pass

    def commit(self) -> None:
        self.kept = {name: copy.copy(part) for name, part in self.now.items()}


class PromptProof(Proof):
    """A proof that the thread which polls renews as soon as it is waited for."""

    def __init__(self, consumer: ModelConsumer, broker: ModelBroker) -> None:
        super().__init__(consumer)  # type: ignore[arg-type]
        self.client, self.broker = consumer, broker

    def newer(self, seconds: float) -> bool:
        self.client.hear(self.broker)
        self.renew()
        return not self._gone


class SmallWorker:
    """A worker that is killed, paused and replaced; its state survives."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.identity = TransactionalId("group", str(number))
        self.state = SmallState()
        self.busy = False
        self.generation = NO_GENERATION
        self.shared: dict[Partition, int] = {}
        self.whole: dict[Partition, int] = {}
        self.commits: Commits | None = None
        self.open()

    def open(self) -> None:
        """A transport, as after a start or a failed batch."""
        self.connection = ModelConnection(self.world.broker, self.world.chance, lambda: self.world.pause(self))
        transport = self.transport = KafkaTransport.__new__(KafkaTransport)
        member = self.member = GroupMember.__new__(GroupMember)
        connection: Any = self.connection
        how = Transactional(self.identity, ["decisions", "feedback"])
        transport._connection = member._connection = connection
        transport._transactions = Transactions(connection, how)
        transport._member, transport._sends = member, {}
        member._group, member.owned, member._standing, member.read_to = "group", set(), {}, {}
        member._refused_since = None
        self.join(ModelConsumer())
        self.generation = NO_GENERATION
        if self.commits is not None:
            self.commits._on_its_way = None  # a call that nobody waits for any more is not made
            self.commits.close()
        self.commits = Commits(self.state, transport)  # type: ignore[arg-type]

    def join(self, consumer: ModelConsumer) -> None:
        self.consumer = consumer
        self.member.consumer = consumer  # type: ignore[assignment]
        self.member.proof = PromptProof(consumer, self.world.broker)
        self.member.proof.take()

    def step(self) -> None:
        self.busy = True
        try:
            self._step()
        except BatchFailedError:
            assert self.transport._transactions is not None
            self.transport._transactions.close()
            self.open()
        except Crash:
            self.open()
        finally:
            self.busy = False

    def _step(self) -> None:
        broker, state, chance = self.world.broker, self.state, self.world.chance
        assert self.commits is not None
        self.transport.attend()
        if self.generation != broker.generation or chance.calm or chance.random.random() < 0.3:
            self.commits.settle()
        assert self.commits.transaction is state
        self.shared, self.whole = {}, {}
        if self.generation != broker.generation:
            self._take_over()
        positions = state.now["positions"]
        self._fold(broker.read(FEEDBACK, positions.get(FEEDBACK, 0), 1_000)[:5])
        for partition in sorted(self.member.owned):
            for offset, event in broker.read(partition, positions.get(partition, 0), 1_000)[:3]:
                self._produce("decisions", event)
                state.now["pending"][event] = partition
                self.shared[partition] = offset + 1
                for label in [label for label in state.now["waiting"] if label == event]:
                    state.now["waiting"].remove(label)
                    self._join(label)
        for offset, label in broker.read(LABELS, positions.get(LABELS, 0), 1_000)[:6]:
            self.whole[LABELS] = offset + 1
            if state.now["pending"].get(label) in self.member.owned:
                self._join(label)
            elif label not in state.now["known"]:
                state.now["waiting"].append(label)
        self._commit()

    def _take_over(self) -> None:
        """As `Ownership.assigned` and `Worker._after_assignment` do."""
        broker, state, member = self.world.broker, self.state, self.member
        owned = broker.assigned.get(self.number, [])
        self.world.wait_for_offsets(owned)
        found = {p: broker.committed[p] for p in owned if p in broker.committed}
        member.owned, member._standing = set(owned), found
        self.join(ModelConsumer(f"{self.number} since {broker.generation}", broker.generation))
        self.generation = broker.generation
        member.read_to = dict.fromkeys(owned, 0)
        for partition in owned:
            committed = found.get(partition, Committed(0)).offset
            for _, event in broker.read(partition, 0, committed):  # rebuilt from the log
                state.now["pending"][event] = partition
            state.set({partition: committed})
        end = len(broker.logs[FEEDBACK])
        self.world.wait_for(FEEDBACK, end)
        self._fold(broker.read(FEEDBACK, state.now["positions"].get(FEEDBACK, 0), end))
        for label in list(state.now["waiting"]):
            if state.now["pending"].get(label) in member.owned:
                state.now["waiting"].remove(label)
                self._join(label)
        self._commit()
        assert self.commits is not None
        self.commits.settle()
        assert self.commits.transaction is state
        self.shared, self.whole = {}, {}

    def _fold(self, records: list[tuple[int, bytes]]) -> None:
        for offset, label in records:
            self.state.now["known"].add(label)
            self.state.now["waiting"] = [waiting for waiting in self.state.now["waiting"] if waiting != label]
            self.state.set({FEEDBACK: offset + 1})

    def _join(self, label: bytes) -> None:
        if label not in self.state.now["known"]:
            self.state.now["known"].add(label)
            self._produce("feedback", label)

    def _produce(self, topic: str, value: bytes) -> None:
        assert self.commits is not None
        self.commits.produce(Output(topic, None, value))

    def _commit(self) -> None:
        assert self.commits is not None
        self.commits.commit(self.shared, self.whole, {})
        self.world.pause(self)


class World:
    """The broker, its workers, and one history of them."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.broker = ModelBroker()
        self.sent = 0
        self.depth = 0
        self.workers = [SmallWorker(self, number) for number in range(WORKERS)]
        self.rebalance()

    # What may happen while a worker waits for an answer

    def pause(self, worker: SmallWorker) -> None:
        if self.chance.happens(0.02):
            raise Crash
        if self.chance.happens(0.02):
            self.broker.end_open(lambda t: t.identity == worker.identity.value)
        if self.chance.happens(0.06):
            self.rebalance()
        if self.depth < WORKERS and self.chance.happens(0.1):
            self.depth += 1
            for _ in range(self.chance.random.randint(1, 4)):
                self.step_one()
            self.depth -= 1

    def rebalance(self) -> None:
        """The partitions go to workers that are not busy, if there are any: the busy ones do not notice.

        A busy one keeps what it has where it is a member still, or is removed from the group.
        """
        before, keep = self.broker.generation, self.chance.random.random() < 0.5
        there = [worker.number for worker in self.workers if not worker.busy] or list(range(WORKERS))
        self.broker.generation += 1
        self.broker.assigned = {number: [] for number in range(WORKERS)}
        left = list(EVENTS)
        for worker in [worker for worker in self.workers if worker.busy]:
            if keep and worker.consumer.generation == before:
                worker.consumer.generation = self.broker.generation
                self.broker.assigned[worker.number] = sorted(worker.member.owned)
                left = [partition for partition in left if partition not in worker.member.owned]
            else:
                worker.consumer.forget()
        for partition in left:
            self.broker.assigned[self.chance.random.choice(there)].append(partition)

    def step_one(self) -> None:
        if idle := [worker for worker in self.workers if not worker.busy]:
            self.chance.random.choice(idle).step()

    # Waiting, which ends where the time of a transaction is over: its worker is paused, or dead

    def wait_for(self, partition: Partition, end: int) -> None:
        while self.broker.stable_end(partition) < end:
            in_the_way = self.broker.logs[partition][self.broker.stable_end(partition)].transaction
            assert in_the_way is not None
            self.broker.abort(in_the_way)

    def wait_for_offsets(self, partitions: list[Partition]) -> None:
        self.broker.end_open(lambda t: not t.offsets.keys().isdisjoint(partitions))

    # A history

    def send(self) -> None:
        """One event, and a label of any event, sent already or not."""
        random = self.chance.random
        self.broker.logs[EVENTS[self.sent % 3]].append(Entry(b"%d" % self.sent))
        self.sent += 1
        labelled = {entry.value for entry in self.broker.logs[LABELS]}
        label = b"%d" % random.randint(max(0, self.sent - 8), self.sent + 2)
        if label not in labelled:
            self.broker.logs[LABELS].append(Entry(label))

    def run(self) -> None:
        for _ in range(ROUNDS):
            if self.chance.random.random() < 0.5:
                self.send()
            if self.chance.happens(0.05):
                self.rebalance()
            self.step_one()
        self.chance.calm = True
        self.rebalance()
        idle = 0
        while idle < 6:  # so long a worker may read labels of events that are others', and commit a batch late
            before = {p: len(self.broker.logs[p]) for p in (DECISIONS, FEEDBACK)}
            for worker in self.workers:
                worker.step()
            idle = idle + 1 if all(len(self.broker.logs[p]) == n for p, n in before.items()) else 0

    def check(self) -> None:
        events = [entry.value for partition in EVENTS for entry in self.broker.logs[partition]]
        labels = [entry.value for entry in self.broker.logs[LABELS]]
        decided = [value for _, value in self.broker.read(DECISIONS, 0, 10_000)]
        learnt = [value for _, value in self.broker.read(FEEDBACK, 0, 10_000)]
        assert Counter(decided) == Counter(events)
        assert Counter(learnt) == Counter(set(labels) & set(events))
        for number in range(3):
            mine = [int(value) for value in decided if int(value) % 3 == number]
            assert mine == sorted(mine)


def test_no_history_of_crashes_pauses_and_lost_answers_loses_or_doubles_anything() -> None:
    for seed in range(HISTORIES):
        world = World(seed)
        try:
            world.run()
            world.check()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


# The simulation finds what is wrong: each of these is the protocol with one rule left out.


def without_flush(patch: pytest.MonkeyPatch) -> None:
    """The offsets are sent before the records are there."""
    patch.setattr(KafkaTransport, "flush", lambda self: None)


def state_first(patch: pytest.MonkeyPatch) -> None:
    """The state leads."""

    real = Commits.commit

    def commit(self: Commits, shared: Any, whole: Any, settled: Any) -> None:
        self.transaction.positions.set({**shared, **whole})
        self.transaction.commit()
        real(self, shared, whole, settled)

    patch.setattr(Commits, "commit", commit)


def without_an_offset(patch: pytest.MonkeyPatch) -> None:
    """A batch of labels alone is committed without asking for the generation."""
    patch.setattr(GroupMember, "_any_standing", lambda self: {})


def with_no_generation(patch: pytest.MonkeyPatch) -> None:
    """A client that was removed from its group is asked for its metadata when it commits."""
    real = Transactions.commit
    patch.setattr(Transactions, "commit", lambda self, offsets, member: real(self, offsets, Member(NO_GENERATION)))


def without_asking_whether_it_is_a_member(patch: pytest.MonkeyPatch) -> None:
    """A client that was removed from its group proves the generation that it knows then, which is none."""
    patch.setattr(Proof, "is_of_member", lambda self: True)


def without_waiting_for_the_end(patch: pytest.MonkeyPatch) -> None:
    """The feedback is folded to the first open transaction only."""
    patch.setattr(World, "wait_for", lambda self, partition, end: None)


def without_waiting_for_offsets(patch: pytest.MonkeyPatch) -> None:
    """Offsets are taken that an open transaction is about to change."""
    patch.setattr(World, "wait_for_offsets", lambda self, partitions: None)


def with_a_lost_answer_for_a_yes(patch: pytest.MonkeyPatch) -> None:
    """A call that was not answered counts as done."""

    def call(self: Transactions, doing: str, ask: Callable[[float], object]) -> None:
        try:
            ask(1.0)
        except Exception as raised:
            error = raised.args[0]
            if not error.retriable():
                raise self._failure(doing, raised) from raised  # type: ignore[arg-type]

    patch.setattr(Transactions, "_call", call)


@pytest.mark.parametrize(
    "wrong",
    [
        without_flush,
        state_first,
        without_an_offset,
        with_no_generation,
        without_asking_whether_it_is_a_member,
        without_waiting_for_the_end,
        without_waiting_for_offsets,
        with_a_lost_answer_for_a_yes,
    ],
)
def test_a_protocol_with_one_rule_left_out_is_found_out(
    wrong: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong(monkeypatch)
    with pytest.raises(AssertionError, match="seed"):
        test_no_history_of_crashes_pauses_and_lost_answers_loses_or_doubles_anything()
