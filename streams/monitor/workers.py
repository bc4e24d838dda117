"""The workers, as their telemetry shows them.

A worker's totals start from 0 whenever it starts. Here they are added up over its runs, so that what is
served only ever grows, as Prometheus wants of a counter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.streams.monitor.metrics import (
    OTHER,
    Capped,
    Labels,
    Metrics,
)
from tocsin.streams.wire.records import ExpertTelemetry, Telemetry

WORKERS = 32
"""Workers that have series of their own; the totals of others are added up under `other`."""
TRACKED = 256
"""Workers whose totals are kept; beyond it the one longest silent is forgotten."""
CLASSES = 64
EXPERTS = 64
KINDS = 32
"""Reasons, kinds of dead letter, outcomes of labels: each so many, then `other`."""
RUNS = 4
"""Runs of one worker whose totals are kept: workers that share a name by mistake alternate between theirs."""
SILENT_SECONDS = 60.0
"""A worker silent for so long, or for `SILENT_RECORDS` records, is gone: most gauges go, its counters stay."""
SILENT_RECORDS = 5
MISSED_SECONDS = 900.0
"""The age of its telemetry is told so much longer, for whoever wants to be told of a worker that is gone."""

_TOTALS = (
    "events", "decided", "over_budget", "duplicates", "decided_twice", "feedback", "alerts", "rebuilt", "expired",
    "batches",
)  # fmt: skip
_FIGURES = ("accuracy", "reliability", "engaged", "share", "engaged_accuracy", "consistency", "nodes")
_QUANTILES = {"p50": "0.5", "p99": "0.99", "max": "1"}

Totals = dict[tuple[str, Labels], int]


@dataclass(slots=True)
class Seen:
    """What is known of one worker."""

    label: str
    last: Telemetry
    rate: float = 0.0
    """Events a second between its last two records."""
    runs: OrderedDict[int, Totals] = field(default_factory=OrderedDict)
    """By start time, the totals that were counted already."""


class Workers:
    """Counts telemetry into metrics, and keeps the latest of each worker."""

    def __init__(self, metrics: Metrics, classes: Sequence[str] = (), interval: float = 1.0) -> None:
        """`interval` is that between two records of a worker, in seconds."""
        self._metrics = metrics
        self._patience = max(SILENT_SECONDS, SILENT_RECORDS * interval)
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._classes = Capped(CLASSES, classes)
        self._experts = Capped(EXPERTS)
        self._reasons = Capped(KINDS, ("uncertain", "conflict", "novel", "cold-start"))
        self._kinds = Capped(KINDS)
        self._outcomes = Capped(KINDS)
        self._befell = Capped(KINDS)

    def take(self, telemetry: Telemetry) -> None:
        """Count one record."""
        with self._metrics.together():
            seen = self._of(telemetry)
            self._count(seen, telemetry)
            # An older record than the last shows nothing of now; it comes where a log is read again.
            if telemetry.time >= seen.last.time:
                seen.rate = _rate(seen.last, telemetry)
                seen.last = telemetry
                if seen.label != OTHER:
                    self._show(seen.label, telemetry)

    def living(self, now: float) -> Iterator[Seen]:
        """The workers heard of lately, by name; `now` in seconds."""
        for _, seen in sorted(self._seen.items()):
            if self._lives(seen, now):
                yield seen

    def settle(self, now: float) -> None:
        """Once in a while: gauges of workers that are gone go, too."""
        with self._metrics.together():
            self._metrics.set("tocsin_workers", sum(1 for _ in self.living(now)))
            for seen in self._seen.values():
                if seen.label == OTHER or self._lives(seen, now):
                    continue
                missed = now - seen.last.time / 1000 > self._patience + MISSED_SECONDS
                self._metrics.forget(seen.label, ("gauge", "age") if missed else ("gauge",))

    def _lives(self, seen: Seen, now: float) -> bool:
        return now - seen.last.time / 1000 <= self._patience

    def _of(self, telemetry: Telemetry) -> Seen:
        worker = telemetry.worker
        if worker not in self._seen:
            if len(self._seen) >= TRACKED:
                self._forget(next(iter(self._seen)))
            self._seen[worker] = Seen(self._label(telemetry), telemetry)
        self._seen.move_to_end(worker)
        return self._seen[worker]

    def _label(self, telemetry: Telemetry) -> str:
        """A label value of the worker's own, if need be that of one which is gone."""
        named = [seen for seen in self._seen.values() if seen.label != OTHER]
        if len(named) >= WORKERS:
            silent = min(named, key=lambda seen: seen.last.time)
            if self._lives(silent, telemetry.time / 1000):
                return OTHER
            self._forget(silent.last.worker)
        return Capped(1)(telemetry.worker)

    def _forget(self, worker: str) -> None:
        seen = self._seen.pop(worker)
        if seen.label != OTHER:
            self._metrics.forget(seen.label)

    def _count(self, seen: Seen, telemetry: Telemetry) -> None:
        counted = seen.runs.setdefault(telemetry.started_at, {})
        seen.runs.move_to_end(telemetry.started_at)
        if len(seen.runs) > RUNS:
            seen.runs.popitem(last=False)
        for key, total in self._totals(telemetry).items():
            name, labels = key
            before = counted.get(key, 0)
            self._metrics.add(name, max(0, total - before), seen.label, *labels)
            counted[key] = max(total, before)

    def _totals(self, telemetry: Telemetry) -> Totals:
        totals: Totals = {(f"tocsin_{name}", ()): telemetry.counts.get(name, 0) for name in _TOTALS}
        for name, found, cap in (
            ("tocsin_abstained", telemetry.reasons, self._reasons),
            ("tocsin_decisions", telemetry.classes, self._classes),
            ("tocsin_dead_letters", telemetry.dead_letters, self._kinds),
            ("tocsin_labels", telemetry.labels, self._outcomes),
        ):
            for value, total in found.items():
                key = (name, (cap(value),))
                totals[key] = totals.get(key, 0) + total
        return totals

    def _show(self, label: str, telemetry: Telemetry) -> None:
        """Set the worker's gauges, and none that it does not tell of any more."""
        show = self._metrics.set
        self._metrics.forget(label, ("gauge", "age"))
        events, decided = telemetry.counts.get("events", 0), telemetry.counts.get("decided", 0)
        show("tocsin_coverage", decided / events if events > 0 else None, label)
        show("tocsin_conformal_threshold", telemetry.threshold, label)
        show("tocsin_conformal_alpha", telemetry.alpha, label)
        show("tocsin_pending_events", telemetry.pending, label)
        show("tocsin_waiting_labels", telemetry.waiting, label)
        show("tocsin_feedback_offset", telemetry.feedback_offset, label)
        show("tocsin_worker_start_time_seconds", telemetry.started_at / 1000, label)
        show("tocsin_worker_info", 1, label, telemetry.service, Capped(1)(telemetry.backend))
        show("tocsin_telemetry_age_seconds", telemetry.time / 1000, label)
        for name, quantile in _QUANTILES.items():
            latency = telemetry.latency_ms.get(name)
            show("tocsin_batch_latency_seconds", None if latency is None else latency / 1000, label, quantile)
        show("tocsin_engaged_experts", telemetry.engaged, label)
        for expert, told in telemetry.experts.items():
            if (capped := self._experts(expert)) != OTHER:
                self._show_expert(told, label, capped)

    def _show_expert(self, told: ExpertTelemetry, *labels: str) -> None:
        """Set the gauges of one expert; what is not known yet has no series."""
        show = self._metrics.set
        for figure in _FIGURES:
            show(f"tocsin_expert_{figure}", getattr(told, figure), *labels)
        show("tocsin_expert_age_records", told.age, *labels)
        show("tocsin_expert_active", told.state == "active", *labels)
        for event, count in sorted(told.lifecycle.items()):
            show("tocsin_expert_lifecycle_events", count, *labels, self._befell(event))


def _rate(before: Telemetry, after: Telemetry) -> float:
    """Events a second, 0 where the two records do not say."""
    milliseconds = after.time - before.time
    if before.started_at != after.started_at or milliseconds <= 0:
        return 0.0
    return max(0, after.counts.get("events", 0) - before.counts.get("events", 0)) * 1000 / milliseconds
