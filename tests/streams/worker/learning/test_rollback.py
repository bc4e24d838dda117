"""What `tocsin rollback` would leave out, and the record that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.learning.rollback import ALL, RollbackError, first_at, rollback, write

from ...support import START, Service, drain, running
from ..left_out_logs import going, never_had, sha256, teach
from ..left_out_logs import rollback as control


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Thirty labels of three sources, ten seconds apart, and none of the last."""
    made = Service(going(tmp_path))
    with running(made) as worker:
        for i in range(30):
            teach(made, 1, i, (("good", "bad", "")[i % 3],) if i % 3 < 2 else (), worker)
            made.clock.move(10)
    return made


def test_it_counts_what_is_learnt_by_source(service: Service) -> None:
    reader = MemoryTransport(service.broker)
    plan = rollback(reader, service.settings, 21)
    assert (plan.first, plan.end, plan.records) == (21, 30, {None: 3, "bad": 3, "good": 3})
    assert rollback(reader, service.settings, 21, "bad").records == {"bad": 3}
    assert rollback(reader, service.settings, 21, None).records == {None: 3}
    assert rollback(reader, service.settings, 21, "unheard of").records == {}
    assert rollback(reader, service.settings, 30).records == {}


def test_what_is_left_out_already_is_not_counted_again(service: Service) -> None:
    service.control(control(25, 99))
    plan = rollback(MemoryTransport(service.broker), service.settings, 21)
    assert (plan.end, plan.records) == (31, {None: 1, "bad": 1, "good": 2})


def test_a_time_is_that_of_the_feedback_record_and_not_of_the_label(service: Service) -> None:
    reader = MemoryTransport(service.broker)
    stamps = [record.timestamp for record in service.records(service.topics.feedback)]
    assert first_at(reader, service.settings, stamps[12]) == 12
    assert first_at(reader, service.settings, stamps[12] + 1) == 13
    assert first_at(reader, service.settings, START - 1) == 0
    assert first_at(reader, service.settings, stamps[-1] + 1) == 30


def test_the_record_that_it_writes_is_obeyed(service: Service, tmp_path: Path) -> None:
    transport = MemoryTransport(service.broker)
    plan = rollback(transport, service.settings, 10, "bad")
    assert write(transport, service.settings, plan.control(7, "somebody")) == 30
    [(offset, written)] = service.controls
    assert (offset, written.reason, written.by, written.time) == (30, "rollback", "somebody", 7)
    with running(service) as worker:
        drain(worker)
        assert sha256(worker) == never_had(service, range(10, 30, 3), tmp_path)


def test_what_cannot_be_rolled_back_is_said_before_anything_is_written(service: Service) -> None:
    reader = MemoryTransport(service.broker)
    with pytest.raises(RollbackError, match="ends at offset 30"):
        rollback(reader, service.settings, 31)
    service.broker.expire(Partition(service.topics.feedback, 0), 12)
    with pytest.raises(RollbackError, match="begins at offset 12"):
        rollback(reader, service.settings, 11)
    assert rollback(reader, service.settings, 12, ALL).first == 12
    service.broker.append(service.topics.feedback, None, b"garbage", ())
    with pytest.raises(RollbackError, match="offset 30 is no feedback record"):
        rollback(reader, service.settings, 12)


def test_a_topic_of_several_partitions_has_no_offset_to_go_back_to(tmp_path: Path) -> None:
    broker = MemoryBroker()
    config = going(tmp_path)
    broker.create(config.topics.feedback, 2)
    with pytest.raises(RollbackError, match="2 partitions"):
        rollback(MemoryTransport(broker), config, 0)
