"""A real Prometheus scrapes the monitor of a service: dashboard and alert rules, as they are in deploy/.

Times in the rules are shortened, so that what takes a quarter of an hour there takes seconds here.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tocsin.config.service import MonitorSettings, StateSettings
from tocsin.streams.monitor import Monitor
from tocsin.streams.transport.embedded import dying_with_parent, free_port
from tocsin.streams.worker.service import KafkaTransports
from tocsin.streams.worker.worker import Worker

from ..brokers import ApacheKafka
from ..prometheus import program
from ..streams.monitor.support import Stage, batch_seconds
from ..streams.support import settings, stream

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SHORT = {"1m": "1s", "2m": "1s", "5m": "5s", "10m": "5s", "15m": "6s", "30m": "6s", "1h": "6s", "6h": "1m", "1d": "1m"}
SILENT_SECONDS = 3
LASTING = {"TocsinMonitorDown", "TocsinMonitorCannotRead", "TocsinNoWorkers"}
"""Alerts that need a broker or a monitor that is away."""
SELDOM = ("lifecycle_events", "ALERTS", "monitor_errors", "over_budget")
"""Parts of the dashboard that show nothing while all is well."""

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that has just started may let the monitor wait for longer than a user would."""
    for module in ("monitor.reader", "transport.rights"):
        monkeypatch.setattr(f"tocsin.streams.{module}._ANSWER_SECONDS", 90.0)


