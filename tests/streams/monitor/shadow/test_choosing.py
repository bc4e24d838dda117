"""Who may be chosen to decide, by what the workers of a service tell, and what is written then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.config.settings import Settings
from tocsin.streams.monitor.shadow.choosing import (
    ChoiceRefusedError,
    choose,
    last_choice,
    promotion,
    told_by_workers,
    way_back,
)
from tocsin.streams.monitor.shadow.figures import in_json
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.packed.control import read_control

from ....streams.support import Service, drain, running, settings
from ....streams.worker.shadow.beside import OTHER, feed, with_shadow

ANYTHING = {"measure": "coverage", "margin": 0.5, "confidence": 0.5, "after": 1}


class Operator:
    """Somebody who promotes and rolls back while the service runs."""

    def __init__(self, service: Service, config: Settings | None = None) -> None:
        self._service, self._config = service, config or service.settings
        self._transport = MemoryTransport(service.broker)

    def _told(self) -> Any:
        return told_by_workers(self._transport, self._config, self._service.clock())

    def promote(self) -> int:
        choice = promotion(self._config, self._told(), self._service.clock())
        return choose(self._transport, self._config, choice.control)

    def roll_back(self) -> int:
        last = last_choice(self._transport, self._config)
        choice = way_back(self._config, self._told(), self._service.clock(), last)
        self.told = choice.verdict.why
        return choose(self._transport, self._config, choice.control)


def report(service: Service, *workers: Any) -> None:
    """Let the workers tell how they stand."""
    service.clock.move(2)
    drain(*workers)


def test_promote_and_roll_back_write_who_decides_and_who_did(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, promotion=ANYTHING))
    operator = Operator(service)
    first, second = service.settings.digest(), service.settings.of_shadow.digest()  # type: ignore[union-attr]
    with running(service) as worker:
        feed(service, worker, 30)
        report(service, worker)
        offset = operator.promote()
        written = service.records("feedback")[-1]
        control = read_control(written.value or b"")
        assert (offset, control.kind, control.reason) == (written.offset, "decide-by", "promote")
        assert (control.config, control.before) == (second, first)
        report(service, worker)
        assert service.values("telemetry")[-1]["shadow"]["standing"]["offset"] == offset
        with pytest.raises(ChoiceRefusedError, match="decides already"):
            operator.promote()
        assert operator.roll_back() == offset + 1
        with pytest.raises(ChoiceRefusedError, match=f"config {first} decides already"):
            operator.roll_back()  # before any worker has told that it obeyed
        report(service, worker)
        with pytest.raises(ChoiceRefusedError, match=f"config {first} decides already"):
            operator.roll_back()
        feed(service, worker, 5, start=30)
    assert service.decisions[-1]["model"]["settings"] == first


def test_a_guard_rail_refuses_with_the_figures(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, promotion={"after": 10_000}))
    with running(service) as worker:
        feed(service, worker, 30)
        report(service, worker)
        with pytest.raises(
            ChoiceRefusedError, match=r"accuracy on 30 labelled events: decides 0\.\d+, shadow 0\.\d+"
        ) as e:
            Operator(service).promote()
    assert e.value.found is not None
    figures = in_json(e.value.found)  # which a refusal prints as JSON, too
    assert figures["events"] == 30
    assert set(figures["advantage"]) == {"accuracy", "balanced", "wrong", "coverage"}
    assert all(set(one) == {"estimate", "lower", "upper"} for one in figures["advantage"].values())
    assert not [r for r in service.records("feedback") if (r.value or b"").startswith(b"\xc1\x02")]


def test_nothing_is_promoted_where_a_worker_could_not_follow(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path / "1", promotion=ANYTHING))
    operator = Operator(service)
    with pytest.raises(ChoiceRefusedError, match="no worker was heard of lately"):
        operator.promote()
    with pytest.raises(ChoiceRefusedError, match="names no `shadow`"):
        Operator(service, settings(tmp_path / "1")).promote()
    with running(service) as worker:
        feed(service, worker, 10)
        report(service, worker)
        others = Operator(service, with_shadow(tmp_path / "1", other={**OTHER, "seed": 8}, promotion=ANYTHING))
        with pytest.raises(ChoiceRefusedError, match="run with other configs than this file and its shadow"):
            others.promote()
        with running(service, config=settings(tmp_path / "2")) as without:
            report(service, worker, without)
            with pytest.raises(ChoiceRefusedError, match="run with other configs"):
                operator.promote()
        worker._models._give_up(worker._models.beside, ZeroDivisionError("a user's model"))  # type: ignore[arg-type]
        report(service, worker)
        service.clock.move(90)  # the second worker is silent by now
        drain(worker)
        with pytest.raises(ChoiceRefusedError, match=r"the shadow was given up in .*a user's model"):
            operator.promote()


def test_a_way_back_is_open_where_the_file_was_edited_since_the_workers_started(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, promotion=ANYTHING))
    first = service.settings.digest()
    edited = with_shadow(tmp_path, seed=5, promotion={"margin": 0.0, "after": 10**6})
    assert edited.digest() != first
    with running(service) as worker:
        feed(service, worker, 30)
        report(service, worker)
        with pytest.raises(ChoiceRefusedError, match="no promotion to go back from"):
            Operator(service, edited).roll_back()
        Operator(service).promote()
        with pytest.raises(ChoiceRefusedError, match="have not come to the last choice yet"):
            Operator(service, edited).roll_back()
        report(service, worker)
        operator = Operator(service, edited)
        operator.roll_back()
        assert f"to config {first}. accuracy on 30 labelled events" in operator.told
        assert "promotion." not in operator.told  # nothing that reads like a refusal
        report(service, worker)
        feed(service, worker, 5, start=30)
    assert service.decisions[-1]["model"]["settings"] == first


def test_a_way_back_is_open_while_no_worker_runs(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, promotion=ANYTHING))
    first = service.settings.digest()
    with running(service) as worker:
        feed(service, worker, 30)
        report(service, worker)
        Operator(service).promote()
        report(service, worker)
    service.clock.move(1_000)
    operator = Operator(service)
    operator.roll_back()
    assert "obeyed when they start" in operator.told
    with pytest.raises(ChoiceRefusedError, match=f"config {first} decides already"):
        operator.roll_back()
    with running(service) as worker:
        feed(service, worker, 5, start=30)
    assert service.decisions[-1]["model"]["settings"] == first


def test_a_way_back_to_a_config_that_no_worker_has_is_refused(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, promotion=ANYTHING))
    with running(service) as worker:
        feed(service, worker, 10)
        report(service, worker)
        Operator(service).promote()
        feed(service, worker, 10, start=10)
    changed = with_shadow(tmp_path, seed=99, other={**OTHER, "seed": 7}, promotion=ANYTHING)
    with running(service, config=changed) as worker:
        report(service, worker)
        with pytest.raises(ChoiceRefusedError, match="is neither that of the config file nor its shadow's"):
            Operator(service, changed).roll_back()
