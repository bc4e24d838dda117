from __future__ import annotations

import time
from pathlib import Path

from tocsin.streams.replay.past.span import Span

from ...support import Service, drain, running, settings
from .verifying import WatchedTransport, all_good, crash_before_commit, decide_and_learn, verify


def test_every_decision_is_made_again_to_the_byte_from_an_empty_directory(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=3)
    with running(service) as worker:
        decide_and_learn(service, worker, 300)
    report = verify(service, tmp_path / "other")
    assert all_good(report, 300)
    assert report.to_the_byte == 300
    assert (report.chain.begun, report.chain.links) == (3, 297)
    assert not (tmp_path / "other").exists()


def test_events_one_by_one_are_the_same_as_many(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 60, at_once=1)
    assert all_good(verify(service, tmp_path / "other"), 60)


def test_the_fold_begins_at_a_snapshot_where_there_is_one(tmp_path: Path) -> None:
    state = {"directory": tmp_path / "one", "snapshot_every": 100, "snapshots": str(tmp_path / "shared")}
    service = Service(settings(tmp_path / "one", state=state))
    with running(service) as worker:
        decide_and_learn(service, worker, 230)
        service.clock.move(2)
        for _ in range(100):
            drain(worker)
            service.clock.move(2)
            if service.records(service.topics.snapshots):
                break
            time.sleep(0.05)
        decide_and_learn(service, worker, 20, start=230)
    span = Span.of("225", None)
    for directory, first in (("one", 200), ("other", 200)):
        reader = WatchedTransport(service)
        report = verify(service, tmp_path / directory, span, reader)
        assert all_good(report, 20)
        assert min(reader.offsets) == first
    assert all_good(verify(service, tmp_path / "other"), 250)  # from the beginning, because none is below


def test_a_config_that_changed_is_read_back(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 100)
    changed = settings(
        tmp_path / "one", explanation={"level": "none"}, abstention={"cold_start": 5, "error": 0.3}, name="test"
    )
    with running(service, changed) as worker:
        decide_and_learn(service, worker, 100, start=100)
    assert len({d["model"]["settings"] for d in service.decisions}) == 2
    assert all_good(verify(service, tmp_path / "other"), 200)


def test_after_a_crash_the_decisions_that_were_made_twice_are_both_good(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=2)
    with running(service) as worker:
        decide_and_learn(service, worker, 60)
    crash_before_commit(service, 30, start=60)
    with running(service) as worker:
        decide_and_learn(service, worker, 30, start=90)
    decided = [d["event"] for d in service.decisions]
    assert (len(decided), len(set(decided))) == (150, 120)
    report = verify(service, tmp_path / "other")
    assert all_good(report, 150)
    assert (report.chain.begun, report.chain.links) == (2, 148)
