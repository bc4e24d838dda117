"""A worker that is too far behind gives up explanations, then experts, says so, and takes them back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tocsin.config.service import OverloadSettings
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.records import Decision, Shed
from tocsin.streams.worker.overload.shedding import Shedding
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, drain, running, settings, stream, text_settings

TAUGHT = 100
EXPERTS = [{"kind": "linear"}, {"kind": "persistence", "by": "subject"}, {"kind": "tree", "grace_period": 10}]


def shedding(**changes: Any) -> Shedding:
    found = Shedding(OverloadSettings(**({"shed": "experts"} | changes)))
    found.took(1_000, 1.0)  # a millisecond each
    return found


def levels(one: Shedding, lag: int, seconds: range) -> list[Shed | None]:
    return [one.see(lag, 1_000 * second) for second in seconds]


def test_only_who_is_behind_for_long_gives_something_up_and_one_thing_after_the_other() -> None:
    one = shedding()
    assert set(levels(one, 59_000, range(100))) == {None}
    assert levels(one, 61_000, range(100, 130)) == [None] * 30
    assert levels(one, 61_000, range(130, 160)) == ["explanations"] * 30
    assert levels(one, 61_000, range(160, 260)) == ["experts"] * 100


def test_it_is_taken_back_only_when_the_worker_has_caught_up_for_long() -> None:
    one = shedding()
    levels(one, 61_000, range(70))
    assert one.level == "experts"
    assert set(levels(one, 30_000, range(70, 200))) == {"experts"}, "less than the bound is not enough"
    assert levels(one, 10_000, range(200, 230)) == ["experts"] * 30
    assert levels(one, 10_000, range(230, 260)) == ["explanations"] * 30
    assert levels(one, 10_000, range(260, 300)) == [None] * 40


def test_a_short_dip_begins_the_wait_anew() -> None:
    one = shedding()
    levels(one, 61_000, range(29))
    one.see(30_000, 29_000)
    assert set(levels(one, 61_000, range(30, 60))) == {None}
    assert one.see(61_000, 60_000) == "explanations"


@pytest.mark.parametrize(("shed", "last"), [("none", None), ("explanations", "explanations"), ("experts", "experts")])
def test_nothing_is_given_up_that_the_config_does_not_name(shed: str, last: Shed | None) -> None:
    assert levels(shedding(shed=shed), 10**9, range(500))[-1] == last
    assert OverloadSettings().shed == "explanations"


def test_every_step_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    one = shedding()
    with caplog.at_level(logging.WARNING):
        levels(one, 61_000, range(200))
        levels(one, 0, range(200, 400))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert lines[0].startswith("61000 records wait, about 61 s of work: from now on events that are decided and raise")
    assert "all explanations are written and all experts asked again" in lines[-1]


# What it means for decisions


def two_ways(
    config: Callable[[Path], Any], directory: Path, shed: Shed, n: int
) -> tuple[list[Any], list[Any], Service]:
    """The decisions on the same events by the same model, as always and while something is given up."""
    found: list[list[Any]] = []
    for level in (None, shed):
        service = Service(config(directory / str(level)))
        with running(service) as worker:
            feed(service, worker, 0, TAUGHT)
            service.send(*[event for event, _ in stream(n, TAUGHT)])
            worker._model.decide.shed = level
            drain(worker)
        found.append(service.decisions[TAUGHT:])
    return found[0], found[1], service


@pytest.mark.parametrize("n", [1, 60], ids=["one by one", "as a batch"])
def test_without_explanations_everything_else_stays_the_same(tmp_path: Path, n: int) -> None:
    def config(directory: Path) -> Any:
        return settings(directory, experts=EXPERTS)

    usual, shed, service = two_ways(config, tmp_path, "explanations", n)
    assert [d.pop("shed") for d in shed] == ["explanations"] * n
    decided = [i for i, d in enumerate(usual) if d["status"] == "decided"]
    assert decided
    if n > 1:
        assert len(decided) < n
    for i, (one, other) in enumerate(zip(usual, shed, strict=True)):
        explanation, without = one.pop("explanation"), other.pop("explanation")
        assert explanation is not None
        assert without == (None if i in decided else explanation)
        assert {**one, "decided_at": 0, "model": 0} == {**other, "decided_at": 0, "model": 0}
    reviews = service.values("review")
    assert all(review["decision"]["explanation"] is not None for review in reviews)


def test_the_bytes_are_those_of_the_struct(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, experts=EXPERTS))
    with running(service) as worker:
        feed(service, worker, 0, TAUGHT)
        worker._model.decide.shed = "experts"
        service.send(*[event for event, _ in stream(40, 100)])
        drain(worker)
    for record in service.records("decisions")[100:]:
        assert encode(msgspec.json.decode(record.value or b"", type=Decision)) == record.value


def test_who_raises_an_alert_keeps_the_explanation(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path))
    with running(service) as worker:
        worker._model.decide.shed = "explanations"
        for i in range(60):
            spam = i % 2 == 0
            text = "buy cheap pills now" if spam else "see you at lunch tomorrow"
            service.send({"id": f"e{i}", "subject": f"s{spam}", "time": 1_700_000_000_000 + i, "text": text})
            service.tell({"event": f"e{i}", "label": "spam" if spam else "ham", "time": 1_700_000_000_000 + i})
            drain(worker)
    alerts = service.values("alerts")
    assert alerts
    assert all(alert["explanation"] is not None for alert in alerts)
    explained = {(d["subject"], d["time"]) for d in service.decisions if d["explanation"] is not None}
    assert all((alert["subject"], alert["time"]) in explained for alert in alerts)
    assert any(d["explanation"] is None for d in service.decisions)


@pytest.mark.parametrize("engage", [1.0, 0.9])
def test_fewer_experts_are_asked_and_learning_goes_on_for_all(tmp_path: Path, engage: float) -> None:
    model = {"experts": EXPERTS, "lifecycle": {"window": 50}, "router": {"engage": engage}}
    service = Service(settings(tmp_path, overload={"shed": "experts", "share": 0.3}, **model))
    with running(service) as worker:
        feed(service, worker, 0, 120)
        before = [expert.state_dict() for expert in worker.classifier.experts]
        worker._model.decide.shed = "experts"
        service.send(*[event for event, _ in stream(40, 120)])
        drain(worker)
        last = worker._model.decide.last
        assert last is not None
        asked = last.answers.any(axis=2).any(axis=0)
        assert 1 <= asked.sum() < len(EXPERTS)
        assert not last.engaged[:, ~asked].any()
        service.tell(*[label for _, label in stream(40, 120)])
        drain(worker)
        skills = worker.classifier.router.answers.copy()
        assert worker.classifier.learnt == 160
        for expert, earlier in zip(worker.classifier.experts, before, strict=True):
            now = expert.state_dict()
            changed = any((now[name] != earlier[name]).any() for name in now)
            assert changed or not now, f"{expert.name} has learnt nothing"
        assert skills[asked].min() > skills[~asked].max(), "who was not asked has given no answer"
        missed = worker.classifier.state_dict().get("gate/missed")
        assert (missed is None) == (engage == 1.0)
        if missed is not None:
            assert missed.tolist() == (~asked).tolist(), "labels must find in the log who was asked"
    assert [d["shed"] for d in service.decisions[-40:]] == ["experts"] * 40
    # Another worker, which was never behind, learns the same from the same feedback.
    with running(service, settings(tmp_path / "other", **model)) as other:
        assert bits(other) == bits(worker)


def feed(service: Service, worker: Worker, start: int, n: int) -> None:
    for i, (event, label) in enumerate(stream(n, start)):
        service.send(event)
        service.tell(label)
        if i % 20 == 0:
            drain(worker)
    drain(worker)


def test_a_worker_that_is_behind_says_so_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(
        settings(
            tmp_path, batching={"max_events": 1}, overload={"behind_seconds": 1.0, "patience_seconds": 2.0},
            monitor={"interval_seconds": 1.0},
        )
    )  # fmt: skip
    with running(service) as worker:
        worker._load._shedding.took(1, 100.0)  # records have taken very long
        service.send(*[event for event, _ in stream(60)])
        shed = []
        for _ in range(40):
            service.clock.move(1)
            worker.step(0)
            last = orjson.loads(service.records("telemetry")[-1].value or b"")
            shed.append(last["shed"])
        assert shed[0] is None
        assert "explanations" in shed
        drain(worker)
        for _ in range(10):
            service.clock.move(1)
            worker.step(0)
        assert service.values("telemetry")[-1]["shed"] is None
        service.send(*[event for event, _ in stream(1, 60)])
        drain(worker)
    assert "shed" not in service.decisions[0]
    assert "shed" in service.decisions[30]
    assert "shed" not in service.decisions[-1]
