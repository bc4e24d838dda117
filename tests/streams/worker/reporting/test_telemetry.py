"""What telemetry says of experts: what is known, and nothing that is not known yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker.overload.load import SeenLoad
from tocsin.streams.worker.reporting.telemetry import Backlog, Identity, report
from tocsin.streams.worker.worker import Worker

from ...support import START, Service, bits, drain, running, settings, stream

EXPERTS = [{"kind": "linear"}, {"kind": "linear", "name": "twin"}, {"kind": "tree", "grace_period": 10}]
LIFECYCLE = {"window": 50, "patience": 1, "minimum_age": 50, "minimum_active": 1, "probation": 1_000}


def reported(worker: Worker) -> Telemetry:
    last = worker._model.decide.last
    return report(Identity("t", "w", 0), 1, worker.classifier, worker.counts, last, Backlog(0, 0, 0, SeenLoad()))


def feed(service: Service, worker: Worker, n: int, start: int = 0) -> None:
    for event, label in stream(n, start):
        service.send(event)
        service.tell(label)
        drain(worker)


def last_report(service: Service) -> dict[str, Any]:
    return service.values("telemetry")[-1]


def test_an_event_with_a_label_does_not_count_as_pending(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.send(*[event for event, _ in stream(5)])
        drain(worker)
        service.tell(*[label for _, label in stream(2)], {"event": "later", "label": "yes", "time": START})
        drain(worker)
        service.clock.move(2)
        drain(worker)
        found = last_report(service)
        assert (found["pending"], found["labelled"], found["waiting"]) == (3, 2, 1)
        service.clock.move(3600 * 24 * 31)  # bounds.pending_ttl_hours and more
        drain(worker)
        service.clock.move(2)
        drain(worker)
        found = last_report(service)
        assert (found["pending"], found["labelled"]) == (0, 0)


def test_an_event_whose_partition_has_moved_on_is_pending_only_where_its_partition_is(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "a"), partitions=4)
    events, labels = zip(*stream(40, subjects=20), strict=True)

    def kept(*workers: Worker) -> list[tuple[int, int]]:
        found = []
        for worker in workers:
            drain(worker)
            worker._report(force=True)
            found.append((last_report(service)["pending"], last_report(service)["labelled"]))
        return found

    with running(service) as first:
        service.send(*events)
        service.tell(*labels[:10])
        drain(first)
        assert kept(first) == [(30, 10)]
        with service.worker(settings(tmp_path / "b")) as second:
            drain(first, second)
            of_first, of_second = kept(first, second)
            assert min(*of_first, *of_second) > 0
            assert (of_first[0] + of_second[0], of_first[1] + of_second[1]) == (30, 10)
            service.tell(*labels[10:20])
            drain(first, second)
            of_first, of_second = kept(first, second)
            assert (of_first[0] + of_second[0], of_first[1] + of_second[1]) == (20, 20)
        assert kept(first) == [(20, 20)]  # with what the second one has joined meanwhile
        service.tell(*labels)
        drain(first)
        assert kept(first) == [(0, 40)]
    assert len(service.feedback) == 40


def test_what_is_labelled_is_known_after_the_state_was_lost(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "a"))
    with running(service) as worker:
        service.send(*[event for event, _ in stream(5)])
        service.tell(*[label for _, label in stream(2)])
        drain(worker)
    with running(service, settings(tmp_path / "b")) as worker:
        service.clock.move(2)
        drain(worker)
    found = last_report(service)
    assert (found["pending"], found["labelled"]) == (3, 2)


def test_a_state_of_the_format_before_learns_which_events_have_a_label(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.send(*[event for event, _ in stream(5)])
        service.tell(*[label for _, label in stream(2)])
        drain(worker)
        with worker._state.transaction() as t:
            for key, _ in list(t.entries.walk("labelled")):
                t.entries.delete("labelled", key)
            t.notes.set("format", b"5")
    with running(service) as worker:
        service.clock.move(2)
        drain(worker)
    found = last_report(service)
    assert (found["pending"], found["labelled"]) == (3, 2)


def test_how_far_a_worker_is_behind_is_told_by_topic(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, batching={"max_events": 10}), partitions=2)
    with running(service) as worker:
        service.send(*[event for event, _ in stream(40)])
        service.clock.move(2)
        worker.step(0)
        assert last_report(service)["lag"] == {"events": 30, "labels": 0, "feedback": 0}
        drain(worker)
        service.clock.move(2)
        worker.step(0)
        assert last_report(service)["lag"] == {"events": 0, "labels": 0, "feedback": 0}


def test_batches_are_a_histogram_whose_last_bucket_holds_all(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, batching={"max_events": 10}))
    with running(service) as worker:
        service.send(*[event for event, _ in stream(40)])
        drain(worker)
        service.clock.move(2)
        drain(worker)
    found = last_report(service)["batch_seconds"]
    counts = list(found["at_most"].values())
    assert counts == sorted(counts)
    assert (list(found["at_most"])[-1], counts[-1]) == ("+Inf", 4)
    assert found["total"] > 0
    assert last_report(service)["config"] == service.decisions[0]["model"]["config"]


def test_before_the_first_event_nothing_is_known_of_an_expert(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, experts=EXPERTS))
    with running(service) as worker:
        found = reported(worker)
    assert found.engaged is None
    for expert in found.experts.values():
        assert (expert.state, expert.age) == ("active", 0)
        unknown = (expert.accuracy, expert.reliability, expert.engaged, expert.share, expert.consistency)
        assert unknown == (None,) * 5
    assert found.experts["tree"].nodes == 0
    assert found.experts["linear"].nodes is None


def test_health_and_what_befell_experts_is_told(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, experts=EXPERTS, lifecycle=LIFECYCLE))
    with running(service) as worker:
        feed(service, worker, 120)
        found = reported(worker)
        learnt = worker.classifier.learnt
    experts = found.experts
    states = {name: expert.state for name, expert in experts.items()}
    assert sorted(states.values()) == ["active", "active", "retired"]
    kept, gone = sorted(("linear", "twin"), key=states.__getitem__)
    assert experts[kept].lifecycle["merged"] == experts[gone].lifecycle["merged"] == 1
    assert experts[gone].lifecycle["retired"] == 1
    assert (experts[gone].reliability, experts[gone].accuracy) == (None, None)
    assert experts[gone].age is not None
    assert experts[gone].age < learnt == experts[kept].age
    assert experts["tree"].nodes is not None
    assert experts["tree"].nodes >= 1
    assert found.engaged == pytest.approx(sum(expert.engaged or 0.0 for expert in experts.values()))
    assert sum(expert.share or 0.0 for expert in experts.values()) == pytest.approx(1.0, abs=0.1)
    assert 0.0 < (experts[kept].reliability or 0.0) < 1.0


def test_a_worker_that_folds_the_log_anew_has_the_same_pool(tmp_path: Path) -> None:
    """What befalls an expert depends on the feedback alone, whatever the polls in which it came."""
    service = Service(settings(tmp_path / "a", experts=EXPERTS, lifecycle=LIFECYCLE))
    with running(service) as worker:
        feed(service, worker, 120)
        one = bits(worker)
    with running(service, settings(tmp_path / "b", experts=EXPERTS, lifecycle=LIFECYCLE)) as other:
        assert bits(other) == one
        assert not other.classifier.lifecycle.active.all()
