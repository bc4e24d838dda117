"""The telemetry record of a worker: what it did since it started, and how its experts fare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from tocsin.kernels.fusion import backend
from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.encode import finite
from tocsin.streams.wire.kinds.novelty import NovelGroupsTelemetry
from tocsin.streams.wire.records import (
    BatchSeconds,
    ExpertTelemetry,
    PartitionRestored,
    Restored,
    RuleTelemetry,
    Telemetry,
)
from tocsin.streams.worker.deciding.quick_labels import told
from tocsin.streams.worker.deciding.scoring import told as scored
from tocsin.streams.worker.learning.left_out_watch import left_out
from tocsin.streams.worker.overload.load import SeenLoad
from tocsin.streams.worker.reporting.counts import Counts

_Number = TypeVar("_Number", int, float)


class Identity(NamedTuple):
    """Which worker of which service reports."""

    service: str
    worker: str
    started_at: int
    """Epoch milliseconds."""


class Backlog(NamedTuple):
    """What a worker keeps, and how far it is behind."""

    pending: int
    """Events of the partitions that are assigned to this worker now, which wait for their label."""
    labelled: int
    """Events of these partitions that have a label, and are kept because another one may come."""
    waiting: int
    """Labels that wait for their event."""
    load: SeenLoad
    """What it has not read yet."""
    novel_groups: NovelGroupsTelemetry | None = None
    """The groups of novel events in these partitions."""


class SnapshotTaken(NamedTuple):
    """A snapshot of the model, by which two workers can tell whether their models are the same."""

    offset: int
    """The feedback offset: the model had learnt all records below it."""
    sha256: str
    """The digest of its arrays, see `tocsin.models.data.snapshot.digest`."""


class Restores(NamedTuple):
    """How a worker came by its model, and by each partition of the events that it has now, by its number."""

    model: Restored
    partitions: dict[int, PartitionRestored]


def report(
    identity: Identity,
    now: int,
    classifier: Classifier,
    counts: Counts,
    last: Scores | None,
    backlog: Backlog,
    snapshot: SnapshotTaken | None = None,
    restores: Restores | None = None,
) -> Telemetry:
    """The record at an instant (epoch ms); `last` are the scores of the latest batch, `snapshot` the latest one."""
    return Telemetry(
        **identity._asdict(),
        time=now,
        feedback_offset=classifier.feedback_offset,
        config=classifier.digest,
        backend=backend(classifier.backend),
        scoring=scored(classifier),
        counts=counts.totals(),
        reasons=dict(counts.reasons),
        dead_letters=dict(counts.dead_letters),
        labels=dict(counts.labels),
        lost=dict(counts.lost),
        passed_over=dict(counts.passed_over),
        classes=dict(counts.classes),
        judged=counts.judged.told(),
        experts=_experts(classifier, last),
        left_out=left_out(classifier),
        engaged=float(last.engaged.sum(axis=1).mean()) if last is not None else None,
        traffic=_traffic(last),
        novel_groups=backlog.novel_groups,
        threshold=finite(classifier.abstention.threshold()),
        alpha=classifier.abstention.alpha,
        promise=told(classifier),
        latency_ms=latencies(counts),
        batch_seconds=BatchSeconds(at_most=counts.batch_times.at_most(), total=counts.batch_times.seconds),
        pending=backlog.pending,
        labelled=backlog.labelled,
        waiting=backlog.waiting,
        lag=_by_topic(backlog.load.lag),
        partition_lag=by_partition(backlog.load.lag),
        stalled=by_partition(backlog.load.stalled),
        behind_seconds=round(backlog.load.behind, 3),
        shed=backlog.load.shed,
        snapshot_offset=None if snapshot is None else snapshot.offset,
        snapshot_sha256=None if snapshot is None else snapshot.sha256,
        restored=None if restores is None else restores.model,
        partitions_restored=_told(restores),
    )


def _told(restores: Restores | None) -> dict[str, PartitionRestored]:
    """How each partition was taken over, by its number."""
    return {} if restores is None else {str(n): one for n, one in sorted(restores.partitions.items())}


def _by_topic(figures: Mapping[Partition, int]) -> dict[str, int]:
    return {topic: sum(found.values()) for topic, found in by_partition(figures).items()}


def _traffic(last: Scores | None) -> dict[str, float]:
    """How far recent traffic tells of a class never seen, in the partitions of the latest batch."""
    of = [] if last is None else list(last.traffic.values())
    if not of:
        return {}
    shares = [one.share for one in of if one.share == one.share]
    labelled = {"labelled": sum(shares) / len(shares)} if shares else {}
    return {"speaks": sum(one.speaks for one in of) / len(of), **labelled}


def by_partition(figures: Mapping[Partition, _Number]) -> dict[str, dict[str, _Number]]:
    """Figures by topic and by the number of the partition."""
    found: dict[str, dict[str, _Number]] = {}
    for partition, figure in sorted(figures.items()):
        found.setdefault(partition.topic, {})[str(partition.index)] = figure
    return found


def _experts(classifier: Classifier, last: Scores | None) -> dict[str, ExpertTelemetry]:
    router, health = classifier.router, classifier.lifecycle.health()
    reliability = last.reliability.mean(axis=0).tolist() if last is not None else None
    engaged = last.engaged.mean(axis=0).tolist() if last is not None else None
    result: dict[str, ExpertTelemetry] = {}
    for e, expert in enumerate(classifier.experts):
        # One that is retired scores nothing, and one that has just come back has not scored yet.
        scored = health[e].state == "active" and last is not None and bool(last.evidence[:, e].any())
        result[expert.name] = ExpertTelemetry(
            state=health[e].state,
            age=health[e].age,
            nodes=expert.n_nodes,
            accuracy=float(router.skill[e]) if router.answers[e] > 0 else None,
            reliability=reliability[e] if reliability is not None and scored else None,
            engaged=engaged[e] if engaged is not None else None,
            share=health[e].share,
            engaged_accuracy=health[e].accuracy,
            consistency=health[e].consistency,
            lifecycle=health[e].events,
            rules={
                rule.name: RuleTelemetry(rule.confidence, rule.precision, rule.events, rule.turned_bad)
                for rule in expert.rules
            },
        )
    return result


def latencies(counts: Counts) -> dict[str, float]:
    """Milliseconds from poll to commit: p50, p99 and max of the latest batches."""
    if not counts.batch_times.latest:
        return {}
    values = 1000.0 * np.array(counts.batch_times.latest)
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
