"""Declared rules in the service: heard from the first event on, corrected by labels, and reported once they are bad."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ...support import Service, drain, event, label, running, settings

RULES = [
    {"name": "big", "when": "a > 10 and b is not None", "class": "yes", "says": "A large a."},
    {"name": "small", "when": "a < 1", "class": "no", "confidence": 0.6},
]
EXPERTS = [{"kind": "rules", "name": "house", "rules": RULES}, {"kind": "linear"}]


def service_of(directory: Path, **changes: Any) -> Service:
    return Service(settings(directory, experts=EXPERTS, **changes))


def test_rules_are_heard_and_told_from_the_first_event_before_any_label(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    with running(service) as worker:
        service.send(event("e0", a=20.0), event("e1", a=5.0), event("e2", a=20.0, b=None))
        drain(worker)
    first, silent, unknown = service.decisions
    assert first["reason"] == "cold-start"  # no label tells yet how far the model can be trusted
    assert first["belief"]["yes"] > 2 * first["belief"]["no"] > 0
    told = {"rule": "big", "expert": "house", "label": "yes", "precision": 0.8, "says": "A large a."}
    assert first["explanation"]["rules"] == [told]
    for decision in (silent, unknown):
        assert decision["belief"] == {"no": 0.0, "yes": 0.0}
        assert "rules" not in decision["explanation"]


def test_without_abstention_a_rule_decides_from_the_first_event_on(tmp_path: Path) -> None:
    service = service_of(tmp_path, abstention={"enabled": False})
    with running(service) as worker:
        service.send(event("e0", a=20.0), event("e1", a=0.5))
        drain(worker)
    assert [(d["status"], d["label"]) for d in service.decisions] == [("decided", "yes"), ("decided", "no")]


def test_a_rule_that_turns_bad_is_logged_once_and_told_in_telemetry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_of(tmp_path)

    def bad_lines() -> list[str]:
        return [r.getMessage() for r in caplog.records if "has turned bad" in r.getMessage()]

    with caplog.at_level(logging.INFO), running(service) as worker:
        for i in range(60):
            service.send(event(f"e{i}", a=20.0))
            service.tell(label(f"e{i}", "no"))
            drain(worker)
            service.clock.move(2)
            drain(worker)
            if i == 2:
                assert bad_lines() == []
        assert len(bad_lines()) == 1
        assert bad_lines()[0].startswith("the rule big of house has turned bad: it is right in ")
        found = service.values("telemetry")[-1]["experts"]["house"]["rules"]
        assert found["big"]["turned_bad"]
        assert found["big"]["precision"] < 0.2
        assert not found["small"]["turned_bad"]
        for i in range(1_200):
            service.send(event(f"g{i}", a=20.0))
            service.tell(label(f"g{i}", "yes"))
        drain(worker)
        service.clock.move(2)
        drain(worker)
        assert len(bad_lines()) == 1
        assert any("the rule big of house is good again" in r.getMessage() for r in caplog.records)
