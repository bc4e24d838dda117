"""Decisions around control records that leave feedback out are made again, wherever the fold begins."""

from __future__ import annotations

from pathlib import Path

from ...support import Service, drain, running, settings
from ...worker.left_out_logs import rollback
from .verifying import all_good, decide_and_learn, verify


def test_a_shared_snapshot_that_holds_what_is_left_out_is_not_begun_at_once_that_is_known(tmp_path: Path) -> None:
    """A second control record makes the fold go back to a snapshot between what the first one names and that one."""
    state = {"directory": tmp_path / "one", "snapshot_every": 10, "snapshots": str(tmp_path / "shared")}
    service = Service(settings(tmp_path, state=state))
    with running(service) as worker:
        for start in (0, 10, 20):
            decide_and_learn(service, worker, 10 if start < 20 else 5, start, at_once=1)
            for _ in range(3):  # until the snapshot is stored, and pointed at
                service.clock.move(2)
                drain(worker)
                worker._sharing.close()
        service.control(rollback(5, 8))
        drain(worker)
        decide_and_learn(service, worker, 1, 25)
        service.control(rollback(23, 24))
        drain(worker)
        decide_and_learn(service, worker, 1, 26)
    assert len(list((tmp_path / "shared").rglob("manifest.json"))) == 2
    assert all_good(verify(service, tmp_path / "other"), 27)


def test_a_control_record_that_names_what_comes_after_it_makes_no_fold_begin_there(tmp_path: Path) -> None:
    state = {"directory": tmp_path / "one", "snapshot_every": 10}
    service = Service(settings(tmp_path, state=state))
    with running(service) as worker:
        decide_and_learn(service, worker, 12, at_once=1)
        service.control(rollback(20, 99))
        drain(worker)
        decide_and_learn(service, worker, 18, 12, at_once=1)
    assert all_good(verify(service, tmp_path / "one"), 30)  # with the snapshots of that worker
