"""What a worker tells of itself, once in a while, on the topic `telemetry`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.fusion import backend
from tocsin.models.classifier import Classifier, Scores
from tocsin.streams.counts import Counts
from tocsin.streams.outputs import finite


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
    """A telemetry record, as `tocsin.streams.records.Telemetry`."""
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
        "threshold": finite(classifier.abstention.threshold()),
        "alpha": classifier.abstention.alpha,
        "latency_ms": latencies(counts),
        "pending": pending,
        "waiting": waiting,
    }


def _experts(classifier: Classifier, last: Scores | None) -> dict[str, dict[str, float]]:
    reliability = last.reliability.mean(axis=0) if last is not None else np.zeros(len(classifier.experts))
    engaged = last.engaged.mean(axis=0) if last is not None else np.zeros(len(classifier.experts))
    return {
        expert.name: {
            "accuracy": float(classifier.router.skill[e]),
            "reliability": float(reliability[e]),
            "engaged": float(engaged[e]),
        }
        for e, expert in enumerate(classifier.experts)
    }


def latencies(counts: Counts) -> dict[str, float]:
    """Milliseconds from poll to commit: p50, p99 and max of the latest batches."""
    if not counts.latencies:
        return {}
    values = 1000.0 * np.array(counts.latencies)
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
