"""What a worker keeps of subjects, its bounds, and what does not keep it from starting."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.models.data.batch import Batch
from tocsin.streams.state.entries import StateError
from tocsin.streams.state.peer_baselines import peer_group
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport

from ..support import START, Service, crash, drain, event, running, settings, stream, text_settings
from .taught_workers import run_through, spam, taught, worker_that_crashes


@pytest.mark.parametrize("loss", ["none", "crash", "state"])
def test_an_alarm_rings_once_though_the_worker_restarts(tmp_path: Path, loss: str) -> None:
    service = Service(text_settings(tmp_path, early_risk={"classes": ["spam"], "minimum_posts": 2}))
    worker = service.worker()
    with worker_that_crashes(worker) if loss == "crash" else worker:
        taught(service, worker)
        service.send(spam(0), spam(1), spam(2))
        drain(worker)
        [alert] = service.values("alerts")
        assert (alert["subject"], alert["class"], alert["delay"]) == ("u", "spam", 2)
    if loss == "state":
        shutil.rmtree(tmp_path)
    with running(service) as worker:
        service.send(spam(3))
        drain(worker)
        last = service.decisions[-1]["risk"]
        assert last["posts"] == 4
        assert last["alerts"] == {"spam": 2}
    assert len(service.values("alerts")) == 1


POLICIES: dict[str, dict[str, Any]] = {
    "accumulated": {"policy": "accumulated"},
    "peer-baseline": {"policy": "peer-baseline", "minimum_subjects": 2, "gamma": 1.0},
    "fused": {"policy": "fused", "threshold": 0.6, "confirmations": 2},
}
READERS = [
    {"kind": "ss3", "name": "ss3"},
    {"kind": "linear-text", "bits": 12},
    {"kind": "linear-text", "name": "thread", "bits": 12, "scope": "subject"},
]


def risk_settings(directory: Path, policy: str, **changes: Any) -> Any:
    early_risk = {"classes": ["spam"], "minimum_posts": 2, **POLICIES[policy]}
    return text_settings(directory, early_risk=early_risk, experts=READERS, **changes)


def crowd(service: Service) -> None:
    """Subjects who write nothing that raises an alert."""
    service.send(*[{**spam(90 + i, "see you at lunch"), "subject": f"calm{i}"} for i in range(4)])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("loss", ["none", "crash", "state"])
def test_under_every_policy_an_alarm_rings_once_though_the_worker_restarts(
    tmp_path: Path, policy: str, loss: str
) -> None:
    service = Service(risk_settings(tmp_path, policy))
    worker = service.worker()
    with worker_that_crashes(worker) if loss == "crash" else worker:
        taught(service, worker)
        crowd(service)
        service.send(spam(0), spam(1), spam(2))
        drain(worker)
        [alert] = service.values("alerts")
        assert (alert["subject"], alert["class"], alert["delay"]) == ("u", "spam", 2)
        tipped = alert["explanation"]["alert"]
        assert tipped["policy"] == policy
        assert tipped["score"] >= tipped["threshold"]
        assert {post["event"] for post in tipped["posts"]} <= {"m0", "m1"} != set()
    before = service.decisions[-1]["risk"]
    if loss == "state":
        shutil.rmtree(tmp_path)
    with running(service) as worker:
        with worker._state.transaction() as t:
            assert msgspec.to_builtins(t.subjects.get("u")) == before
        service.send(spam(3))
        drain(worker)
        last = service.decisions[-1]["risk"]
        assert last["posts"] == 4
        assert last["alerts"] == {"spam": 2}
        assert last["threads"]["thread"]["counts"][0] == before["threads"]["thread"]["counts"][0]
    assert len(service.values("alerts")) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_subject_that_another_worker_takes_over_rings_no_second_time(tmp_path: Path, policy: str) -> None:
    service = Service(risk_settings(tmp_path / "one", policy), partitions=2)
    with running(service) as one:
        taught(service, one)
        crowd(service)
        service.send(spam(0), spam(1), {**spam(5), "subject": "v"})
        drain(one)
        raised = [alert["subject"] for alert in service.values("alerts")]
        assert raised == ["u"]
        with running(service, risk_settings(tmp_path / "two", policy)) as two:
            drain(one, two)
            service.send(spam(2), {**spam(6), "subject": "v"})
            drain(one, two)
    with running(service, risk_settings(tmp_path / "three", policy)) as three:
        service.send(spam(3), {**spam(7), "subject": "v"})
        drain(three)
    assert sorted(alert["subject"] for alert in service.values("alerts")) == ["u", "v"]
    posts = {d["subject"]: d["risk"]["posts"] for d in service.decisions}
    assert (posts["u"], posts["v"]) == (4, 3)


def test_the_peer_baseline_is_that_of_the_live_subjects_that_are_held(tmp_path: Path) -> None:
    settings = risk_settings(tmp_path, "peer-baseline", bounds={"subjects": 3})
    service, group = Service(settings), peer_group(settings.early_risk)
    with running(service) as worker:
        taught(service, worker)
        service.send(*[{**spam(i, ["win prize now", "see you"][i % 2]), "subject": f"u{i % 7}"} for i in range(20)])
        drain(worker)
        with worker._state.transaction() as t:
            kept = t.subjects.peers(group)["spam"].copy()
            assert kept.sum() == t.subjects.count() == 3
        with worker._state.transaction() as t:
            t.notes.delete("spreads")
            assert np.array_equal(kept, t.subjects.peers(group)["spam"])  # counted anew from the subjects


def test_how_events_were_cut_into_batches_leaves_no_trace_in_a_subjects_state(tmp_path: Path) -> None:
    told = []
    for size in (1, 7, 1_000):
        service = Service(risk_settings(tmp_path / str(size), "fused", batching={"max_events": size}))
        with running(service) as worker:
            taught(service, worker)
            service.send(
                *[{**spam(i, ["win prize", "see you", "now"][i % 3]), "subject": f"u{i % 4}"} for i in range(30)]
            )
            drain(worker)
        told.append([(d["risk"], d["belief"]) for d in service.decisions])
    assert told[0] == told[1] == told[2]


def test_a_label_of_a_subject_teaches_from_the_beginnings_of_its_thread(tmp_path: Path) -> None:
    early_risk = {"classes": ["spam"], "policy": "fused"}
    service = Service(text_settings(tmp_path, early_risk=early_risk, experts=READERS[2:]))
    with running(service) as worker:
        for i in range(12):
            words = ["win", "prize", "now"] if i % 2 else ["see", "you", "soon"]
            posts = [{**spam(10 * i + j, word), "subject": f"t{i}"} for j, word in enumerate(words)]
            service.send(*posts)
            drain(worker)
            service.tell({"subject": f"t{i}", "label": "spam" if i % 2 else "ham", "time": START + 1000})
            drain(worker)
        service.send(*[{**spam(500 + j, word), "subject": "new"} for j, word in enumerate(["win", "prize"])])
        drain(worker)
        first, second = service.decisions[-2:]
        assert first["belief"]["spam"] > first["belief"]["ham"]
        assert second["belief"]["spam"] > second["belief"]["ham"]
        alone = worker.classifier.experts[0].evidence(
            Batch.of(np.zeros((2, 0)), texts=["win", "see"], subjects=["x", "y"])
        )
        assert alone.argmax(axis=1).tolist() == [1, 0]


def test_subjects_beyond_the_bound_are_forgotten(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path, bounds={"subjects": 3}))
    with running(service) as worker:
        for i in range(10):
            service.send({**spam(i), "subject": f"u{i}"})
        drain(worker)
        with worker._state.transaction() as t:
            assert t.subjects.count() == 3


def test_pending_events_beyond_the_bound_are_forgotten(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"pending_events": 10}))
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(50)])
        drain(worker)
        service.clock.move(2)
        worker.step(0)
        assert worker.counts.expired == 40
        with worker._state.transaction() as t:
            assert t.pending.count() == 10


def test_a_second_worker_in_one_directory_is_refused_and_leaves_no_trace(service: Service) -> None:
    with running(service), pytest.raises(StateError, match="in use by another worker"):
        service.worker().__enter__()
    with running(service):
        pass


def test_a_clean_stop_counts_nothing_as_decided_twice(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for start in (0, 10):
        run_through(service, 10, start)
    with running(service) as worker:
        assert worker.counts.decided_twice == 0
    assert not caplog.records


def test_what_one_worker_holds_is_bounded_by_its_batches(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, batching={"max_events": 7}))
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(50)])
        assert worker.step(0) <= 7
        drain(worker)
        assert worker.counts.events == 50


def test_a_missing_topic_is_told_and_nothing_stays_open(tmp_path: Path) -> None:
    from tocsin.streams.transport.base import TransportError

    service = Service(settings(tmp_path))
    service.broker = MemoryBroker()
    for _ in range(2):
        with pytest.raises(TransportError, match="events"):
            service.worker().__enter__()
    assert MemoryTransport(service.broker).poll(1, 0) == []


def test_what_others_write_to_the_decisions_topic_keeps_no_worker_from_starting(service: Service) -> None:
    worker = service.worker()
    worker.__enter__()
    for junk in (b"junk", b"[1]", b"null", b'{"event": 5}'):
        service._send(service.topics.decisions, junk, ())
    crash(worker)
    with running(service) as again:
        service.send(event("e1"))
        drain(again)
    assert service.values(service.topics.telemetry)[-1]["counts"]["events"] == 1
