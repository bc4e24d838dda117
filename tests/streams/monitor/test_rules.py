"""Declared rules that have turned bad are an alarm, and a figure of every rule is served."""

from __future__ import annotations

from typing import Any

from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.workers import RULES, Workers, alarms

from .support import parsed, samples, telemetry


def rule(turned_bad: bool, precision: float = 0.12) -> dict[str, Any]:
    return {"confidence": 0.8, "precision": precision, "events": 50.0, "turned_bad": turned_bad}


def workers_of(*reports: dict[str, Any]) -> tuple[Workers, Metrics]:
    metrics = Metrics()
    workers = Workers(metrics)
    for report in reports:
        workers.count(parsed(report))
    return workers, metrics


def said(workers: Workers) -> list[str]:
    return alarms(list(workers._workers.values()))


def test_a_rule_that_has_turned_bad_is_an_alarm() -> None:
    workers, metrics = workers_of(telemetry(experts={"house": {"rules": {"big": rule(True), "old": rule(False, 0.9)}}}))
    told = "it is right in 12% of the events on which it fires, and 80% was declared."
    assert said(workers) == [f"The rule big of house has turned bad: {told}"]
    found = {s.labels["rule"]: s.value for s in samples(metrics, "tocsin_rule_turned_bad")}
    assert found == {"big": 1, "old": 0}
    assert metrics.get("tocsin_rule_precision", "w1", "house", "old") == 0.9


def test_the_worker_whose_model_has_learnt_the_most_says_how_rules_stand() -> None:
    old = telemetry("w1", feedback_offset=5, experts={"house": {"rules": {"big": rule(True)}}})
    new = telemetry("w2", feedback_offset=9, experts={"house": {"rules": {"big": rule(False)}}})
    assert said(workers_of(old, new)[0]) == []


def test_no_number_or_name_of_rules_fills_the_page_or_the_memory() -> None:
    names = [f"r{i}" for i in range(RULES + 9)] + ["\x1b[2J<b>" + "x" * 999]
    workers, metrics = workers_of(telemetry(experts={"house": {"rules": {name: rule(True) for name in names}}}))
    told = said(workers)
    assert len(told) == 6
    assert told[-1] == f"{len(names) - 5} more rules have turned bad."
    assert len(samples(metrics, "tocsin_rule_turned_bad")) == RULES
    hostile, _ = workers_of(telemetry(experts={"house": {"rules": {names[-1]: rule(True)}}}))
    assert "\x1b" not in said(hostile)[0]
    assert len(said(hostile)[0]) < 400
