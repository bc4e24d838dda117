"""What a worker tells of itself, once in a while, on the topic `telemetry`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.fusion import backend
from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.registry import nodes
from tocsin.streams.wire.encode import finite
from tocsin.streams.worker.counts import Counts


def record(
    service: str,
    worker: str,
    started_at: int,
    now: int,
    classifier: Classifier,
    counts: Counts,
    last: Scores | None,
    pending: int,
    waiting: int,
) -> dict[str, Any]:
    """A telemetry record, as `tocsin.streams.wire.records.Telemetry`."""
    return {
        "service": service,
        "worker": worker,
        "time": now,
        "started_at": started_at,
        "feedback_offset": classifier.feedback_offset,
        "backend": backend(classifier.backend),
        "counts": counts.totals(),
        "reasons": dict(counts.reasons),
        "dead_letters": dict(counts.dead_letters),
        "labels": dict(counts.labels),
        "classes": dict(counts.classes),
        "experts": _experts(classifier, last),
        "engaged": float(last.engaged.sum(axis=1).mean()) if last is not None else None,
        "threshold": finite(classifier.abstention.threshold()),
        "alpha": classifier.abstention.alpha,
        "latency_ms": latencies(counts),
        "pending": pending,
        "waiting": waiting,
    }


def _experts(classifier: Classifier, last: Scores | None) -> dict[str, dict[str, Any]]:
    """Every expert as `tocsin.streams.wire.records.ExpertTelemetry`."""
    router, health = classifier.router, classifier.lifecycle.health()
    reliability = last.reliability.mean(axis=0).tolist() if last is not None else None
    engaged = last.engaged.mean(axis=0).tolist() if last is not None else None
    result: dict[str, dict[str, Any]] = {}
    for e, expert in enumerate(classifier.experts):
        # One that is retired scores nothing, and one that has just come back has not scored yet.
        scored = health[e].state == "active" and last is not None and bool(last.evidence[:, e].any())
        result[expert.name] = {
            "state": health[e].state,
            "age": health[e].age,
            "nodes": nodes(expert),
            "accuracy": float(router.skill[e]) if router.answers[e] > 0 else None,
            "reliability": reliability[e] if reliability is not None and scored else None,
            "engaged": engaged[e] if engaged is not None else None,
            "share": health[e].share,
            "engaged_accuracy": health[e].accuracy,
            "consistency": health[e].consistency,
            "lifecycle": health[e].events,
        }
    return result


def latencies(counts: Counts) -> dict[str, float]:
    """Milliseconds from poll to commit: p50, p99 and max of the latest batches."""
    if not counts.latencies:
        return {}
    values = 1000.0 * np.array(counts.latencies)
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
