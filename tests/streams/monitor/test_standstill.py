"""Partitions that stand still are an alarm, whether a worker tells of them or no worker does any more."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console

from tocsin.config.service import MonitorSettings
from tocsin.streams.monitor import Monitor
from tocsin.streams.monitor.metrics import OTHER, Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.record_counts import DeadLetterCounts
from tocsin.streams.monitor.standstill import attended
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import PARTITIONS, Workers
from tocsin.streams.transport.base import Partition

from .support import Stage, get, milliseconds, parsed, samples, scrape, telemetry, value

LAG = {"events": {"0": 5, "3": 6}, "labels": {"0": 0}}


def shown(report: dict[str, Any], unattended: list[Partition]) -> list[str]:
    """What the page and the terminal, as a screen and as lines, show of one report."""
    metrics, now = Metrics(), report["time"] / 1000
    workers = Workers(metrics)
    workers.count(parsed(report))
    texts = [overview("tocsin", list(workers.active(now)), now, unattended)]
    for is_terminal in (True, False):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=is_terminal, width=400, color_system=None)
        with View("tocsin", "address", console) as view:
            view.show(workers, DeadLetterCounts(metrics), metrics, now, unattended)
        texts.append(screen.getvalue())
    return texts


def test_lag_and_stalls_are_served_by_partition() -> None:
    metrics = Metrics()
    workers = Workers(metrics)
    workers.count(parsed(telemetry(partition_lag=LAG, stalled={"events": {"3": 31.5}})))
    found = {
        (s.labels["topic"], s.labels["partition"]): s.value for s in samples(metrics, "tocsin_partition_lag_records")
    }
    assert found == {("events", "0"): 5, ("events", "3"): 6, ("labels", "0"): 0}
    stalled = {s.labels["topic"]: s.value for s in samples(metrics, "tocsin_stalled_partitions")}
    assert stalled == {"events": 1, "labels": 0, "feedback": 0}
    workers.count(parsed(telemetry(time=milliseconds() + 1, partition_lag={"events": {"0": 5}})))
    assert len(samples(metrics, "tocsin_partition_lag_records")) == 1, "a partition that is another's now is gone"
    assert metrics.get("tocsin_stalled_partitions", "w1", "events") == 0


def test_partitions_beyond_the_cap_are_one() -> None:
    metrics = Metrics()
    lag = {"events": {str(i): 1 for i in range(10 * PARTITIONS)}}
    Workers(metrics).count(parsed(telemetry(partition_lag=lag)))
    found = {s.labels["partition"]: s.value for s in samples(metrics, "tocsin_partition_lag_records")}
    assert len(found) == PARTITIONS + 1
    assert found[OTHER] == 9 * PARTITIONS


def test_what_stands_still_is_shown_to_people() -> None:
    report = telemetry(stalled={"events": {"3": 31.5, "4": 100.0}}, partition_lag=LAG)
    unattended = [Partition("events", number) for number in range(7)]
    for text in shown(report, unattended):
        assert "Worker w1 stands still, although there is more to read: events-3 for 32 s, events-4 for 100 s." in text
        assert "although there is more to read: events-0, events-1, events-2, 4 more." in text
    for text in shown(telemetry(partition_lag=LAG), []):
        assert "more to read" not in text


def test_what_a_worker_gives_up_is_shown_and_served() -> None:
    report = telemetry(shed="explanations", behind_seconds=90.4)
    for text in shown(report, []):
        assert "Worker w1 is about 90 s behind, and gives up explanations of what it decides." in text
    metrics = Metrics()
    Workers(metrics).count(parsed(report))
    assert metrics.get("tocsin_shedding", "w1") == 1
    assert metrics.get("tocsin_behind_seconds", "w1") == 90.4
    Workers(metrics).count(parsed(telemetry(shed="experts")))
    assert metrics.get("tocsin_shedding", "w1") == 2
    assert not any("gives up" in text for text in shown(telemetry(), []))


def test_a_partition_is_attended_while_a_worker_has_told_of_it_lately() -> None:
    reports = [
        parsed(telemetry("w1", time=90_000, partition_lag=LAG)),
        parsed(telemetry("w2", time=20_000, partition_lag={"events": {"1": 0, "x": 1}})),
    ]
    mine = {Partition("events", 0), Partition("events", 3), Partition("labels", 0)}
    assert attended(reports, 60.0) == mine
    assert attended(reports, 10.0) == mine | {Partition("events", 1)}


@pytest.mark.broker
def test_partitions_of_workers_that_hang_or_died_are_an_alarm_and_no_silence(
    apache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.streams.monitor.standstill._LOOK_SECONDS", 0.2)
    monkeypatch.setattr("tocsin.streams.monitor.monitor._REFRESH_SECONDS", 0.1)
    stage = Stage(apache, monitor=MonitorSettings(port=0, stalled_seconds=1.0, interval_seconds=0.2))
    events = stage.settings.topics.events
    later = [0.0]
    with Monitor(stage.settings, lambda: time.time() + later[0]) as monitor:

        def until(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < deadline
                monitor.step(0.1)

        def count() -> float | None:
            return value(scrape(monitor), "tocsin_unattended_partitions", topic=events)

        until(lambda: count() == 0)
        for number in range(40):
            stage.send(events, orjson.dumps({"id": number}), str(number))
        until(lambda: count() == 2)  # no worker was ever started
        assert "No worker tells of partitions that stand still" in get(monitor.address, "/")
        both = {events: {"0": 20, "1": 20}}
        stage.report(partition_lag=both)
        until(lambda: count() == 0)
        assert "No worker tells" not in get(monitor.address, "/")
        later[0] = 5.0  # the worker hangs: it told nothing for so long
        until(lambda: count() == 2)
        commit_the_end(stage, events, 0)  # another one takes half of it over, and is killed
        until(lambda: count() == 1)
        assert set(monitor.unattended) == {Partition(events, 1)}
        commit_the_end(stage, events, 1)
        until(lambda: count() == 0)
    stage.close()


def commit_the_end(stage: Stage, topic: str, partition: int) -> None:
    """Commit the end of a partition for the group of the workers, as one of them does."""
    consumer = Consumer({"bootstrap.servers": stage.settings.kafka.bootstrap, "group.id": stage.settings.group})
    target = TopicPartition(topic, partition)
    offset = consumer.get_watermark_offsets(target, 10)[1]
    consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    consumer.close()


def test_a_device_that_failed_is_shown_and_served() -> None:
    scoring = {"asked": "cuda:1", "place": "cpu", "reason": "RuntimeError: CUDA error\n", "failures": 1}
    report = telemetry(scoring={**scoring, "bytes_per_label": None})
    for text in shown(report, []):
        assert (
            "Worker w1 scores events on the CPU since its device (cuda:1) failed: RuntimeError: CUDA error\\n." in text
        )
    metrics = Metrics()
    Workers(metrics).count(parsed(report))
    assert metrics.get("tocsin_device_given_up", "w1") == 1
    assert metrics.get("tocsin_device_failures", "w1") == 1
    assert metrics.get("tocsin_worker_scores_on", "w1", "cpu") == 1
    assert not any("since its device" in text for text in shown(telemetry(), []))
