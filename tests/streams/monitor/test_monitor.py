from __future__ import annotations

import gc
import io
import json
import logging
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.service import MonitorSettings
from tocsin.config.settings import Settings
from tocsin.streams.monitor import (
    Monitor,
    PageError,
    experts,
    run,
)
from tocsin.streams.monitor.index import index
from tocsin.streams.monitor.metrics import (
    FAMILIES,
    OTHER,
    Capped,
    Metrics,
)
from tocsin.streams.monitor.tallies import DeadLetters, Decisions
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import (
    CLASSES,
    MISSED_SECONDS,
    SILENT_SECONDS,
    TRACKED,
    WORKERS,
    Workers,
)
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Record, TransportError
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.wire.records import Telemetry

from ...brokers import ApacheKafka, NoBrokerError

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def telemetry(worker: str = "w1", started_at: int = 1_000, **more: Any) -> dict[str, Any]:
    return {
        "service": "tocsin", "worker": worker, "time": milliseconds(), "started_at": started_at,
        "feedback_offset": 7, "backend": "numba",
        "counts": {"events": 10, "decided": 8, "abstained": 2, "feedback": 7, "alerts": 1, "duplicates": 3,
                   "decided_twice": 1, "rebuilt": 0, "expired": 0, "batches": 4},
        "reasons": {"uncertain": 2}, "dead_letters": {"not-json": 1}, "labels": {"joined": 7},
        "classes": {"ham": 6, "spam": 2},
        "experts": {"tree": {"accuracy": 0.8, "reliability": 0.7, "engaged": 0.5, "share": 0.6, "nodes": 1_237,
                             "engaged_accuracy": 0.85, "consistency": 0.9, "age": 2_345, "lifecycle": {"regrown": 2}}},
        "engaged": 1.5,
        "threshold": 0.9, "alpha": 0.1, "latency_ms": {"p50": 2.0, "p99": 9.0, "max": 20.0},
        "pending": 5, "waiting": 2,
    } | more  # fmt: skip


def record(value: Any, headers: Sequence[tuple[str, bytes]] = ()) -> Record:
    return Record("t", 0, 0, 0, None, json.dumps(value).encode(), tuple(headers))


