"""Labels that every worker reads have one owner each, in every state of the group."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.transport.base import Committed, Partition
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, crash, drain, event, label, running, settings, stream

FEW = {"max_events": 7}
LABELS = Partition("labels", 0)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path / "first", batching=FEW), partitions=4)


@pytest.fixture
def workers(service: Service, tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    """Two workers of one group, of which the second has no partitions until both are stepped."""
    first, second = service.worker(), service.worker(settings(tmp_path / "second", batching=FEW))
    with first:
        drain(first)
        with second:
            yield first, second


def self_contained(n: int) -> list[dict[str, Any]]:
    return [label(f"own{i}", features={"a": 0.5}) for i in range(n)]


def letters(service: Service) -> Counter[bytes | None]:
    return Counter(value for _, value in service.dead_letters)


def test_labels_that_lie_there_before_a_worker_starts_are_not_left_to_nobody(service: Service) -> None:
    service.tell(*self_contained(50), *[b"bad %d" % i for i in range(20)])
    with running(service) as worker:
        assert worker.counts.labels["self-contained"] == 50
    assert len(service.feedback) == 50
    assert len(service.dead_letters) == 20


def test_labels_read_before_the_first_assignment_are_settled_after_it(service: Service) -> None:
    with service.worker() as worker:
        service.tell(*self_contained(30), *[b"bad %d" % i for i in range(10)])
        group = service.broker._groups[service.settings.group]
        group.owners = dict.fromkeys(group.target[next(iter(group.target))], object())  # type: ignore[arg-type]
        for _ in range(20):
            worker.step(0)
        assert not service.feedback
        assert not service.dead_letters
        group.owners = {}
        drain(worker)
        assert len(service.feedback) == 30
        assert len(service.dead_letters) == 10


def test_labels_read_while_their_partition_moves_are_settled_once(
    service: Service, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    service.tell(*self_contained(60), *[b"bad %d" % i for i in range(30)])
    for _ in range(4):
        second.step(0)  # reads; everything is still the first one's, which has read nothing
    drain(first, second)
    assert Counter(f["event"]["id"] for f in service.feedback) == Counter(f"own{i}" for i in range(60))
    assert letters(service) == Counter(b"bad %d" % i for i in range(30))


def test_what_a_killed_owner_had_not_settled_its_successor_settles(service: Service, tmp_path: Path) -> None:
    first = service.worker()
    first.__enter__()
    drain(first)
    with service.worker(settings(tmp_path / "second", batching=FEW)) as second:
        drain(first, second)
        service.tell(*self_contained(60), *[b"bad %d" % i for i in range(30)])
        for _ in range(30):
            second.step(0)  # reads all labels, and settles its own half
        settled = len(service.feedback) + len(service.dead_letters)
        assert 0 < settled < 90
        crash(first)
        drain(second)
        assert Counter(f["event"]["id"] for f in service.feedback) == Counter(f"own{i}" for i in range(60))
        assert letters(service) == Counter(b"bad %d" % i for i in range(30))


def test_what_an_owner_has_settled_its_successor_does_not_settle_again(service: Service, tmp_path: Path) -> None:
    first = service.worker()
    first.__enter__()
    service.tell(*[b"bad %d" % i for i in range(30)])
    drain(first)
    crash(first)
    with service.worker(settings(tmp_path / "second", batching=FEW)) as second:  # it knows nothing, and reads all
        drain(second)
    assert letters(service) == Counter(b"bad %d" % i for i in range(30))


def test_a_label_that_waits_in_vain_is_reported_though_its_owner_dies(service: Service, tmp_path: Path) -> None:
    """The successor has dropped the label, because it was not its to report; its owner dies before it does so."""
    first = service.worker()
    first.__enter__()
    drain(first)
    with service.worker(settings(tmp_path / "second", batching=FEW)) as second:
        drain(first, second)
        service.tell(*[label(f"never{i}") for i in range(40)])
        drain(first, second)
        service.clock.move(4_000)
        second.step(0)
        second.step(0)
        mine = len(service.dead_letters)
        assert 0 < mine < 40
        crash(first)
        drain(second)
        service.clock.move(4_000)
        drain(second)
        second.step(0)
        assert set(letters(service).values()) == {1}
        assert len(service.dead_letters) == 40


def test_a_label_reported_by_its_owner_is_not_reported_again_by_the_next(service: Service, tmp_path: Path) -> None:
    second = settings(tmp_path / "second", batching=FEW)
    first = service.worker()
    first.__enter__()
    with service.worker(second) as other:
        drain(first, other)
        service.tell(*[label(f"never{i}") for i in range(40)])
        drain(first, other)
        service.clock.move(4_000)
        first.step(0)
        first.step(0)
        other.step(0)
        other.step(0)
        assert len(service.dead_letters) == 40
        crash(first)
        drain(other)
        service.clock.move(4_000)
        drain(other)
        other.step(0)
    with service.worker(settings(tmp_path / "third", batching=FEW)) as third:  # reads all labels from the beginning
        drain(third)
        service.clock.move(4_000)
        third.step(0)
        third.step(0)
    assert len(service.dead_letters) == 40


def test_a_class_too_many_is_reported_by_one_worker(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"classes": [], "bounds": {"classes": 2}, "batching": FEW}
    service = Service(settings(tmp_path / "first", **changes), partitions=4)
    with service.worker() as one, service.worker(settings(tmp_path / "second", **changes)) as two:
        drain(one, two)
        service.send(*[event(f"e{i}", subject=f"s{i}") for i in range(40)])
        service.tell(*[label(f"e{i}", "no" if i % 2 else "yes") for i in range(20)])
        drain(one, two)
        service.tell(*[label(f"e{i}", "perhaps") for i in range(20, 40)])
        drain(one, two)
        assert Counter(kind for kind, _ in service.dead_letters) == {"too-many-classes": 20}
        service.clock.move(4_000)
        drain(one, two)
        one.step(0)
        two.step(0)
        assert len(service.dead_letters) == 20


def test_what_is_settled_is_committed_with_the_oldest_label_that_waits(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.tell(label("first"), label("second"), b"bad")
        drain(worker)
        group = service.broker._groups[service.settings.group]
        assert group.committed[LABELS] == Committed(3, "0")
        service.send(event("first"))
        drain(worker)
        assert group.committed[LABELS] == Committed(3, "1")
        service.clock.move(4_000)
        worker.step(0)
        assert group.committed[LABELS] == Committed(3, "3")


def test_a_broker_that_keeps_no_notes_loses_no_label(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.tell(label("never"), b"bad")
        drain(worker)
    committed = service.broker._groups[service.settings.group].committed
    committed[LABELS] = Committed(committed[LABELS].offset)
    with running(service) as worker:
        service.clock.move(4_000)
        worker.step(0)
    assert sorted(kind for kind, _ in service.dead_letters) == ["not-json", "unknown-event"]


def test_labels_of_a_topic_that_was_made_anew_are_not_taken_for_settled(
    tmp_path: Path,
) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.tell(b"bad")
        drain(worker)
    service.broker._groups[service.settings.group].committed[LABELS] = Committed(600, "590")
    shutil.rmtree(service.settings.state.directory)
    service.tell(*self_contained(5), b"worse")
    with running(service) as worker:
        assert len(service.feedback) == 5
        assert b"worse" in letters(service)


def test_labels_of_partitions_that_were_added_are_read_and_settled(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.broker.add_partitions("labels", 4)
        service.send(*[event(f"e{i}") for i in range(40)])
        service.tell(*[label(f"e{i}") for i in range(40)], *[b"bad %d" % i for i in range(12)])
        service.clock.move(2)
        worker.step(0)
        drain(worker)
        assert {r.partition for r in service.records("labels")} == {0, 1, 2, 3}
        assert sorted(f["event"]["id"] for f in service.feedback) == sorted(f"e{i}" for i in range(40))
        assert len(service.dead_letters) == 12


def test_events_of_partitions_that_were_added_are_decided(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.broker.add_partitions("events", 3)
        service.send(*[raw for raw, _ in stream(40, subjects=20)])
        drain(worker)
        assert {r.partition for r in service.records("events")} == {0, 1, 2}
        assert sorted(d["event"] for d in service.decisions) == sorted(f"e{i}" for i in range(40))
        assert worker._model.decide.partitions == 3


def test_thousands_of_sources_for_one_event_hold_no_worker_up(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"labels_per_target": 5}))
    with running(service) as worker:
        service.send(event("e"))
        drain(worker)
        service.tell(*[label("e", source=f"s{i}") for i in range(8)], label("e", "no", source="s0"))
        drain(worker)
        assert [f["source"] for f in service.feedback] == [*(f"s{i}" for i in range(5)), "s0"]
        assert [kind for kind, _ in service.dead_letters] == ["too-many-labels"] * 3
        assert worker.counts.labels["refused"] == 3
        with worker._state.transaction() as t:
            [(_, entry)] = t.entries.walk("known")
            assert len(entry) < 300


def test_labels_that_wait_for_one_event_have_a_bound(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"labels_per_target": 5}))
    with running(service) as worker:
        service.tell(*[label("e", source=f"s{i}") for i in range(8)])
        drain(worker)
        assert [kind for kind, _ in service.dead_letters] == ["too-many-labels"] * 3
        service.send(event("e"))
        drain(worker)
        assert [f["source"] for f in service.feedback] == [f"s{i}" for i in range(5)]


def test_of_two_workers_one_reports_the_labels_that_are_too_many(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"bounds": {"labels_per_target": 2}, "batching": FEW}
    service = Service(settings(tmp_path / "first", **changes), partitions=4)
    with service.worker() as one, service.worker(settings(tmp_path / "second", **changes)) as two:
        drain(one, two)
        service.send(*[event(f"e{i}", subject=f"s{i}") for i in range(20)])
        drain(one, two)
        service.tell(*[label(f"e{i}", source=f"{j}") for i in range(20) for j in range(4)])
        drain(one, two)
        service.clock.move(4_000)
        drain(one, two)
        one.step(0)
        two.step(0)
        assert len(service.feedback) == 40
        assert len(service.dead_letters) == 40
        assert {kind for kind, _ in service.dead_letters} == {"too-many-labels"}


def test_what_a_worker_of_0_1_0_had_read_of_labels_is_not_settled_again(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.tell(b"bad", label("never"))
        drain(worker)
        with worker._state.transaction() as t:
            entries = t.entries
            [(key, value)] = entries.walk("waiting")
            entries.put("waiting", key, value[12:])  # as it was kept before entries had a place
            for name in ("waiting_place", "meta"):
                for entry, _ in list(entries.walk(name)):
                    if name == "waiting_place" or entry.startswith(b"duty"):
                        entries.delete(name, entry)
            t.notes.set("format", b"4")
    del service.broker._groups[service.settings.group].committed[LABELS]
    with running(service) as worker:
        assert [kind for kind, _ in service.dead_letters] == ["not-json"]
        service.clock.move(4_000)
        worker.step(0)
        assert [kind for kind, _ in service.dead_letters] == ["not-json", "unknown-event"]
        assert START > 0


@pytest.mark.parametrize("restarted", [False, True])
def test_a_waiting_label_without_room_for_its_class_is_reported_once_and_before_it_has_waited_in_vain(
    tmp_path: Path, restarted: bool
) -> None:
    config = {"batching": FEW, "classes": [], "bounds": {"classes": 2}}
    service = Service(settings(tmp_path / "first", **config), partitions=4)
    events, labels = zip(*stream(40), strict=True)
    late = [label(f"ghost{i}", truth="third") for i in range(8)]
    with service.worker() as first, service.worker(settings(tmp_path / "second", **config)) as second:
        drain(first, second)
        service.tell(*late, label("ghost", truth=labels[0]["label"]))
        service.send(*events)
        drain(first, second)
        assert not service.dead_letters
        if not restarted:
            service.tell(*labels)
            drain(first, second)
    if restarted:
        with running(service):
            service.tell(*labels)
        with running(service), running(service, settings(tmp_path / "second", **config)):
            pass
    letters = [(kind, json.loads(value or b"")["event"]) for kind, value in service.dead_letters]
    assert sorted(letters) == [("too-many-classes", f"ghost{i}") for i in range(8)]
    assert len(service.feedback) == 40
