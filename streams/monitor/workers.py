"""The workers, as their telemetry shows them.

A worker's totals start from 0 whenever it starts. The monitor adds them up over the runs of a worker, so that the
counters which it serves only ever grow, as Prometheus requires.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.models.decision.promise.state import STATES
from tocsin.streams.monitor import rules, standstill
from tocsin.streams.monitor.judged import shown
from tocsin.streams.monitor.judged.recent import RecentlyJudged
from tocsin.streams.monitor.metrics import OTHER, SUM, CappedNames, Labels, Metrics
from tocsin.streams.monitor.shadow.contest import Contest
from tocsin.streams.monitor.snapshot_digests import Disagreement, ToldSnapshots, disagreements, in_words
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.records import ExpertTelemetry, Telemetry
from tocsin.streams.worker.overload.shedding import LEVELS
from tocsin.streams.worker.reporting.counts import BATCH_SECONDS

WORKERS = 32
"""Workers that have series of their own; the totals of others are added up under `other`."""
TRACKED = 256
"""Workers whose totals are remembered; beyond it the one that reported least recently is forgotten."""
CLASSES = 64
EXPERTS = 64
KINDS = 32
"""Reasons, kinds of dead letters, outcomes of labels: so many names of each, and `other` for the rest."""
RULES = 256
"""Declared rules that have series of their own."""
PARTITIONS = 256
"""Numbers of partitions that have series of their own in each topic of a worker, and `other` for the rest."""
RUNS = 4
"""Runs of one worker whose totals are remembered: two workers that share a name by mistake report in turn."""
SILENT_SECONDS = 60.0
"""A worker that has not reported for so long, or for `SILENT_RECORDS` reports, counts as gone.

Most of its gauges are removed then, and its counters stay.
"""
SILENT_RECORDS = 5
MISSED_SECONDS = 900.0
"""How much longer the age of its telemetry is served, so that an alert on that age can fire."""

_TOTALS = (
    "events", "decided", "over_budget", "duplicates", "decided_twice", "feedback", "alerts", "quick_labels", "rebuilt",
    "expired", "batches", "shortened", "without_decision", "unfit_events", "scored_anew", "snapshots_failed",
    "went_back", "not_left_out", "forgotten",
)  # fmt: skip
_BUCKETS = (*map(str, BATCH_SECONDS), "+Inf")

Totals = dict[tuple[str, Labels], float]
"""Totals by metric and by the labels that follow the worker's."""


@dataclass(slots=True)
class WorkerStatus:
    """What is known of one worker."""

    label: str
    """The value of the label `worker` in its series."""
    last: Telemetry
    rate: float = 0.0
    """Events a second between its last two reports."""
    runs: OrderedDict[int, Totals] = field(default_factory=OrderedDict)
    """By start time, the totals that are counted already."""
    snapshots: ToldSnapshots = field(default_factory=ToldSnapshots)
    """The digests of its model."""
    judged: RecentlyJudged = field(default_factory=RecentlyJudged)
    """How decisions stand whose labels came of late."""


