"""How a group divides its partitions: moving from one way to another, and taking over a place that is known."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tocsin.streams.transport.base import BatchFailedError, Partition, Record, Transport, TransportError
from tocsin.streams.transport.kafka import KafkaTransport, Transactional, TransactionalId
from tocsin.streams.wire.encode import Output
from tocsin.streams.worker.commit import Commit

from .stage import Owner, numbers, values
from .test_kafka import KafkaStage

pytestmark = pytest.mark.broker
PARTITIONS = 4


@pytest.fixture
def stage(apache: str) -> Iterator[KafkaStage]:
    made = KafkaStage(apache)
    yield made
    made.close()


class Relay:
    """A member that copies records from one topic to another, each batch in a transaction, and starts over as a worker
    does where a batch fails."""

    def __init__(self, stage: KafkaStage, group: str, topic: str, out: str, **kafka: object) -> None:
        self._stage = stage
        self._settings = stage.settings.model_copy(update=kafka)
        self._group, self._topic, self._out = group, topic, out
        self._identity = TransactionalId(group, f"relay-{uuid.uuid4().hex[:8]}")
        self.failed = 0
        self._open()

    def _open(self) -> None:
        self.owner = Owner()
        self.transport: Transport = KafkaTransport(
            self._settings,
            group=self._group,
            shared=[self._topic],
            rebalance=self.owner,
            transactional=Transactional(self._identity, [self._out]),
        )
        self._stage.transports.append(self.transport)

    def turn(self) -> None:
        try:
            records = self.transport.poll(50, 0.05)
            for record in records:
                self.transport.produce(self._out, record.key, record.value or b"")
            # As a worker's housekeeping does, it commits without a record, too.
            self.transport.commit({Partition(r.topic, r.partition): r.offset + 1 for r in records})
        except BatchFailedError:
            self.failed += 1
            self.transport.close()
            self._open()


def turn_until(members: list[Relay], done: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, [sorted(member.owner.held) for member in members]
        for member in members:
            member.turn()


def divided(members: list[Relay]) -> bool:
    held = [partition for member in members for partition in member.owner.held]
    return len(held) == len(set(held)) == PARTITIONS and all(member.owner.held for member in members)


def copied(stage: KafkaStage, out: str) -> list[Record]:
    reader = stage.open()
    end = reader.end_offsets(out)[Partition(out, 0)]
    return list(reader.read(Partition(out, 0), 0, end))


def test_a_group_moves_from_range_to_cooperative_in_two_rolling_steps(stage: KafkaStage) -> None:
    """Step one leads every worker to `broker`, step two from there to `cooperative-sticky`."""
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    feeder = stage.open()
    sent = 0

    def feed() -> None:
        nonlocal sent
        for i in range(sent, sent + 20):
            feeder.produce(topic, b"%d" % i, b"%d" % i)
        feeder.flush()
        sent += 20

    def member(assignor: str) -> Relay:
        return Relay(stage, group, topic, out, assignor=assignor)

    members = [member("range"), member("range")]
    turn_until(members, lambda: divided(members))
    for assignor in ("broker", "cooperative-sticky"):
        for place in range(2):
            feed()
            members[place].turn()
            members[place].transport.close()
            members[place].owner.held.clear()
            turn_until([members[1 - place]], lambda: len(members[1 - place].owner.held) == PARTITIONS)  # noqa: B023
            members[place] = member(assignor)
            turn_until(members, lambda: divided(members))
            feed()
        turn_until(members, lambda: len(copied(stage, out)) >= sent)
    found = values(copied(stage, out))
    assert sorted(found, key=lambda v: int(v or b"")) == numbers(0, sent)


def test_the_transactions_of_a_member_that_keeps_its_partitions_go_on_through_every_rebalance(
    stage: KafkaStage,
) -> None:
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    stays = Relay(stage, group, topic, out)
    turn_until([stays], lambda: len(stays.owner.held) == PARTITIONS)
    for _ in range(3):
        comes = Relay(stage, group, topic, out)
        turn_until([stays, comes], lambda: divided([stays, comes]))  # noqa: B023
        for _ in range(10):
            stays.turn()
        comes.transport.close()
        turn_until([stays], lambda: len(stays.owner.held) == PARTITIONS)
    assert stays.owner.committed
    # A generation that grows between the question for it and its use fails a batch; it must not be the rule.
    assert stays.failed <= 1


def test_a_batch_that_is_on_its_way_while_the_generation_grows_is_committed_once(stage: KafkaStage) -> None:
    """The thread that commits has read the generation before; only the thread that polls may ask for the new one."""
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    stays = Relay(stage, group, topic, out)
    turn_until([stays], lambda: len(stays.owner.held) == PARTITIONS)
    transport = stays.transport
    assert isinstance(transport, KafkaTransport)
    assert transport._member is not None
    proof = transport._member.proof
    before = proof.metadata
    turn_until([stays, comes := Relay(stage, group, topic, out)], lambda: divided([stays, comes]))
    proof.metadata = before
    refused = []
    batch = Commit(transport, [Output(out, None, b"said")])
    thread = threading.Thread(target=lambda: refused.append(batch.run({min(stays.owner.held): 0}, {})))
    thread.start()
    while thread.is_alive():
        transport.attend()
        thread.join(0.05)
    assert refused == [None], "it was given up"
    assert proof.metadata is not before
    assert values(copied(stage, out)) == [b"said"]


def test_a_worker_whose_assignor_is_not_the_groups_ends_with_an_error_that_names_the_setting(
    stage: KafkaStage,
) -> None:
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    old = Relay(stage, group, topic, out, assignor="range")
    turn_until([old], lambda: len(old.owner.held) == PARTITIONS)
    new = Relay(stage, group, topic, out, assignor="cooperative-sticky")
    with pytest.raises(TransportError, match=r"other workers of the group .* see kafka\.assignor"):
        turn_until([old, new], lambda: bool(new.owner.held))
    new.transport.close()
    old.turn()
    assert len(old.owner.held) == PARTITIONS


FIRST = """
import sys
from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka import KafkaTransport, Transactional, TransactionalId

