"""The monitor on a broker: what it reads, counts and serves."""

from __future__ import annotations

import gc
import json
import logging
import threading
import urllib.error
from collections.abc import Iterator

import pytest

from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.service import MonitorSettings
from tocsin.config.settings import Settings
from tocsin.streams.monitor import Monitor, PageError, run
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.embedded import free_port

from ...brokers import ApacheKafka
from .support import Stage, get, scrape, telemetry, value


@pytest.fixture
def stage(broker: str) -> Iterator[Stage]:
    stage = Stage(broker)
    yield stage
    stage.close()


@pytest.mark.broker
class TestOnABroker:
    def test_telemetry_becomes_metrics(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        # The figures are drawn up once a second; here after every poll.
        monkeypatch.setattr("tocsin.streams.monitor.monitor._REFRESH_SECONDS", 0.0)
        stage.report()
        with Monitor(stage.settings) as monitor:
            stage.drain(monitor)
            monitor.step(0)
            found = scrape(monitor)
        expected = {
            "tocsin_events_total": 10, "tocsin_decided_total": 8, "tocsin_feedback_total": 7,
            "tocsin_alerts_total": 1, "tocsin_duplicates_total": 3, "tocsin_decided_twice_total": 1,
            "tocsin_coverage": 0.8, "tocsin_conformal_threshold": 0.9, "tocsin_conformal_alpha": 0.1,
            "tocsin_promise": 2, "tocsin_promise_error": 0.2, "tocsin_promise_silent": 1,
            "tocsin_novel_groups": 3, "tocsin_novel_group_events": 21,
            "tocsin_quick_labels_total": 4, "tocsin_pending_events": 5, "tocsin_waiting_labels": 2,
            "tocsin_feedback_offset": 7,
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
        assert value(found, "tocsin_batch_latency_seconds_bucket", worker="w1", le="0.0025") == 2
        assert value(found, "tocsin_batch_latency_seconds_bucket", worker="w1", le="+Inf") == 4
        assert value(found, "tocsin_batch_latency_seconds_count", worker="w1") == 4
        assert value(found, "tocsin_batch_latency_seconds_sum", worker="w1") == pytest.approx(40.013)
        assert value(found, "tocsin_lag_records", worker="w1", topic="events") == 11
        assert value(found, "tocsin_lag_records", worker="w1", topic="labels") == 0
        assert value(found, "tocsin_labelled_events", worker="w1") == 3
        age = value(found, "tocsin_telemetry_age_seconds", worker="w1")
        assert age is not None
        assert 0 <= age < 60
        assert value(found, "tocsin_workers") == 1

    def test_what_comes_later_is_read_too(self, stage: Stage) -> None:
        with Monitor(stage.settings) as monitor:
            for total in (1, 2, 3):
                stage.report(counts={"events": total})
                stage.drain(monitor)
                assert value(scrape(monitor), "tocsin_events_total", worker="w1") == total

    def test_a_restarted_worker_does_not_set_counters_back(self, stage: Stage) -> None:
        steps = [(1_000, 5), (1_000, 9), (2_000, 0), (2_000, 4)]
        seen = []
        with Monitor(stage.settings) as monitor:
            for started_at, total in steps:
                stage.report(started_at=started_at, counts={"events": total}, reasons={"novel": total})
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
        stage.report()
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
        stage.report(worker="x", service="another")
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
        stage.report()
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
        stage.report()
        rounds = iter([False, False, False, True])
        threads = threading.active_count()
        run(stage.settings, lambda: next(rounds), view=False)
        assert capsys.readouterr().out.startswith("metrics: http://127.0.0.1:")
        assert threading.active_count() <= threads + 1, "the clients' own threads end on their own"

    def test_without_a_terminal_the_view_is_plain_lines(
        self, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tocsin.streams.monitor.view._LINE_SECONDS", 0.0)
        stage.report()
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


@pytest.mark.acceptance
@pytest.mark.broker
# kafka-python leaves the sockets of failed connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_it_goes_on_after_the_broker_restarted(own_apache: ApacheKafka, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")  # captured, its errors would keep the sockets
    try:
        read_over_a_restart(own_apache)
    finally:
        own_apache.stop()
        gc.collect()  # those sockets, while their warnings are still expected


def read_over_a_restart(broker: ApacheKafka) -> None:
    stage = Stage(broker.bootstrap)
    stage.report(counts={"events": 1})
    with Monitor(stage.settings) as monitor:
        stage.drain(monitor)
        broker.kill()
        for _ in range(5):
            assert monitor.step(0.2) == 0
        assert value(scrape(monitor), "tocsin_events_total", worker="w1") == 1
        broker.restart()
        stage.report(counts={"events": 2})
        stage.drain(monitor, seconds=60)
        assert value(scrape(monitor), "tocsin_events_total", worker="w1") == 2
    stage.close()
