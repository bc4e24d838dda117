"""How telemetry becomes metrics, within bounds."""

from __future__ import annotations

import time

from tocsin.streams.monitor.metrics import OTHER, Metrics
from tocsin.streams.monitor.workers import CLASSES, MISSED_SECONDS, SILENT_SECONDS, TRACKED, WORKERS, Workers

from .support import milliseconds, parsed, samples, telemetry


class TestBounds:
    def test_classes_beyond_the_cap_are_one(self) -> None:
        metrics = Metrics()
        many = {f"c{i}": 1 for i in range(10 * CLASSES)}
        Workers(metrics, ["last"]).count(parsed(telemetry(classes=many | {"last": 5})))
        names = {s.labels["class"]: s.value for s in samples(metrics, "tocsin_decisions_total")}
        assert len(names) == CLASSES + 1
        assert names["last"] == 5, "a configured class has its place"
        assert sum(names.values()) == 10 * CLASSES + 5

    def test_workers_beyond_the_cap_are_one_and_keep_their_sum(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        for total in (1, 2):
            for i in range(2 * WORKERS):
                workers.count(parsed(telemetry(f"w{i}", counts={"events": total})))
        found = {s.labels["worker"]: s.value for s in samples(metrics, "tocsin_events_total")}
        assert len(found) == WORKERS + 1
        assert found[OTHER] == 2 * WORKERS
        assert sum(found.values()) == 4 * WORKERS
        assert OTHER not in {s.labels["worker"] for s in samples(metrics, "tocsin_coverage")}

    def test_a_new_worker_takes_the_place_of_one_that_is_gone(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        long_ago = milliseconds() - int(2000 * SILENT_SECONDS)
        for i in range(WORKERS):
            workers.count(parsed(telemetry(f"old{i}", time=long_ago + i)))
        workers.count(parsed(telemetry("new")))
        names = {s.labels["worker"] for s in samples(metrics, "tocsin_events_total")}
        assert "new" in names
        assert "old0" not in names
        assert len(names) == WORKERS

    def test_no_number_of_workers_fills_the_memory(self) -> None:
        workers = Workers(Metrics())
        for i in range(2 * TRACKED):
            workers.count(parsed(telemetry(f"w{i}")))
        assert len(list(workers.active(time.time()))) == TRACKED


class TestWorkers:
    def test_a_silent_worker_loses_its_gauges_then_its_age_and_keeps_its_counters(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        now = milliseconds()
        workers.count(parsed(telemetry(time=now)))
        workers.refresh(now / 1000 + SILENT_SECONDS - 1)
        assert samples(metrics, "tocsin_pending_events")
        workers.refresh(now / 1000 + SILENT_SECONDS + 1)
        assert metrics.get("tocsin_workers") == 0
        assert not samples(metrics, "tocsin_pending_events")
        assert samples(metrics, "tocsin_telemetry_age_seconds")
        workers.refresh(now / 1000 + SILENT_SECONDS + MISSED_SECONDS + 1)
        assert not samples(metrics, "tocsin_telemetry_age_seconds")
        assert samples(metrics, "tocsin_events_total")[0].value == 10

    def test_a_worker_that_seldom_tells_is_not_taken_for_gone(self) -> None:
        workers = Workers(Metrics(), interval=3_600)
        now = milliseconds()
        workers.count(parsed(telemetry(time=now)))
        assert list(workers.active(now / 1000 + 3_700))

    def test_two_workers_of_one_name_do_not_count_their_totals_again_and_again(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        for total in (100, 101, 102):
            for started_at in (1_000, 2_000):
                workers.count(parsed(telemetry(started_at=started_at, counts={"events": total})))
        assert metrics.get("tocsin_events", "w1") == 204

    def test_records_read_again_count_once_and_do_not_turn_gauges_back(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        now = milliseconds()
        older = parsed(telemetry(time=now - 5_000, pending=1, counts={"events": 4}))
        newer = parsed(telemetry(time=now, pending=2, counts={"events": 10}))
        for one in (older, newer, older, newer, older):
            workers.count(one)
        assert metrics.get("tocsin_events", "w1") == 10
        assert metrics.get("tocsin_pending_events", "w1") == 2

    def test_a_threshold_that_is_not_there_is_not_shown(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        workers.count(parsed(telemetry()))
        assert samples(metrics, "tocsin_conformal_threshold")
        workers.count(parsed(telemetry(threshold=None)))
        assert not samples(metrics, "tocsin_conformal_threshold")

    def test_the_rate_is_that_between_two_records(self) -> None:
        workers = Workers(Metrics())
        now = milliseconds()
        workers.count(parsed(telemetry(time=now - 2_000, counts={"events": 100})))
        workers.count(parsed(telemetry(time=now, counts={"events": 300})))
        assert next(workers.active(now / 1000)).rate == 100
