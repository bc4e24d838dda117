"""A service that has forgotten somebody still answers for all its other decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.verify import Verify
from tocsin.streams.replay.what_if.what_if import WhatIf
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.proof.kept_configs import kept_configs
from tocsin.streams.worker.erasing.forget import Forget

from ...support import Service, drain
from .searching import ON, SECRET, event_of, found_in, keeping, label_of, traffic_of

SUBJECTS = ["bob", "carl", "anna", "dora"]


def live(service: Service, forgets: bool) -> None:
    """Traffic of four subjects, after half of which `anna` may be forgotten."""
    with service.worker() as worker:
        for n, (event, label) in enumerate(traffic_of(SUBJECTS, 0, 60)):
            if forgets and n == 32:
                command = Forget(service.settings, MemoryTransport(service.broker))
                command.forget(command.find(["anna"]), now=service.clock())
                drain(worker)
                service.clock.move(2)
                worker.step(0)
            if forgets and n >= 32 and event["subject"] == "anna":
                event, label = event_of("eva", n), label_of("eva", n)
            service.send(event)
            drain(worker)
            service.tell(label)
            drain(worker)


def verified(service: Service, directory: Path) -> VerifyReport:
    state = service.settings.state.model_copy(update={"directory": directory, "snapshots": None})
    return Verify(service.settings.model_copy(update={"state": state}), MemoryTransport(service.broker)).run()


@pytest.mark.parametrize("forgets", [False, True], ids=["nobody is forgotten", "one is forgotten"])
def test_sealed_decisions_are_made_again_and_only_what_rested_on_the_forgotten_is_not(
    tmp_path: Path, forgets: bool
) -> None:
    service = keeping(tmp_path, erasure=ON)
    live(service, forgets)
    report = verified(service, tmp_path / "elsewhere")
    assert report.different == 0, report.as_json()
    assert set(report.not_checkable) == ({"erased", "erased-feedback"} if forgets else set())
    assert report.chain.whole
    assert report.good
    assert report.reproduced + report.not_checkable.total() == 60
    assert report.reproduced >= (28 if forgets else 60)  # all since the model has unlearnt what it cannot read
    if forgets:
        assert not found_in(service)


def test_the_same_config_would_change_nothing_of_what_was_sealed(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    live(service, forgets=False)
    report = WhatIf(service.settings, service.settings, MemoryTransport(service.broker)).run(Span())
    assert (report.events, report.changed, report.moved, report.judged) == (60, 0, 0, 60)
    other = keeping(tmp_path, erasure=ON, experts=[{"kind": "linear"}]).settings
    report = WhatIf(service.settings, other, MemoryTransport(service.broker)).run(Span())
    assert report.examples
    assert all(one.before["explanation"] is not None for one in report.examples)


def test_what_if_goes_on_past_a_forgotten_subject(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    live(service, forgets=True)
    report = WhatIf(service.settings, service.settings, MemoryTransport(service.broker)).run(Span())
    assert report.events == 60
    assert report.judged < 60


def test_the_secret_is_in_no_config_that_is_kept(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    live(service, forgets=False)
    kept = kept_configs(MemoryTransport(service.broker), service.topics.configs)
    assert kept
    assert all(SECRET.encode() not in value for value in kept.values())