bootstrap, group, topic, partitions = sys.argv[1:]
settings = KafkaSettings(bootstrap=bootstrap, instance="place-1", session_timeout_ms=60_000)
how = Transactional(TransactionalId(group, "place-1"), [topic])
transport = KafkaTransport(settings, group=group, shared=[topic], transactional=how)
while True:
    transport.poll(10, 0.1)
    if len(transport._member.owned) == int(partitions):
        transport.commit({Partition(topic, 0): 0})
        print("joined", flush=True)
        partitions = 0
"""


@contextmanager
def killed_after_joining(stage: KafkaStage, group: str, topic: str) -> Iterator[None]:
    """A process that has all partitions under the instance `place-1` while the block runs, and is killed after it."""
    command = [sys.executable, "-c", FIRST, stage.bootstrap, group, topic, str(PARTITIONS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "joined\n"
            yield
        finally:
            process.kill()


def test_a_second_process_under_the_same_instance_takes_over_without_waiting_for_the_session(
    stage: KafkaStage,
) -> None:
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    stage.settings = stage.settings.model_copy(update={"session_timeout_ms": 60_000})
    with killed_after_joining(stage, group, topic):
        pass
    standby = Relay(stage, group, topic, out, instance="place-1")
    began = time.monotonic()
    turn_until([standby], lambda: len(standby.owner.held) == PARTITIONS, seconds=50)
    print(f"a second process had the place of one that was killed after {time.monotonic() - began:.2f} s")
    feeder = stage.open()
    for i in range(20):
        feeder.produce(topic, b"%d" % i, b"%d" % i)
    feeder.flush()
    turn_until([standby], lambda: len(copied(stage, out)) >= 20)
    assert sorted(values(copied(stage, out)), key=lambda v: int(v or b"")) == numbers(0, 20)


def test_a_static_member_that_was_replaced_while_it_lives_can_commit_nothing(stage: KafkaStage) -> None:
    topic, out, group = stage.topic(PARTITIONS), stage.topic(), f"g-{uuid.uuid4().hex[:8]}"
    first = Relay(stage, group, topic, out, instance="place-1")
    turn_until([first], lambda: len(first.owner.held) == PARTITIONS)
    second = Relay(stage, group, topic, out, instance="place-1")
    turn_until([second], lambda: len(second.owner.held) == PARTITIONS)
    first.transport.produce(out, None, b"of the one that was replaced")
    with pytest.raises(TransportError, match=r"kafka\.instance") as refused:
        first.transport.commit({Partition(topic, 0): 1})
    assert not isinstance(refused.value, BatchFailedError), "it would start over, and take the place back"
    with suppress(TransportError):
        first.transport.close()
    second.transport.produce(out, None, b"of the one that has the place")
    second.transport.commit({Partition(topic, 0): 0})
    assert values(copied(stage, out)) == [b"of the one that has the place"]
