"""Records that were deleted before they were read are counted and said; a model is never folded over a gap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.worker.gaps import Gaps
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, crash, drain, event, label, running, settings, stream
from .taught_workers import run_through

EVENTS, LABELS, FEEDBACK = Partition("events", 0), Partition("labels", 0), Partition("feedback", 0)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path / "state"))


def records(*offsets: int, topic: str = "events") -> list[Record]:
    return [Record(topic, 0, offset, START, None, b"") for offset in offsets]


def test_a_jump_that_deletes_nothing_is_no_loss() -> None:
    """A transaction leaves a marker in the log, and compaction takes records out of it."""
    counts = Counts()
    gaps = Gaps(counts, lambda topic: {EVENTS: 0})
    gaps.start(EVENTS, 0)
    assert not gaps.see(records(0, 1, 3, 7))
    assert not counts.lost


def test_a_jump_over_deleted_records_counts_what_is_deleted(caplog: pytest.LogCaptureFixture) -> None:
    counts = Counts()
    gaps = Gaps(counts, lambda topic: {EVENTS: 6})
    gaps.start(EVENTS, 2)
    assert gaps.see(records(7, 8)) == {"events": 4}
    assert counts.lost == {"events": 4}
    assert "events-0: 4 records were deleted before they were read, offsets 2 to 5" in caplog.text


def test_a_first_start_on_a_log_without_a_beginning_is_no_loss() -> None:
    counts = Counts()
    gaps = Gaps(counts, lambda topic: {EVENTS: 50})
    gaps.start(EVENTS, None)
    gaps.see(records(50, 51))
    assert not counts.lost


def test_events_that_retention_took_while_the_worker_was_away_are_reported(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    run_through(service, 10)
    service.send(*[raw for raw, _ in stream(100, start=10)])
    service.broker.expire(EVENTS, 60)
    with running(service) as worker:
        assert worker.counts.lost == {"events": 50}
        assert "events-0: 50 records were deleted before they were read, offsets 10 to 59" in caplog.text
        service.clock.move(2)
        worker.step(0)
        assert service.values("telemetry")[-1]["lost"] == {"events": 50}


def test_labels_that_retention_took_are_reported(service: Service) -> None:
    with running(service) as worker:
        service.tell(*[label(f"e{i}") for i in range(5)])
        drain(worker)
    service.tell(*[label(f"e{i}") for i in range(5, 20)])
    service.broker.expire(LABELS, 12)
    with running(service) as worker:
        assert worker.counts.lost == {"labels": 7}


def test_a_model_is_not_folded_from_a_log_without_its_beginning(service: Service) -> None:
    run_through(service, 30)
    service.broker.expire(FEEDBACK, 10)
    shutil.rmtree(service.settings.state.directory)
    with pytest.raises(FeedbackError, match=r"feedback-0 begins at offset 10.*learnt up to offset 0.*retention"):
        service.worker().__enter__()


def test_a_snapshot_that_has_learnt_what_is_deleted_goes_on(service: Service) -> None:
    run_through(service, 30)
    service.broker.expire(FEEDBACK, 10)
    with running(service) as worker:
        assert worker.classifier.learnt == 30
        service.send(event("more"))
        service.tell(label("more"))
        drain(worker)
        assert worker.classifier.feedback_offset == 31


def test_a_lost_state_beside_a_snapshot_reads_what_is_left(service: Service) -> None:
    run_through(service, 30)
    service.broker.expire(FEEDBACK, 10)
    shutil.rmtree(service.settings.state.directory / "test" / "lmdb")
    with running(service) as worker:
        assert worker.classifier.feedback_offset == 30


def test_a_feedback_log_that_loses_records_under_a_worker_stops_it(service: Service, tmp_path: Path) -> None:
    with service.worker() as worker:
        drain(worker)
        other = Service(settings(tmp_path / "other"))
        run_through(other, 20)
        for made in other.records("feedback"):
            service.broker.append("feedback", made.key, made.value, made.headers)
        service.broker.expire(FEEDBACK, 5)
        with pytest.raises(FeedbackError, match="feedback-0 begins at offset 5"):
            drain(worker)


def test_feedback_in_several_partitions_has_no_order_and_is_refused(service: Service) -> None:
    service.broker.add_partitions("feedback", 2)
    with pytest.raises(FeedbackError, match=r"topics\.feedback.*2 partitions"):
        service.worker().__enter__()


def test_feedback_without_its_decision_is_counted(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with running(service) as worker:
        service.send(*[event(f"e{i}") for i in range(10)])
        drain(worker)
    shutil.rmtree(service.settings.state.directory)
    service.broker.expire(Partition("decisions", 0), 4)
    with running(service) as worker:
        assert (worker.counts.rebuilt, worker.counts.without_decision) == (10, 4)
        assert "the decisions of 4 pending events are in decisions no more" in caplog.text


def test_a_clock_that_is_set_back_stops_neither_telemetry_nor_expiry(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"waiting_ttl_seconds": 5.0}))
    ticks = iter(range(0, 1_000_000, 2_000))
    with Worker(service.settings, service.open, service.clock, ticks=lambda: next(ticks)) as worker:
        drain(worker)
        before = len(service.values("telemetry"))
        service.clock.move(-3_600)
        service.tell(label("never"))
        drain(worker)
        assert len(service.values("telemetry")) > before
        service.clock.move(10)
        worker.step(0)
        assert [kind for kind, _ in service.dead_letters] == ["unknown-event"]


def test_what_a_killed_worker_had_decided_twice_is_not_forgotten(service: Service) -> None:
    with running(service) as worker:
        worker.counts.decided_twice = 3
        service.send(event("e"))
        drain(worker)
    second = service.worker()
    second.__enter__()
    crash(second)
    with running(service) as worker:
        assert worker.counts.decided_twice == 3
