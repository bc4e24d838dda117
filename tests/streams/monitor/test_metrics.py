"""The metrics as Prometheus reads them."""

from __future__ import annotations

import subprocess
import time

import pytest
from prometheus_client import generate_latest

from tocsin.config.schema import SchemaSettings
from tocsin.config.service import MonitorSettings
from tocsin.config.settings import Settings
from tocsin.streams.monitor import Monitor
from tocsin.streams.monitor.metrics import FAMILIES, CappedNames, Metrics
from tocsin.streams.monitor.workers import Workers

from ...prometheus import program
from .support import batch_seconds, parsed, samples, telemetry


def test_every_family_is_collected_under_a_proper_name() -> None:
    names = [family.name for family in Metrics().registry.collect()]
    assert names == [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("tocsin_") and not name.endswith("_total") for name in names)


def test_long_names_are_cut() -> None:
    assert len(CappedNames(1)("x" * 10_000)) == 128


def test_promtool_has_nothing_against_any_metric() -> None:
    metrics = Metrics()
    workers = Workers(metrics)
    workers.count(parsed(telemetry(lost={"events": 3}, passed_over={"unknown-class": 2})))
    workers.refresh(time.time())
    for family in FAMILIES:  # those of the monitor itself
        if family.labels[:1] != ("worker",):
            metrics.add(family.name, 1, *family.labels)
    assert [family.name for family in metrics.registry.collect() if not family.samples] == []
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("target", [None, 0.7])
def test_an_alert_for_coverage_knows_the_target_of_the_config(target: float | None) -> None:
    monitor = Monitor(Settings(schema=SchemaSettings(text="text"), monitor=MonitorSettings(target_coverage=target)))
    found = [sample.value for sample in samples(monitor.metrics, "tocsin_target_coverage")]
    assert found == ([] if target is None else [target])


class TestBatchLatency:
    def found(self, metrics: Metrics) -> dict[str, float]:
        return {s.labels["le"]: s.value for s in samples(metrics, "tocsin_batch_latency_seconds_bucket")}

    def test_it_grows_over_the_runs_of_a_worker(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        workers.count(parsed(telemetry(started_at=1, batch_seconds=batch_seconds(0.003))))
        workers.count(parsed(telemetry(started_at=1, batch_seconds=batch_seconds(0.003, 0.2))))
        workers.count(parsed(telemetry(started_at=2, batch_seconds=batch_seconds(50.0))))
        found = self.found(metrics)
        assert (found["0.001"], found["0.005"], found["0.25"], found["30.0"], found["+Inf"]) == (0, 1, 2, 2, 3)
        (total,) = samples(metrics, "tocsin_batch_latency_seconds_sum")
        assert total.value == pytest.approx(50.203)

    def test_telemetry_of_an_older_worker_is_read_without_it(self) -> None:
        metrics = Metrics()
        older = telemetry()
        for name in ("batch_seconds", "labelled", "lag", "config"):
            del older[name]
        Workers(metrics).count(parsed(older))
        assert self.found(metrics) == {}
        assert samples(metrics, "tocsin_labelled_events") == []
        assert metrics.get("tocsin_pending_events", "w1") == 5

    @pytest.mark.parametrize(
        "at_most", [{}, {"0.1": 3, "+Inf": 4}, batch_seconds(0.1)["at_most"] | {"0.001": 7}, {"+Inf": -1}]
    )
    def test_what_is_no_histogram_of_ours_makes_no_series(self, at_most: dict[str, int]) -> None:
        metrics = Metrics()
        Workers(metrics).count(parsed(telemetry(batch_seconds={"at_most": at_most, "total": 1.0})))
        assert self.found(metrics) == {}


def test_a_first_loss_is_seen_as_an_increase() -> None:
    """A counter that begins above 0 does not increase for Prometheus."""
    metrics = Metrics()
    workers = Workers(metrics)
    workers.count(parsed(telemetry()))
    before = {s.labels["topic"]: s.value for s in samples(metrics, "tocsin_lost_records_total")}
    assert before == {"events": 0, "labels": 0, "feedback": 0}
    workers.count(parsed(telemetry(lost={"events": 3})))
    assert metrics.get("tocsin_lost_records", "w1", "events") == 3
