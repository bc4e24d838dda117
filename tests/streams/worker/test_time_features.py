"""Times as features in a worker: what is kept of them teaches every worker alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..support import START, Service, bits, drain, running, settings

HOUR = 3_600_000
FEATURES: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "opened", "kind": "time", "unit": "seconds", "required": False},
    {"name": "at", "kind": "time", "path": "time", "zone": "Europe/Berlin"},
]
EXPERTS = [{"kind": "linear"}, {"kind": "tree", "grace_period": 20}]


def send(service: Service, start: int, stop: int) -> None:
    """Events 5 hours apart, of which those at night are `yes`, and their labels."""
    for i in range(start, stop):
        time = START + 5 * HOUR * i
        features = {"a": i % 7, "opened": (time - i % 9 * 86_400_000) // 1000 if i % 4 else None}
        service.send({"id": f"e{i}", "subject": "s", "time": time, "features": features})
        truth = "yes" if time // HOUR % 24 < 8 else "no"
        service.tell({"event": f"e{i}", "label": truth, "time": time + HOUR})


def config(directory: Path, **changes: Any) -> Any:
    return settings(directory, **{"schema": {"features": FEATURES}, "experts": EXPERTS, **changes})


def test_a_worker_that_rebuilds_its_model_from_the_feedback_holds_the_same_bits(tmp_path: Path) -> None:
    service = Service(config(tmp_path / "one"))
    with running(service) as first:
        for start in range(0, 120, 7):
            send(service, start, start + 7)
            drain(first)
        with running(service, config(tmp_path / "two")) as second:
            assert second.classifier.feedback_offset == first.classifier.feedback_offset == 126
            assert bits(second) == bits(first)
    kept = service.values(service.topics.feedback)[5]["event"]["features"]
    time = START + 25 * HOUR
    assert kept == {"a": 5.0, "opened": (time - 5 * 86_400_000) // 1000 * 1000, "at": time}


def test_what_hangs_on_the_hour_is_decided_by_it(tmp_path: Path) -> None:
    service = Service(config(tmp_path / "one"))
    with running(service) as worker:
        for start in range(0, 700, 20):
            send(service, start, start + 20)
            drain(worker)
    said = {d["event"]: d["label"] for d in service.decisions[600:]}
    truth = {f"e{i}": "yes" if (START + 5 * HOUR * i) // HOUR % 24 < 8 else "no" for i in range(600, 700)}
    decided = [event for event in said if said[event] is not None]
    assert len(decided) > 80
    assert sum(said[event] == truth[event] for event in decided) >= 0.9 * len(decided)


def test_a_config_that_adds_a_time_scores_anew_what_was_learnt_without_it(tmp_path: Path) -> None:
    service = Service(config(tmp_path / "one", schema={"features": FEATURES[:1]}))
    with running(service) as before:
        send(service, 0, 30)
        drain(before)
    with running(service, config(tmp_path / "one")) as old, running(service, config(tmp_path / "two")) as new:
        assert old.classifier.feedback_offset == 30
        assert bits(old) == bits(new)
        assert len(old.classifier.columns) == 1 + 5 + 5