class Stage:
    """A monitor on topics of its own, and a producer that plays the workers."""

    def __init__(self, bootstrap: str) -> None:
        mark = uuid.uuid4().hex[:8]
        names = {n: f"{n}-{mark}" for n in TopicsSettings.model_fields if isinstance(getattr(TopicsSettings(), n), str)}
        self.settings = Settings(
            kafka=KafkaSettings(bootstrap=bootstrap),
            topics=TopicsSettings(**names, partitions=2),
            schema_=SchemaSettings(text="text"),
            monitor=MonitorSettings(port=0),
        )
        topics.create(self.settings)
        self.producer = Producer({"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 500})
        self.sent = 0

    def tell(self, **telemetry_fields: Any) -> None:
        record = telemetry(**telemetry_fields)
        self.send(self.settings.topics.telemetry, json.dumps(record).encode(), record["worker"])

    def decide(self, *events: str) -> None:
        for event in events:
            value = json.dumps({"event": event, "status": "decided"}).encode()
            self.send(self.settings.topics.decisions, value, event)

    def put_aside(self, kind: str) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("__streams.errors.exception", kind.encode()),
            ("__streams.errors.topic", b"events"),
        ]
        self.send(self.settings.topics.dead_letters, b"\xff", "k", headers)

    def send(
        self, topic: str, value: bytes | None, key: str, headers: list[tuple[str, str | bytes | None]] | None = None
    ) -> None:
        self.producer.produce(topic, value, key, headers=headers or [])
        assert self.producer.flush(30) == 0
        self.sent += 1

    def drain(self, monitor: Monitor, records: int | None = None, seconds: float = 20.0) -> None:
        """Step until the monitor has read everything sent (or so many records)."""
        left = self.sent if records is None else records
        deadline = time.monotonic() + seconds
        while left > 0 and time.monotonic() < deadline:
            left -= monitor.step(0.1)
        assert left == 0
        self.sent = 0

    def close(self) -> None:
        self.producer.close()


@pytest.fixture
def stage(broker: str) -> Iterator[Stage]:
    stage = Stage(broker)
    yield stage
    stage.close()


def get(address: str, path: str) -> str:
    with urllib.request.urlopen(address + path, timeout=10) as answer:
        return answer.read().decode()  # type: ignore[no-any-return]


def scrape(monitor: Monitor) -> Scrape:
    found: Scrape = {}
    for family in text_string_to_metric_families(get(monitor.address, "/metrics")):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def value(found: Scrape, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


@pytest.mark.broker
class TestOnABroker:
    def test_telemetry_becomes_metrics(self, stage: Stage) -> None:
        stage.tell()
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor)
            time.sleep(1.1)  # the figures that are drawn up once a second
            monitor.step(0)
            found = scrape(monitor)
        expected = {
            "tocsin_events_total": 10, "tocsin_decided_total": 8, "tocsin_feedback_total": 7,
            "tocsin_alerts_total": 1, "tocsin_duplicates_total": 3, "tocsin_decided_twice_total": 1,
            "tocsin_coverage": 0.8, "tocsin_conformal_threshold": 0.9, "tocsin_conformal_alpha": 0.1,
            "tocsin_pending_events": 5, "tocsin_waiting_labels": 2, "tocsin_feedback_offset": 7,
        }  # fmt: skip
        assert {name: value(found, name, worker="w1") for name in expected} == expected
        assert value(found, "tocsin_abstained_total", worker="w1", reason="uncertain") == 2
        assert value(found, "tocsin_decisions_total", worker="w1", **{"class": "ham"}) == 6
        assert value(found, "tocsin_dead_letters_total", worker="w1", kind="not-json") == 1
        assert value(found, "tocsin_labels_total", worker="w1", outcome="joined") == 7
        assert value(found, "tocsin_expert_accuracy", worker="w1", expert="tree") == 0.8
        assert value(found, "tocsin_expert_reliability", worker="w1", expert="tree") == 0.7
        assert value(found, "tocsin_expert_engaged", worker="w1", expert="tree") == 0.5
        assert value(found, "tocsin_expert_share", worker="w1", expert="tree") == 0.6
        assert value(found, "tocsin_expert_engaged_accuracy", worker="w1", expert="tree") == 0.85
        assert value(found, "tocsin_expert_consistency", worker="w1", expert="tree") == 0.9
        assert value(found, "tocsin_expert_nodes", worker="w1", expert="tree") == 1_237
        assert value(found, "tocsin_expert_age_records", worker="w1", expert="tree") == 2_345
        assert value(found, "tocsin_expert_active", worker="w1", expert="tree") == 1
        assert value(found, "tocsin_expert_lifecycle_events", worker="w1", expert="tree", event="regrown") == 2
        assert value(found, "tocsin_engaged_experts", worker="w1") == 1.5
        assert value(found, "tocsin_batch_latency_seconds", worker="w1", quantile="0.99") == 0.009
        age = value(found, "tocsin_telemetry_age_seconds", worker="w1")
        assert age is not None
        assert 0 <= age < 60
        assert value(found, "tocsin_workers") == 1

    def test_what_comes_later_is_read_too(self, stage: Stage) -> None:
        with Monitor(stage.settings) as monitor:
            for total in (1, 2, 3):
                stage.tell(counts={"events": total})
                stage.drain(monitor)
                assert value(scrape(monitor), "tocsin_events_total", worker="w1") == total

    def test_a_restarted_worker_does_not_set_counters_back(self, stage: Stage) -> None:
        steps = [(1_000, 5), (1_000, 9), (2_000, 0), (2_000, 4)]
        seen = []
        with Monitor(stage.settings) as monitor:
            for started_at, total in steps:
                stage.tell(started_at=started_at, counts={"events": total}, reasons={"novel": total})
                stage.drain(monitor)
                found = scrape(monitor)
                seen.append(value(found, "tocsin_events_total", worker="w1"))
                assert seen[-1] == value(found, "tocsin_abstained_total", worker="w1", reason="novel")
        assert seen == [5, 9, 9, 13]

    def test_malformed_records_are_survived_and_counted(self, stage: Stage) -> None:
        names = stage.settings.topics
        huge = json.dumps(telemetry()).replace('"pending": 5', '"pending": 1e999').encode()
        bad = [b"", b"no json", b"[1]", b"{}", b"\xff\xfe", huge, b"[" * 5_000]
        for broken in (*bad, None):
            stage.send(names.telemetry, broken, "w1")
        for broken in (b"no json", b'"text"', b'{"event": 5, "status": "decided"}', b'{"event": "e"}', None):
            stage.send(names.decisions, broken, "e")
        stage.send(names.dead_letters, b"a letter without headers", "k")
        stage.tell()
        stage.decide("e")
        stage.put_aside("not-json")
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor)
            found = scrape(monitor)
        assert value(found, "tocsin_monitor_bad_records_total", topic="telemetry") == len(bad) + 1
        assert value(found, "tocsin_monitor_records_total", topic="telemetry") == len(bad) + 2
        assert value(found, "tocsin_monitor_bad_records_total", topic="decisions") == 5
        assert value(found, "tocsin_monitor_bad_records_total", topic="dead-letters") == 1
        assert value(found, "tocsin_events_total", worker="w1") == 10
        assert value(found, "tocsin_distinct_events_total") == 1
        assert value(found, "tocsin_dead_letter_records_total", kind="not-json") == 1

    def test_doubles_are_counted(self, stage: Stage) -> None:
        stage.decide("a", "b", "a", "c", "a")
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor)
            found = scrape(monitor)
        assert value(found, "tocsin_decision_records_total") == 5
        assert value(found, "tocsin_distinct_events_total") == 3
        assert value(found, "tocsin_repeated_decisions_total") == 2

    def test_other_services_on_the_topic_are_left_aside(self, stage: Stage) -> None:
        stage.tell(worker="x", service="another")
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor)
            found = scrape(monitor)
        assert value(found, "tocsin_events_total", worker="x") is None
        assert value(found, "tocsin_monitor_foreign_records_total") == 1

    def test_only_a_bounded_tail_is_read_at_the_start(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tocsin.streams.monitor.reader.TAIL", 3)
        for i in range(20):
            stage.send(stage.settings.topics.decisions, b'{"event": "%d", "status": "decided"}' % i, "same key")
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor, records=3)
            assert monitor.step(0.3) == 0

    def test_the_page_links_to_the_metrics_and_says_that_it_is_well(self, stage: Stage) -> None:
        with Monitor(stage.settings) as monitor:
            assert monitor.address.startswith("http://127.0.0.1:")
            assert 'href="metrics"' in get(monitor.address, "/")
            assert get(monitor.address, "/healthz") == "ok\n"
            with pytest.raises(urllib.error.HTTPError, match="404") as missing:
                get(monitor.address, "/nothing")
            missing.value.close()

    def test_a_monitor_that_does_not_read_is_ill(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tocsin.streams.monitor.monitor._HEALTHY_SECONDS", -1.0)
        with Monitor(stage.settings) as monitor:
            with pytest.raises(urllib.error.HTTPError, match="503") as ill:
                get(monitor.address, "/healthz")
            ill.value.close()

    def test_two_monitors_do_not_disturb_each_other(self, stage: Stage) -> None:
        stage.tell()
        with Monitor(stage.settings) as one, Monitor(stage.settings) as two:
            stage.drain(one, 1)
            stage.drain(two, 1)

    def test_a_taken_port_is_an_error_that_names_the_settings(self, stage: Stage) -> None:
        with Monitor(stage.settings) as monitor:
            taken = MonitorSettings(port=int(monitor.address.rpartition(":")[2]))
            settings = stage.settings.model_copy(update={"monitor": taken})
            with pytest.raises(PageError, match=r"monitor\.port.*TOCSIN_MONITOR__PORT"), Monitor(settings):
                pass

    def test_run_prints_where_it_is_and_stops_when_told(self, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
        stage.tell()
        rounds = iter([False, False, False, True])
        threads = threading.active_count()
        run(stage.settings, lambda: next(rounds), view=False)
        assert capsys.readouterr().out.startswith("metrics: http://127.0.0.1:")
        assert threading.active_count() <= threads + 1, "the clients' own threads end on their own"

    def test_without_a_terminal_the_view_is_plain_lines(
        self, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tocsin.streams.monitor.view._LINE_SECONDS", 0.0)
        stage.tell()
        rounds = iter([False] * 10 + [True])
        run(stage.settings, lambda: next(rounds), view=True)
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].startswith("workers 1, events 10 (0/s), coverage 80.0%, abstained 2")
        assert "\x1b" not in "".join(lines)


@pytest.mark.broker
def test_a_missing_topic_is_an_error_that_says_what_to_do(tansu: str) -> None:
    settings = Settings(
        kafka=KafkaSettings(bootstrap=tansu),
        schema_=SchemaSettings(text="text"),
        topics=TopicsSettings(telemetry="nowhere"),
    )
    with pytest.raises(TransportError, match=r"nowhere.*tocsin topics"), Monitor(settings):
        pass


def test_an_absent_broker_is_an_error_that_names_address_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.streams.monitor.reader._ANSWER_SECONDS", 0.5)
    address = f"127.0.0.1:{free_port()}"
    settings = Settings(kafka=KafkaSettings(bootstrap=address), schema_=SchemaSettings(text="text"))
    with (
        pytest.raises(TransportError, match=rf"{address}.*kafka.bootstrap, TOCSIN_KAFKA__BOOTSTRAP"),
        Monitor(settings),
    ):
        pass


@pytest.mark.broker
# kafka-python leaves the sockets of failed connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_it_goes_on_after_the_broker_restarted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")  # captured, its errors would keep the sockets
    try:
        broker = ApacheKafka(tmp_path)
    except NoBrokerError as error:
        pytest.skip(str(error))
    broker.start()
    try:
        read_over_a_restart(broker)
    finally:
        broker.stop()
        gc.collect()  # those sockets, while their warnings are still expected


def read_over_a_restart(broker: ApacheKafka) -> None:
    stage = Stage(broker.bootstrap)
    stage.tell(counts={"events": 1})
    with Monitor(stage.settings) as monitor:
        stage.drain(monitor)
        broker.kill()
        for _ in range(5):
            assert monitor.step(0.2) == 0
        assert value(scrape(monitor), "tocsin_events_total", worker="w1") == 1
        broker.restart()
        stage.tell(counts={"events": 2})
        stage.drain(monitor, seconds=60)
        assert value(scrape(monitor), "tocsin_events_total", worker="w1") == 2
    stage.close()


class TestBounds:
    def test_classes_beyond_the_cap_are_one(self) -> None:
        metrics = Metrics()
        many = {f"c{i}": 1 for i in range(10 * CLASSES)}
        Workers(metrics, ["last"]).take(Telemetry(**telemetry(classes=many | {"last": 5})))
        names = {s.labels["class"]: s.value for s in samples(metrics, "tocsin_decisions_total")}
        assert len(names) == CLASSES + 1
        assert names["last"] == 5, "a configured class has its place"
        assert sum(names.values()) == 10 * CLASSES + 5

    def test_workers_beyond_the_cap_are_one_and_keep_their_sum(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        for total in (1, 2):
            for i in range(2 * WORKERS):
                workers.take(Telemetry(**telemetry(f"w{i}", counts={"events": total})))
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
            workers.take(Telemetry(**telemetry(f"old{i}", time=long_ago + i)))
        workers.take(Telemetry(**telemetry("new")))
        names = {s.labels["worker"] for s in samples(metrics, "tocsin_events_total")}
        assert "new" in names
        assert "old0" not in names
        assert len(names) == WORKERS

    def test_no_number_of_workers_fills_the_memory(self) -> None:
        workers = Workers(Metrics())
        for i in range(2 * TRACKED):
            workers.take(Telemetry(**telemetry(f"w{i}")))
        assert len(list(workers.living(time.time()))) == TRACKED

    def test_event_ids_are_forgotten_beyond_the_bound(self) -> None:
        metrics = Metrics()
        decisions = Decisions(metrics, capacity=2)
        for event in ("a", "b", "a", "c", "a", "b"):
            decisions.take(record({"event": event, "status": "abstained"}))
        # b was forgotten when c came, because a had been met since.
        assert metrics.get("tocsin_repeated_decisions") == 2
        assert metrics.get("tocsin_distinct_events") == 4

    def test_long_names_are_cut(self) -> None:
        assert len(Capped(1)("x" * 10_000)) == 128


class TestWorkers:
    def test_a_silent_worker_loses_its_gauges_then_its_age_and_keeps_its_counters(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        now = milliseconds()
        workers.take(Telemetry(**telemetry(time=now)))
        workers.settle(now / 1000 + SILENT_SECONDS - 1)
        assert samples(metrics, "tocsin_pending_events")
        workers.settle(now / 1000 + SILENT_SECONDS + 1)
        assert metrics.get("tocsin_workers") == 0
        assert not samples(metrics, "tocsin_pending_events")
        assert samples(metrics, "tocsin_telemetry_age_seconds")
        workers.settle(now / 1000 + SILENT_SECONDS + MISSED_SECONDS + 1)
        assert not samples(metrics, "tocsin_telemetry_age_seconds")
        assert samples(metrics, "tocsin_events_total")[0].value == 10

    def test_a_worker_that_seldom_tells_is_not_taken_for_gone(self) -> None:
        workers = Workers(Metrics(), interval=3_600)
        now = milliseconds()
        workers.take(Telemetry(**telemetry(time=now)))
        assert list(workers.living(now / 1000 + 3_700))

    def test_two_workers_of_one_name_do_not_count_their_totals_again_and_again(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        for total in (100, 101, 102):
            for started_at in (1_000, 2_000):
                workers.take(Telemetry(**telemetry(started_at=started_at, counts={"events": total})))
        assert metrics.get("tocsin_events", "w1") == 204

    def test_records_read_again_count_once_and_do_not_turn_gauges_back(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        now = milliseconds()
        older = Telemetry(**telemetry(time=now - 5_000, pending=1, counts={"events": 4}))
        newer = Telemetry(**telemetry(time=now, pending=2, counts={"events": 10}))
        for one in (older, newer, older, newer, older):
            workers.take(one)
        assert metrics.get("tocsin_events", "w1") == 10
        assert metrics.get("tocsin_pending_events", "w1") == 2

    def test_a_threshold_that_is_not_there_is_not_shown(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        workers.take(Telemetry(**telemetry()))
        assert samples(metrics, "tocsin_conformal_threshold")
        workers.take(Telemetry(**telemetry(threshold=None)))
        assert not samples(metrics, "tocsin_conformal_threshold")

    def test_the_rate_is_that_between_two_records(self) -> None:
        workers = Workers(Metrics())
        now = milliseconds()
        workers.take(Telemetry(**telemetry(time=now - 2_000, counts={"events": 100})))
        workers.take(Telemetry(**telemetry(time=now, counts={"events": 300})))
        assert next(workers.living(now / 1000)).rate == 100


class TestExperts:
    def test_an_expert_that_has_not_scored_is_no_zero(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        young = {"state": "active", "age": 0, "reliability": None}
        workers.take(Telemetry(**telemetry(experts={"tree": young}, engaged=None)))
        assert metrics.get("tocsin_expert_active", "w1", "tree") == 1
        for name in ("reliability", "accuracy", "share", "nodes", "consistency"):
            assert not samples(metrics, f"tocsin_expert_{name}")
        assert not samples(metrics, "tocsin_engaged_experts")
        living = list(workers.living(time.time()))
        row = dict(zip(experts.COLUMNS, experts.rows(living)[0], strict=True))
        assert {row[c] for c in ("reliability", "accuracy", "share", "engaged", "consistency")} == {"none yet"}
        assert row["nodes"] == "-"
        assert experts.mean_engaged(living) == "none yet"

    def test_what_is_the_models_own_is_that_of_the_worker_that_learnt_most(self) -> None:
        workers = Workers(Metrics())
        for offset, reliability, state in ((5, 0.2, "active"), (9, 0.6, "retired")):
            told = {"reliability": reliability, "share": reliability, "state": state, "age": offset}
            workers.take(Telemetry(**telemetry(f"w{offset}", experts={"tree": told}, feedback_offset=offset)))
        row = dict(zip(experts.COLUMNS, experts.rows(list(workers.living(time.time())))[0], strict=True))
        assert (row["state"], row["age"], row["reliability"], row["share"]) == ("retired", "9", "-", "-")

    def test_figures_are_means_over_the_workers(self) -> None:
        workers = Workers(Metrics())
        for offset, reliability in ((5, 0.2), (9, 0.6)):
            told = {"reliability": reliability, "share": None, "age": offset}
            workers.take(Telemetry(**telemetry(f"w{offset}", experts={"tree": told}, feedback_offset=offset)))
        row = dict(zip(experts.COLUMNS, experts.rows(list(workers.living(time.time())))[0], strict=True))
        assert (row["reliability"], row["share"], row["age"]) == ("0.400", "none yet", "9")

    def test_the_page_shows_workers_and_experts_and_takes_no_name_for_markup(self) -> None:
        workers = Workers(Metrics())
        workers.take(Telemetry(**telemetry("<script>w", experts={"<b>tree": telemetry()["experts"]["tree"]})))
        now = time.time()
        page = index("tocsin", list(workers.living(now)), now)
        assert "&lt;script&gt;w" in page
        assert "&lt;b&gt;tree" in page
        assert "<script" not in page
        assert "<b>" not in page
        for shown in ("0.600", "0.850", "1,237", "2,345", "regrown 2", "on average: 1.5"):
            assert shown in page
        assert "No worker was heard of lately" in index("tocsin", [], now)


def samples(metrics: Metrics, name: str) -> list[Any]:
    return [s for family in metrics.registry.collect() for s in family.samples if s.name == name]


def test_every_family_is_collected_under_a_proper_name() -> None:
    names = [family.name for family in Metrics().registry.collect()]
    assert names == [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("tocsin_") and not name.endswith("_total") for name in names)


def test_the_terminal_view_shows_everything_and_obeys_nobody() -> None:
    metrics = Metrics()
    workers, dead_letters = Workers(metrics), DeadLetters(metrics)
    workers.take(Telemetry(**telemetry("evil[red]\x1b[2J")))
    dead_letters.take(
        record({}, [("__streams.errors.exception", b"not-json"), ("__streams.errors.message", b"\x1b]0;x\x07 bad")])
    )
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, height=60, color_system=None)
    with View("tocsin", "http://127.0.0.1:1", console) as view:
        view.show(workers, dead_letters, metrics, time.time())
        view.show(workers, dead_letters, metrics, time.time())
    shown = screen.getvalue()
    assert "evil[red]·[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    for expected in (
        "80.0%",
        "uncertain",
        "ham",
        "tree",
        "2,345",
        "regrown 2",
        "1.5 engaged",
        "not-json",
        "·]0;x· bad",
    ):
        assert expected in shown