class Workers:
    """Counts telemetry into metrics, and keeps the latest report of each worker."""

    def __init__(self, metrics: Metrics, classes: Sequence[str] = (), interval: float = 1.0) -> None:
        """`interval` is the time between two reports of a worker, in seconds."""
        self._metrics = metrics
        self._silent_seconds = max(SILENT_SECONDS, SILENT_RECORDS * interval)
        self.contest = Contest()
        """What they tell of a shadow."""
        self._workers: OrderedDict[str, WorkerStatus] = OrderedDict()
        self._classes = CappedNames(CLASSES, classes)
        self._experts = CappedNames(EXPERTS)
        self._reasons = CappedNames(KINDS, ("uncertain", "conflict", "novel", "cold-start"))
        self._kinds = CappedNames(KINDS)
        self._outcomes = CappedNames(KINDS)
        self._topics = CappedNames(KINDS)
        self._reasons_passed_over = CappedNames(KINDS)
        self._lifecycle_events = CappedNames(KINDS)
        self._rules = CappedNames(RULES)

    def count(self, telemetry: Telemetry) -> None:
        """Count one report."""
        with self._metrics.atomically():
            worker = self._status(telemetry)
            self._count_totals(worker, telemetry)
            self.contest.note(telemetry)
            # A topic that is read again gives older reports than the last, which say nothing about the present.
            if telemetry.time >= worker.last.time:
                worker.rate = _rate(worker.last, telemetry)
                worker.last = telemetry
                worker.snapshots.note(telemetry)
                worker.judged.note(telemetry)
                if worker.label != OTHER:
                    self._set_gauges(worker.label, telemetry)
                    for name, value, labels in shown.gauges(worker.judged.figures(), self._classes, OTHER):
                        self._metrics.set(name, value, worker.label, *labels)

    def active(self, now: float) -> Iterator[WorkerStatus]:
        """The workers that reported lately, by name; `now` in seconds since the epoch."""
        for _, worker in sorted(self._workers.items()):
            if self._is_active(worker, now):
                yield worker

    def attended(self, since: float) -> set[Partition]:
        """The partitions that workers told of since an instant (seconds since the epoch)."""
        return standstill.attended((worker.last for worker in self._workers.values()), since)

    def refresh(self, now: float) -> None:
        """Compare the models, and remove the gauges of workers that are gone; to be called once in a while."""
        with self._metrics.atomically():
            active = list(self.active(now))
            self._metrics.set("tocsin_workers", len(active))
            self._metrics.set("tocsin_models_disagree", len(disagreeing(active)))
            for worker in self._workers.values():
                if worker.label == OTHER or self._is_active(worker, now):
                    continue
                missed = now - worker.last.time / 1000 > self._silent_seconds + MISSED_SECONDS
                self._metrics.remove(worker.label, ("gauge", "age") if missed else ("gauge",))

    def _is_active(self, worker: WorkerStatus, now: float) -> bool:
        return now - worker.last.time / 1000 <= self._silent_seconds

    def _status(self, telemetry: Telemetry) -> WorkerStatus:
        """The worker that a report is from, as the one that reported most recently."""
        name = telemetry.worker
        if name not in self._workers:
            if len(self._workers) >= TRACKED:
                self._forget(next(iter(self._workers)))
            self._workers[name] = WorkerStatus(self._label(telemetry), telemetry)
        self._workers.move_to_end(name)
        return self._workers[name]

    def _label(self, telemetry: Telemetry) -> str:
        """The label of a new worker; where all places are taken it needs that of a worker which is gone."""
        named = [worker for worker in self._workers.values() if worker.label != OTHER]
        if len(named) >= WORKERS:
            oldest = min(named, key=lambda worker: worker.last.time)
            if self._is_active(oldest, telemetry.time / 1000):
                return OTHER
            self._forget(oldest.last.worker)
        return CappedNames(1)(telemetry.worker)

    def _forget(self, name: str) -> None:
        worker = self._workers.pop(name)
        if worker.label != OTHER:
            self._metrics.remove(worker.label)

    def _count_totals(self, worker: WorkerStatus, telemetry: Telemetry) -> None:
        """Add what the totals of this run have grown by since they were counted last."""
        counted = worker.runs.setdefault(telemetry.started_at, {})
        worker.runs.move_to_end(telemetry.started_at)
        if len(worker.runs) > RUNS:
            worker.runs.popitem(last=False)
        for key, total in self._totals(telemetry).items():
            name, labels = key
            before = counted.get(key, 0)
            self._metrics.add(name, max(0, total - before), worker.label, *labels)
            counted[key] = max(total, before)

    def _totals(self, telemetry: Telemetry) -> Totals:
        totals: Totals = {(f"tocsin_{name}", ()): telemetry.counts.get(name, 0) for name in _TOTALS}
        for name, by_value, capped in (
            ("tocsin_abstained", telemetry.reasons, self._reasons),
            ("tocsin_decisions", telemetry.classes, self._classes),
            ("tocsin_dead_letters", telemetry.dead_letters, self._kinds),
            ("tocsin_lost_records", telemetry.lost, self._topics),
            ("tocsin_passed_over", telemetry.passed_over, self._reasons_passed_over),
            ("tocsin_labels", telemetry.labels, self._outcomes),
        ):
            for value, total in by_value.items():
                key = (name, (capped(value),))
                totals[key] = totals.get(key, 0) + total
        for topic in telemetry.lag:  # from the start, so that Prometheus sees the first loss as an increase
            totals.setdefault(("tocsin_lost_records", (self._topics(topic),)), 0)
        if (scoring := telemetry.scoring) is not None:
            totals["tocsin_device_failures", ()] = scoring.failures
        if (shadow := telemetry.shadow) is not None:
            totals["tocsin_shadow_scored", ()] = shadow.scored
            totals["tocsin_shadow_passed_over", ()] = shadow.passed_over
        for name, labels, figure in shown.totals(telemetry.judged, self._classes):
            totals[name, labels] = totals.get((name, labels), 0) + figure
        return totals | _batch_times(telemetry)

    def _set_gauges(self, label: str, telemetry: Telemetry) -> None:
        """Set the worker's gauges, and remove those that it does not report any more."""
        gauge = self._metrics.set
        self._metrics.remove(label, ("gauge", "age"))
        events, decided = telemetry.counts.get("events", 0), telemetry.counts.get("decided", 0)
        gauge("tocsin_coverage", decided / events if events > 0 else None, label)
        gauge("tocsin_conformal_threshold", telemetry.threshold, label)
        gauge("tocsin_conformal_alpha", telemetry.alpha, label)
        if (promise := telemetry.promise) is not None:
            gauge("tocsin_promise", STATES.index(promise.state), label)
            gauge("tocsin_promise_error", promise.error, label)
            gauge("tocsin_promise_silent", promise.silent, label)
        if (novel := telemetry.novel_groups) is not None:
            gauge("tocsin_novel_groups", novel.groups, label)
            gauge("tocsin_novel_group_events", novel.largest, label)
        if (scoring := telemetry.scoring) is not None:
            gauge("tocsin_device_given_up", scoring.failures > 0 and scoring.place == "cpu", label)
            gauge("tocsin_worker_scores_on", 1, label, CappedNames(1)(scoring.place))
        if (shadow := telemetry.shadow) is not None:
            gauge("tocsin_shadow_given_up", shadow.state == "given-up", label)
            gauge("tocsin_shadow_decides", shadow.decides == shadow.second, label)
        gauge("tocsin_pending_events", telemetry.pending, label)
        gauge("tocsin_labelled_events", telemetry.labelled, label)
        gauge("tocsin_waiting_labels", telemetry.waiting, label)
        gauge("tocsin_feedback_offset", telemetry.feedback_offset, label)
        gauge("tocsin_worker_start_time_seconds", telemetry.started_at / 1000, label)
        gauge(
            "tocsin_worker_info",
            1,
            label,
            telemetry.service,
            *(CappedNames(1)(name) for name in (telemetry.backend, telemetry.config)),
        )
        gauge("tocsin_telemetry_age_seconds", telemetry.time / 1000, label)
        lag: Counter[str] = Counter()
        for topic, records in telemetry.lag.items():
            lag[self._topics(topic)] += records
        for topic, records in lag.items():
            gauge("tocsin_lag_records", records, label, topic)
            gauge("tocsin_stalled_partitions", 0, label, topic)
        self._set_partition_gauges(label, telemetry)
        gauge("tocsin_behind_seconds", telemetry.behind_seconds, label)
        gauge("tocsin_shedding", LEVELS.index(telemetry.shed), label)
        gauge("tocsin_engaged_experts", telemetry.engaged, label)
        for expert, report in telemetry.experts.items():
            if (capped := self._experts(expert)) != OTHER:
                self._set_expert_gauges(report, label, capped)

    def _set_partition_gauges(self, label: str, telemetry: Telemetry) -> None:
        partitions: Counter[tuple[str, str]] = Counter()
        capped = CappedNames(PARTITIONS)
        for topic, lags in telemetry.partition_lag.items():
            for number, records in lags.items():
                partitions[self._topics(topic), capped(number)] += records
        for (topic, number), records in partitions.items():
            self._metrics.set("tocsin_partition_lag_records", records, label, topic, number)
        for topic, stalled in telemetry.stalled.items():
            self._metrics.set("tocsin_stalled_partitions", len(stalled), label, self._topics(topic))

    def _set_expert_gauges(self, report: ExpertTelemetry, *labels: str) -> None:
        """Set the gauges of one expert; a figure that is not known yet has no series."""
        gauge = self._metrics.set
        gauge("tocsin_expert_accuracy", report.accuracy, *labels)
        gauge("tocsin_expert_reliability", report.reliability, *labels)
        gauge("tocsin_expert_engaged", report.engaged, *labels)
        gauge("tocsin_expert_share", report.share, *labels)
        gauge("tocsin_expert_engaged_accuracy", report.engaged_accuracy, *labels)
        gauge("tocsin_expert_consistency", report.consistency, *labels)
        gauge("tocsin_expert_nodes", report.nodes, *labels)
        gauge("tocsin_expert_age_records", report.age, *labels)
        gauge("tocsin_expert_active", report.state == "active", *labels)
        for event, count in sorted(report.lifecycle.items()):
            gauge("tocsin_expert_lifecycle_events", count, *labels, self._lifecycle_events(event))
        for name, rule in report.rules.items():
            if (capped := self._rules(name)) != OTHER:
                gauge("tocsin_rule_precision", rule.precision, *labels, capped)
                gauge("tocsin_rule_turned_bad", rule.turned_bad, *labels, capped)


