"""The dashboard and what feeds it, held to the metrics that the monitor serves."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tocsin.streams.monitor.metrics import FAMILIES, Metrics
from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker.reporting.counts import Counts

from .compose import ROOT, mounts

DASHBOARD = ROOT / "deploy/grafana/dashboards/tocsin.json"
COUNTERS = ("_total", "_seconds_bucket", "_seconds_sum", "_seconds_count")


class TestDashboard:
    dashboard = json.loads(DASHBOARD.read_text())

    def expressions(self) -> list[str]:
        found = [target["expr"] for panel in self.dashboard["panels"] for target in panel["targets"]]
        found += [annotation["expr"] for annotation in self.dashboard["annotations"]["list"]]
        return found + [v["query"]["query"] for v in self.dashboard["templating"]["list"]]

    def test_every_metric_in_it_is_served_with_these_labels(self) -> None:
        served = served_samples()
        for expression in self.expressions():
            names = re.findall(r"\btocsin_\w+", expression)
            assert names or "ALERTS{" in expression, expression
            assert set(names) <= set(served), expression
            for name, selector in re.findall(r"\b(tocsin_\w+)\{([^}]*)\}", expression):
                assert set(re.findall(r"(\w+)=~?\"", selector)) <= served[name], expression
            for label in re.findall(r"by \((\w+)\)", expression) if names else ():
                assert label in served[names[0]], expression

    def test_what_matters_is_in_it(self) -> None:
        everything = "\n".join(self.expressions())
        for metric in (
            "events_total", "coverage", "abstained_total", "decisions_total", "expert_accuracy", "expert_reliability",
            "expert_engaged", "batch_latency_seconds", "dead_letters_total", "labels_total", "conformal_threshold",
            "conformal_alpha", "pending_events", "waiting_labels", "feedback_offset", "telemetry_age_seconds",
            "repeated_decisions_total", "duplicates_total", "alerts_total", "lag_records", "lost_records_total",
            "labelled_events", "snapshots_failed_total",
        ):  # fmt: skip
            assert f"tocsin_{metric}" in everything

    def test_rates_are_taken_of_counters_only(self) -> None:
        for expression in self.expressions():
            for name in re.findall(r"(?:rate|increase)\((\w+)", expression):
                assert name.endswith(COUNTERS), expression
            totals = re.findall(r"(?<!label_values\()\b(\w+(?:_total|_seconds_(?:bucket|sum|count)))\b", expression)
            assert len(totals) == len(re.findall(r"(?:rate|increase)\(\w+", expression)), expression

    def test_its_datasource_is_the_provisioned_one(self) -> None:
        folder = ROOT / "deploy/grafana/provisioning"
        (datasource,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
        uids = set(re.findall(r'"type": "prometheus",\s+"uid": "(\w+)"', DASHBOARD.read_text()))
        assert uids == {datasource["uid"]}

    def test_panels_do_not_overlap(self) -> None:
        cells = [
            (x, y)
            for panel in self.dashboard["panels"]
            for grid in [panel["gridPos"]]
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        assert len(set(ids)) == len(ids)


def served_samples() -> dict[str, set[str]]:
    """The samples that the monitor serves, and their labels."""

    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    served = {f.name + ending: set(f.labels) for f in FAMILIES for ending in endings.get(f.kind, ("",))}
    assert {family.name for family in Metrics().registry.collect()} == {f.name for f in FAMILIES}
    return served


def test_addresses_agree(services: dict[str, Any]) -> None:
    folder = ROOT / "deploy"
    (job,) = yaml.safe_load((folder / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    port = services["monitor"]["environment"]["TOCSIN_MONITOR__PORT"]
    assert job["static_configs"] == [{"targets": [f"monitor:{port}"]}]
    assert services["monitor"]["ports"][0].endswith(f":{port}")
    # The rules lie beside it, and the whole folder is mounted.
    assert ("./deploy/prometheus", "/etc/prometheus", "ro") in list(mounts(services["prometheus"]))
    assert "--config.file=/etc/prometheus/prometheus.yml" in services["prometheus"]["command"]
    provisioning = folder / "grafana/provisioning"
    (datasource,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert datasource["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/tocsin.yml").read_text())["providers"]
    targets = {target for _, target, _ in mounts(services["grafana"])}
    assert provider["options"]["path"] in targets


def test_the_metrics_are_those_that_telemetry_can_fill() -> None:
    """A total that a worker tells and nobody serves would be lost in silence."""

    served = served_samples()
    for name in Counts().totals():
        assert f"tocsin_{name}_total" in served
    assert {"reasons", "classes", "dead_letters", "labels"} <= set(Telemetry.__struct_fields__)
