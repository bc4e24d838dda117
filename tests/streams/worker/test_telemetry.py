"""What telemetry says of experts: what is known, and nothing that is not known yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker.telemetry import Backlog, Identity, report
from tocsin.streams.worker.worker import Worker

from ..support import Service, bits, drain, running, settings, stream

EXPERTS = [{"kind": "linear"}, {"kind": "linear", "name": "twin"}, {"kind": "tree", "grace_period": 10}]
LIFECYCLE = {"window": 50, "patience": 1, "minimum_age": 50, "minimum_active": 1, "probation": 1_000}


def reported(worker: Worker) -> Telemetry:
    last = worker._model.decide.last
    return report(Identity("t", "w", 0), 1, worker.classifier, worker.counts, last, Backlog(0, 0))


def feed(service: Service, worker: Worker, n: int, start: int = 0) -> None:
    for event, label in stream(n, start):
        service.send(event)
        service.tell(label)
        drain(worker)


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