def alarms(workers: Sequence[WorkerStatus], unattended: Collection[Partition] = ()) -> list[str]:
    """What should not be, as sentences that are safe to show.

    Whose models differ (of several offsets the latest), which partitions stand still, and which declared rules have
    turned bad.
    """
    differ = [in_words(disagreement) for disagreement in disagreeing(workers)[:1]]
    reports = [worker.last for worker in workers]
    return [*differ, *standstill.in_words(reports, unattended), *rules.in_words(reports)]


def disagreeing(workers: Sequence[WorkerStatus]) -> list[Disagreement]:
    """Where the models of these workers differ and must not, the latest offset first."""
    return disagreements({worker.last.worker: worker.snapshots for worker in workers})


def _batch_times(telemetry: Telemetry) -> Totals:
    """The histogram of batches; empty for a worker of another release, which has none or other buckets."""
    times = telemetry.batch_seconds
    found = [] if times is None else [times.at_most.get(bucket, -1) for bucket in _BUCKETS]
    if times is None or found != sorted(found) or found[0] < 0 or times.total < 0:
        return {}
    name = "tocsin_batch_latency_seconds"
    buckets: Totals = {(name, (bucket,)): count for bucket, count in zip(_BUCKETS, found, strict=True)}
    return buckets | {(name, (SUM,)): times.total}


def _rate(before: Telemetry, after: Telemetry) -> float:
    """Events a second between two reports of one run, 0 where they are of different runs or of one instant."""
    milliseconds = after.time - before.time
    if before.started_at != after.started_at or milliseconds <= 0:
        return 0.0
    return max(0, after.counts.get("events", 0) - before.counts.get("events", 0)) * 1000 / milliseconds
