"""Counts of decisions and dead letters."""

from __future__ import annotations

from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.record_counts import DecisionCounts

from .support import record


def test_event_ids_are_forgotten_beyond_the_bound() -> None:
    metrics = Metrics()
    decisions = DecisionCounts(metrics, capacity=2)
    for event in ("a", "b", "a", "c", "a", "b"):
        decisions.count(record({"event": event, "status": "abstained"}))
    # b was forgotten when c came, because a had been met since.
    assert metrics.get("tocsin_repeated_decisions") == 2
    assert metrics.get("tocsin_distinct_events") == 4
