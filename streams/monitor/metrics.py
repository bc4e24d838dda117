"""The metrics that the monitor serves: their names, their values, and their form for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.streams.printable import printable

OTHER = "other"
"""The label value that stands for all values beyond a cap."""
LABEL_LENGTH = 128
"""Characters that a label value has at most."""

SUM = "sum"
"""In place of a bucket's upper bound: the sum of what a histogram observed."""

Labels = tuple[str, ...]


class Family(NamedTuple):
    """One metric. An `age` is a gauge that is set to a time and shows the seconds since then.

    A `histogram` has one value for each of its samples, and as its last label which one it is: a bucket's upper bound,
    or `SUM`.
    """

    kind: Literal["counter", "gauge", "age", "histogram"]
    name: str
    help: str
    labels: Labels = ()


FAMILIES = (
    Family("counter", "tocsin_events", "Events decided or abstained from.", ("worker",)),
    Family("counter", "tocsin_decided", "Events decided.", ("worker",)),
    Family("counter", "tocsin_abstained", "Abstentions by reason.", ("worker", "reason")),
    Family("counter", "tocsin_over_budget", "Events that the budget of reviews had no room for.", ("worker",)),
    Family("counter", "tocsin_decisions", "Decisions by class.", ("worker", "class")),
    Family("counter", "tocsin_dead_letters", "Records put aside, by kind of fault.", ("worker", "kind")),
    Family("counter", "tocsin_labels", "Labels by what became of them.", ("worker", "outcome")),
    Family("counter", "tocsin_shortened", "Records of which something was left out to fit their topic.", ("worker",)),
    Family("counter", "tocsin_decided_twice", "Events that a worker decided again after a crash.", ("worker",)),
    Family("counter", "tocsin_duplicates", "Events that came again and were not decided again.", ("worker",)),
    Family("counter", "tocsin_feedback", "Feedback records learnt.", ("worker",)),
    Family("counter", "tocsin_alerts", "Alerts raised.", ("worker",)),
    Family("counter", "tocsin_judged_labels", "Labels that came for decisions, by class.", ("worker", "class")),
    Family("counter", "tocsin_judged_named", "Decisions whose labels came, by class named.", ("worker", "class")),
    Family("counter", "tocsin_judged_right", "Those of them whose label says the same.", ("worker", "class")),
    Family("counter", "tocsin_judged_cost", "What they cost, where the config has costs.", ("worker",)),
    Family("counter", "tocsin_judged_alerts", "Events with an alert at a budget whose labels came.", ("worker",)),
    Family("counter", "tocsin_judged_alerts_right", "Those of them that are of the class.", ("worker",)),
    Family("gauge", "tocsin_class_precision", "Precision of a class, labels of the last hour.", ("worker", "class")),
    Family("gauge", "tocsin_class_recall", "Recall of a class, labels of the last hour.", ("worker", "class")),
    Family("gauge", "tocsin_rare_auprc", "AUPRC of the class that raises alerts, last hour.", ("worker",)),
    Family("gauge", "tocsin_alert_precision", "Share of alerts that were right, last hour.", ("worker",)),
    Family("gauge", "tocsin_alert_recall", "Share of the class that raised an alert, last hour.", ("worker",)),
    Family("counter", "tocsin_quick_labels", "Events for which a quick label was asked.", ("worker",)),
    Family("counter", "tocsin_rebuilt", "Pending events read back from the logs.", ("worker",)),
    Family("counter", "tocsin_unfit_events", "Records read again that are no events by the schema.", ("worker",)),
    Family("counter", "tocsin_scored_anew", "Feedback whose event another model had seen.", ("worker",)),
    Family("counter", "tocsin_passed_over", "What the config has no use for in the logs.", ("worker", "reason")),
    Family("counter", "tocsin_without_decision", "Rebuilt events whose decision is gone.", ("worker",)),
    Family("counter", "tocsin_lost_records", "Records deleted before they were read.", ("worker", "topic")),
    Family("counter", "tocsin_forgotten", "Events and labels of subjects that were forgotten meanwhile.", ("worker",)),
    Family("counter", "tocsin_expired", "Pending events forgotten: too old, or too many.", ("worker",)),
    Family("counter", "tocsin_device_failures", "Batches that a device failed to score.", ("worker",)),
    Family("counter", "tocsin_batches", "Micro-batches worked off.", ("worker",)),
    Family("counter", "tocsin_snapshots_failed", "Snapshots of the model that were not written.", ("worker",)),
    Family("counter", "tocsin_went_back", "Goings back of the model, to be without some feedback.", ("worker",)),
    Family("counter", "tocsin_not_left_out", "Control records whose feedback stays learnt.", ("worker",)),
    Family("gauge", "tocsin_coverage", "Share of events decided since the worker started.", ("worker",)),
    Family("gauge", "tocsin_target_coverage", "Share of events that should be decided: monitor.target_coverage."),
    Family("gauge", "tocsin_expert_accuracy", "Recent (faded) accuracy of an expert.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_reliability", "Mean reliability, latest batch.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_engaged", "Share of events engaged for, latest batch.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_share", "Share of the routing, latest window of feedback.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_engaged_accuracy", "Accuracy where engaged, that window.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_consistency", "Local routing consistency, that window.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_nodes", "Branches and leaves of an expert's trees.", ("worker", "expert")),
    Family("gauge", "tocsin_expert_age_records", "Feedback records since it began (anew).", ("worker", "expert")),
    Family("gauge", "tocsin_expert_active", "1 for an active expert, 0 for a retired one.", ("worker", "expert")),
    Family(
        "gauge",
        "tocsin_expert_lifecycle_events",
        "How often an expert was regrown, merged, retired and revived, by the model's own count.",
        ("worker", "expert", "event"),
    ),
    Family("gauge", "tocsin_rule_precision", "How often a declared rule is right.", ("worker", "expert", "rule")),
    Family("gauge", "tocsin_rule_turned_bad", "1 for a rule that has turned bad.", ("worker", "expert", "rule")),
    Family("gauge", "tocsin_engaged_experts", "Mean experts engaged for an event, latest batch.", ("worker",)),
    Family("gauge", "tocsin_conformal_threshold", "Threshold that a decision has to pass.", ("worker",)),
    Family("gauge", "tocsin_conformal_alpha", "Error level that the threshold aims at.", ("worker",)),
    Family(
        "gauge",
        "tocsin_promise",
        "Whether at most the promised share of decisions is wrong: 0 kept, 1 at risk, 2 cannot be kept.",
        ("worker",),
    ),
    Family("gauge", "tocsin_promise_error", "Share of wrong ones, latest labelled decisions.", ("worker",)),
    Family("gauge", "tocsin_promise_silent", "1 while nothing is decided after a drift.", ("worker",)),
    Family("gauge", "tocsin_novel_groups", "Groups of novel events that are alike.", ("worker",)),
    Family("gauge", "tocsin_novel_group_events", "Events of the largest of these groups.", ("worker",)),
    Family(
        "histogram",
        "tocsin_batch_latency_seconds",
        "Time from poll to commit of the batches that held events.",
        ("worker", "le"),
    ),
    Family("gauge", "tocsin_lag_records", "Records that a worker has not read yet.", ("worker", "topic")),
    Family("gauge", "tocsin_partition_lag_records", "The same by partition.", ("worker", "topic", "partition")),
    Family("gauge", "tocsin_behind_seconds", "How long a worker needs for what waits for it.", ("worker",)),
    Family(
        "gauge",
        "tocsin_shedding",
        "What a worker gives up because it is too far behind: 0 nothing, 1 explanations, 2 experts as well.",
        ("worker",),
    ),
    Family(
        "gauge",
        "tocsin_stalled_partitions",
        "Partitions that a worker has, and that do not advance although there are records to read.",
        ("worker", "topic"),
    ),
    Family(
        "gauge",
        "tocsin_unattended_partitions",
        "Partitions that do not advance although there are records to read, and of which no worker tells.",
        ("topic",),
    ),
    Family("gauge", "tocsin_pending_events", "Its events that wait for their first label.", ("worker",)),
    Family("gauge", "tocsin_labelled_events", "Events that have a label and may get another.", ("worker",)),
    Family("gauge", "tocsin_waiting_labels", "Labels that wait for their event.", ("worker",)),
    Family("gauge", "tocsin_feedback_offset", "Where a worker's model stands in the feedback log.", ("worker",)),
    Family("gauge", "tocsin_worker_start_time_seconds", "When the worker started, Unix time.", ("worker",)),
    Family("gauge", "tocsin_worker_info", "Always 1.", ("worker", "service", "backend", "config")),
    Family("gauge", "tocsin_device_given_up", "1 while the CPU scores because the device failed.", ("worker",)),
    Family("gauge", "tocsin_worker_scores_on", "1: where a worker scores events.", ("worker", "place")),
    Family("counter", "tocsin_shadow_scored", "Events that the shadow scored.", ("worker",)),
    Family("counter", "tocsin_shadow_passed_over", "Events that the shadow did not score.", ("worker",)),
    Family("gauge", "tocsin_shadow_given_up", "1 while the shadow is given up, because it failed.", ("worker",)),
    Family("gauge", "tocsin_shadow_decides", "1 while the config of `shadow` decides.", ("worker",)),
    Family("gauge", "tocsin_shadow_compared_events", "Labelled events that both configs were compared on."),
    Family("gauge", "tocsin_shadow_accuracy", "Accuracy of whoever decides and of the shadow.", ("role",)),
    Family("gauge", "tocsin_shadow_balanced", "Mean recall of the classes, of both.", ("role",)),
    Family("gauge", "tocsin_shadow_gmean", "Geometric mean of the recalls, of both.", ("role",)),
    Family("gauge", "tocsin_shadow_coverage", "Share of events decided, of both.", ("role",)),
    Family("gauge", "tocsin_shadow_error", "Share of wrong ones among those decided, of both.", ("role",)),
    Family("gauge", "tocsin_shadow_wrong", "Share of events decided wrongly, of both.", ("role",)),
    Family(
        "gauge",
        "tocsin_shadow_advantage",
        "By how much the shadow is better: the estimate, and an interval that holds at all times.",
        ("measure", "bound"),
    ),
    Family("age", "tocsin_telemetry_age_seconds", "Since the last telemetry of the worker.", ("worker",)),
    Family("gauge", "tocsin_workers", "Workers heard of lately."),
    Family("gauge", "tocsin_models_disagree", "Snapshot offsets at which models of one config differ."),
    Family("counter", "tocsin_decision_records", "Records read from the decisions topic."),
    Family("counter", "tocsin_distinct_events", "Event ids met for the first time in the decisions topic."),
    Family("counter", "tocsin_repeated_decisions", "Decisions of an event id that had a decision already."),
    Family("counter", "tocsin_dead_letter_records", "Records read from the dead letters, by kind.", ("kind",)),
    Family("counter", "tocsin_monitor_records", "Records that the monitor read.", ("topic",)),
    Family("counter", "tocsin_monitor_bad_records", "Records that the monitor could not read.", ("topic",)),
    Family(
        "counter",
        "tocsin_monitor_foreign_records",
        "Telemetry of other services on the same topic, left aside.",
    ),
    Family("counter", "tocsin_monitor_errors", "Failed polls, while the broker was away or refused."),
    Family("gauge", "tocsin_monitor_lag_records", "Records that the monitor has not read yet.", ("topic",)),
)


