"""The chain of decisions of a worker, and its head after whatever may happen to a state."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tocsin.streams.wire.proof.chain import link_of
from tocsin.streams.worker.outputs import chain
from tocsin.streams.worker.outputs.chain import heads_in

from ...support import Service, check_chain, crash, drain, running, settings, stream


def test_decisions_of_each_partition_hold_each_other(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, batching={"max_events": 7}), partitions=3)
    events, labels = zip(*stream(60, subjects=9), strict=True)
    service.send(*events)
    service.tell(*labels)
    with running(service):
        pass
    check_chain(service)
    places = [(d["chain"]["partition"], d["chain"]["offset"]) for d in service.linked]
    events_at = {(r.partition, r.offset) for r in service.records(service.topics.events)}
    assert set(places) == events_at
    assert len(places) == len(events_at)


@pytest.mark.parametrize("lost", [False, True], ids=["the state is there", "the state is lost"])
@pytest.mark.parametrize("transactional", [False, True])
def test_a_chain_goes_on_after_a_restart(tmp_path: Path, lost: bool, transactional: bool) -> None:
    service = Service(settings(tmp_path / "state"), partitions=2, transactional=transactional)
    events = [event for event, _ in stream(40)]
    service.send(*events[:20])
    with running(service):
        pass
    if lost:
        shutil.rmtree(tmp_path / "state")
    service.send(*events[20:])
    with running(service):
        pass
    check_chain(service)
    assert len(service.decisions) == 40


def test_a_chain_goes_on_where_a_crash_left_the_state_behind(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "state"), transactional=True, concurrent=True)
    events = [event for event, _ in stream(40)]
    service.send(*events[:20])
    worker = service.worker()
    worker.__enter__()
    worker.step(0)  # committed to the broker, and not yet to the state
    crash(worker)
    service.send(*events[20:])
    with running(service):
        pass
    check_chain(service)
    assert len(service.decisions) == 40


def test_a_chain_goes_on_when_another_worker_takes_a_partition_over(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "a"), partitions=2)
    other = settings(tmp_path / "b")
    events = [event for event, _ in stream(60)]
    service.send(*events[:20])
    with service.worker() as first:
        drain(first)
        with service.worker(other) as second:
            drain(first, second)
            service.send(*events[20:40])
            drain(first, second)
        service.send(*events[40:])
        drain(first)
    check_chain(service)
    assert len(service.decisions) == 60


def test_the_head_of_a_silent_partition_is_found_behind_many_decisions_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "FIRST_LOOK", 4)
    service = Service(settings(tmp_path), partitions=2)
    service.send({"id": "only", "subject": "s0", "time": 1, "features": {"a": 1.0}})
    with service.worker() as worker:
        drain(worker)
        [alone] = service.linked
        silent = alone["chain"]["partition"]
        subject = next(s for s in map(str, range(99)) if place_of(service, s) != silent)
        for i in range(200):
            service.clock.move(1)
            service.send({"id": f"e{i}", "subject": subject, "time": 1, "features": {"a": 1.0}})
            drain(worker)
    heads = heads_in(service.open((), {}, None), service.topics.decisions, [0, 1])
    assert heads[silent] == alone["chain"]["sha256"]
    links = [link_of(r.value or b"") for r in service.records(service.topics.decisions)]
    assert (
        heads[1 - silent]
        == max(
            (link for link in links if link is not None and link.partition != silent), key=lambda link: link.offset
        ).sha256
    )


def place_of(service: Service, subject: str) -> int:
    """The partition in which events of a subject lie."""
    probe = Service(service.settings, partitions=2)
    probe.send({"id": "e", "subject": subject})
    [record] = probe.records(probe.topics.events)
    return record.partition