class Prometheus:
    """A Prometheus that scrapes one monitor twice a second, and evaluates the rules as often."""

    def __init__(self, home: Path, monitor_port: int) -> None:
        rules = (DEPLOY / "prometheus/alerts.yml").read_text()
        assert "tocsin_telemetry_age_seconds > 60" in rules
        rules = rules.replace("tocsin_telemetry_age_seconds > 60", f"tocsin_telemetry_age_seconds > {SILENT_SECONDS}")
        rules = re.sub(r"(?<=for: )\d+m", "2s", rules)
        rules = re.sub(r"(?<=\[)\w+(?=\])|(?<=offset )\w+", lambda found: SHORT[found.group()], rules)
        (home / "alerts.yml").write_text(rules)
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{monitor_port}"]}]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        self._address = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            dying_with_parent(
                [
                    program("prometheus"),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ]
            )
        )

    def ask(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
            found = json.load(answer)
        assert found["status"] == "success"
        return found["data"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        try:
            alerts = self.ask("alerts")["alerts"]
        except OSError:  # it is starting
            return set()
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def monitoring(stage: Stage) -> Iterator[None]:
    """A monitor that reads and serves in a thread."""
    stop = threading.Event()
    with Monitor(stage.settings) as monitor:

        def work() -> None:
            while not stop.is_set():
                monitor.step(0.1)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def until(
    condition: Callable[[], bool], what: Callable[[], str], meanwhile: Callable[[], None], seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        meanwhile()
        time.sleep(0.3)


def dashboard() -> list[str]:
    """Every query of the dashboard, with Grafana's variables filled in."""
    found = json.loads((DEPLOY / "grafana/dashboards/tocsin.json").read_text())
    queries = [target["expr"] for panel in found["panels"] for target in panel["targets"]]
    queries += [annotation["expr"] for annotation in found["annotations"]["list"]]
    return [q.replace("$worker", ".*").replace("$__rate_interval", "30s") for q in queries]


def test_every_query_of_the_dashboard_shows_a_running_service(apache: str, tmp_path: Path) -> None:
    small = settings(tmp_path, experts=[{"kind": "linear"}, {"kind": "tree", "grace_period": 10}])
    changes = {name: getattr(small, name) for name in ("schema_", "classes", "experts", "abstention")}
    port = free_port()
    stage = Stage(
        apache,
        **changes,
        monitor=MonitorSettings(port=port, interval_seconds=0.5),
        state=StateSettings(directory=tmp_path),
    )
    topics = stage.settings.topics
    prometheus = Prometheus(tmp_path, port)
    pairs = iter(stream(100_000))
    try:
        with monitoring(stage), Worker(stage.settings, KafkaTransports(stage.settings)) as worker:

            def work() -> None:
                for event, label in (next(pairs) for _ in range(10)):
                    stage.send(topics.events, orjson.dumps(event), event["subject"])
                    stage.send(topics.labels, orjson.dumps(label), event["subject"])
                stage.send(topics.events, b"no json", "k")
                stage.decide("twice")
                for _ in range(5):
                    worker.step(0.05)

            def empty() -> list[str]:
                return [
                    q
                    for q in dashboard()
                    if not any(s in q for s in SELDOM) and not prometheus.ask("query", query=q)["result"]
                ]

            until(lambda: worker.counts.decided > 50, lambda: "nothing is decided", work, 120)
            annotations = [q for q in dashboard() if "changes(" in q]
            for query in dashboard():  # each is understood, also where it has nothing to show
                prometheus.ask("query", query=query)
            until(lambda: not set(empty()) - set(annotations), lambda: f"nothing in {empty()}", work, 120)
            assert prometheus.firing() <= {"TocsinDeadLetters"}
    finally:
        prometheus.close()
        stage.close()


def rule(well: bool) -> dict[str, float | bool]:
    """A declared rule in telemetry: as right as its author declared, or turned bad."""
    return {"confidence": 0.9, "precision": 0.9 if well else 0.2, "events": 500.0, "turned_bad": not well}


def promise(well: bool) -> dict[str, Any]:
    """The promise on errors in telemetry: kept, or such that silence cannot mend it."""
    told = {"state": "kept", "error": 0.05, "drifts_every": None, "reason": None}
    if not well:
        late = "drifts come every 400 labels, and labels come 500 late"
        told = {"state": "cannot be kept", "error": 0.2, "drifts_every": 400.0, "reason": late}
    return {"target": 0.1, "delay": 500.0, "silent": False, **told}


def scoring(well: bool) -> dict[str, Any]:
    """Where events are scored in telemetry: on the device that the config names, or on the CPU since it failed."""
    if well:
        return {"asked": "cuda", "place": "cuda:0", "reason": "", "failures": 0, "bytes_per_label": 900.0}
    reason = "RuntimeError: CUDA error: unspecified launch failure"
    return {"asked": "cuda", "place": "cpu", "reason": reason, "failures": 1, "bytes_per_label": None}


class Workers:
    """Four workers, as their telemetry shows them: well, or each with troubles of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._counts = {name: dict.fromkeys(("events", "decided", "batches"), 0) for name in ("w1", "w2", "w3", "w4")}
        self._offset = self._letters = self._losses = self._failures = 0
        self._started_at = 1_000
        self._events = stage.settings.topics.events
        stage.send(self._events, b"no json", "k")

    def report(self, well: bool) -> None:
        """One report of each."""
        self._offset += 10
        self._letters += 0 if well else 20
        self._losses += 0 if well else 3
        self._failures += 0 if well else 1
        self._started_at += 0 if well else 1
        for name, counts in self._counts.items():
            if name == "w3" and not well:
                continue
            if name == "w2" and not well:  # it has just started
                counts.update(dict.fromkeys(counts, 0))
            counts["events"] += 20
            counts["decided"] += 19 if well else 0
            counts["batches"] += 0 if name == "w4" and not well else 2
            first = name == "w1"
            lag = 0 if well or name not in ("w1", "w4") else 5 if name == "w4" else 1_000 + 10 * self._losses
            self._stage.report(
                worker=name,
                started_at=self._started_at if name == "w2" else 1_000,
                counts=counts | {"snapshots_failed": self._failures if first else 0},
                dead_letters={"not-json": self._letters if first else 0},
                lost={"events": self._losses if first else 0},
                lag={"events": lag},
                # Without it no worker tells of the partitions, on one of which a record waits all the time.
                partition_lag={self._events: {"0": 0, "1": 0}} if well else {},
                stalled={self._events: {"0": 40.0}} if first and not well else {},
                shed="explanations" if first and not well else None,
                promise=promise(well or not first),
                scoring=scoring(well or not first),
                config="a" if well or first else "b",
                feedback_offset=self._offset if first or well else 0,
                snapshot_offset=self._offset,
                snapshot_sha256="b" * 64 if name == "w4" and not well else "a" * 64,
                batch_seconds=batch_seconds(*[0.01] * (counts["batches"] // 10)),
                experts={"tree": {"accuracy": 0.9 if well else 0.5}, "declared": {"rules": {"far": rule(well)}}},
            )


def test_each_alert_fires_once_and_clears(
    own_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.streams.monitor.workers.SILENT_SECONDS", float(SILENT_SECONDS))
    monkeypatch.setattr("tocsin.streams.monitor.workers.SILENT_RECORDS", 1)
    names = {
        rule["alert"] for rule in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    }
    port = free_port()
    stage = Stage(own_apache.bootstrap, monitor=MonitorSettings(port=port, target_coverage=0.5, stalled_seconds=2.0))
    workers = Workers(stage)
    prometheus = Prometheus(tmp_path, port)

    def well() -> None:
        workers.report(well=True)

    def wait(condition: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
        until(condition, lambda: f"firing: {sorted(prometheus.firing())}", meanwhile, 180)

    def all_is_well() -> bool:
        return not prometheus.firing()

    try:
        with monitoring(stage):
            began = time.monotonic()
            wait(lambda: all_is_well() and time.monotonic() - began > 12, well)
            seen: set[str] = set()
            wait(
                lambda: seen.update(prometheus.firing()) or seen >= names - LASTING,
                lambda: workers.report(well=False),
            )
            wait(all_is_well, well)
            own_apache.kill()
            wait(lambda: prometheus.firing() >= {"TocsinMonitorCannotRead", "TocsinNoWorkers"}, lambda: None)
            own_apache.restart()
            wait(all_is_well, well)
        wait(lambda: "TocsinMonitorDown" in prometheus.firing(), lambda: None)
        with monitoring(stage):
            wait(all_is_well, well)
    finally:
        prometheus.close()
        stage.close()