class Metrics(Collector):
    """Values by metric and labels, in a registry of its own. One thread writes, any may scrape."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._lock = threading.RLock()
        # A counter without labels exists from the start, so that Prometheus sees its first step as an increase.
        self._values: dict[str, dict[Labels, float]] = {
            f.name: {(): 0.0} if f.kind == "counter" and not f.labels else {} for f in FAMILIES
        }
        self.registry.register(self)

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """Let a scrape see everything that is written in the block, or nothing of it."""
        with self._lock:
            yield

    def add(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Count up; an amount of 0 creates the series."""
        with self._lock:
            values = self._values[name]
            values[labels] = values.get(labels, 0.0) + amount

    def set(self, name: str, value: float | None, *labels: str) -> None:
        """Set a gauge; None removes its series."""
        with self._lock:
            if value is None:
                self._values[name].pop(labels, None)
            else:
                self._values[name][labels] = float(value)

    def get(self, name: str, *labels: str) -> float:
        """A value as it was set or counted; 0 where there is none."""
        with self._lock:
            return self._values[name].get(labels, 0.0)

    def remove(self, worker: str, kinds: Iterable[str] = ("counter", "gauge", "age", "histogram")) -> None:
        """Remove all series of a worker that are of these kinds."""
        with self._lock:
            for family in FAMILIES:
                if family.labels[:1] == ("worker",) and family.kind in kinds:
                    values = self._values[family.name]
                    for labels in [labels for labels in values if labels[0] == worker]:
                        del values[labels]

    def collect(self) -> Iterator[Metric]:
        """All metrics with their present values, for the registry."""
        now = self._clock()
        with self._lock:
            values = {name: dict(series) for name, series in self._values.items()}
        for family in FAMILIES:
            yield _metric(family, values[family.name], now)


def _metric(family: Family, values: dict[Labels, float], now: float) -> Metric:
    if family.kind == "histogram":
        return _histogram(family, values)
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in values.items():
        metric.add_metric(labels, max(0.0, now - value) if family.kind == "age" else value)
    return metric


def _histogram(family: Family, values: dict[Labels, float]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels[:-1])
    buckets: dict[Labels, dict[str, float]] = {}
    for (*labels, sample), value in values.items():
        buckets.setdefault(tuple(labels), {})[sample] = value
    for series, found in buckets.items():
        total = found.pop(SUM, None)
        metric.add_metric(series, sorted(found.items(), key=lambda item: float(item[0])), total)
    return metric


class CappedNames:
    """Names as label values: the first `limit` names keep their own, and all others become `OTHER`.

    What a terminal would not show as itself stands as an escape: people read `/metrics`, too.
    """

    def __init__(self, limit: int, first: Iterable[str] = ()) -> None:
        self._limit = limit
        self._names: set[str] = set()
        for name in first:
            self(name)

    def __call__(self, name: str) -> str:
        """The label value for a name."""
        name = printable(name[:LABEL_LENGTH])
        if name not in self._names:
            if len(self._names) >= self._limit:
                return OTHER
            self._names.add(name)
        return name
