"""A subject is forgotten while workers decide and join what it sends: all of them forget the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.streams.replay.verify.verifying import verify
from tests.streams.support import Service, bits, drain, running
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.packed.feedback import sealed_under
from tocsin.streams.wire.sealing.logged_keys import LoggedKeys, is_erased, seals_of
from tocsin.streams.wire.sealing.secret import Secret
from tocsin.streams.worker.erasing.forget import Forget
from tocsin.streams.worker.worker import Worker

from .searching import ON, found_in, keeping, traffic_of

SUBJECTS = ["bob", "anna", "carl"]
TAUGHT, MORE = 18, 6


def command(service: Service) -> Forget:
    return Forget(service.settings, MemoryTransport(service.broker))


def elsewhere(service: Service, directory: Path) -> Any:
    """The settings of a worker without a state."""
    state = service.settings.state.model_copy(update={"directory": directory, "snapshots": None})
    return service.settings.model_copy(update={"state": state})


def teach(service: Service, worker: Worker, start: int, n: int) -> None:
    for event, label in traffic_of(SUBJECTS, start, n):
        service.send(event)
        drain(worker)
        service.tell(label)
        drain(worker)


def look(service: Service, worker: Worker) -> None:
    """Let the worker do what it does once in a while."""
    for _ in range(3):
        service.clock.move(2)
        drain(worker)
        worker._sharing.close()


@pytest.mark.parametrize("decided", [False, True], ids=["with its event", "of an event that is decided"])
def test_a_label_that_is_joined_while_its_subject_is_forgotten_stays_in_no_model(tmp_path: Path, decided: bool) -> None:
    """It would be sealed under a deleted key, so that the workers that learn it hold what no other can read."""
    service = keeping(tmp_path, erasure=ON)
    events, labels = zip(*traffic_of(SUBJECTS, TAUGHT, MORE), strict=True)
    with service.worker() as worker:
        teach(service, worker, 0, TAUGHT)
        service.send(*events)
        if decided:
            drain(worker)
        service.tell(*labels)
        forgetting = command(service)
        forgetting.forget(forgetting.find(["anna"]), now=service.clock())
        drain(worker)
        look(service, worker)
        live = bits(worker)
    assert found_in(service) == set()
    with running(service, elsewhere(service, tmp_path / "fresh")) as fresh:
        assert bits(fresh) == live


def test_what_comes_between_the_question_and_the_answer_is_forgotten_as_well(tmp_path: Path) -> None:
    """Somebody is asked first, and meanwhile workers go on."""
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        forgetting = command(service)
        found = forgetting.find(["anna"])
        teach(service, worker, 0, TAUGHT)
        report = forgetting.forget(found, now=service.clock())
        look(service, worker)
        live = bits(worker)
    assert (report.keys, report.feedback, report.unknown) == (1, TAUGHT // len(SUBJECTS), 0)
    assert sum(len(control.offsets) for _, control in service.controls) == report.feedback
    assert found_in(service) == set()
    with running(service, elsewhere(service, tmp_path / "fresh")) as fresh:
        assert bits(fresh) == live


def test_decisions_behind_what_was_sealed_too_late_are_verified(tmp_path: Path) -> None:
    """A worker had not read yet that the key is deleted. No model has learnt its record, and none rests on it."""
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        teach(service, worker, 0, TAUGHT)
        late = service.records("feedback")[1]
        forgetting = command(service)
        forgetting.forget(forgetting.find(["anna"]), now=service.clock())
        [(_, control)] = service.controls
        assert control.keys == [(sealed_under(late.value or b"") or b"").hex()]
        drain(worker)
        service.broker.append("feedback", late.key, late.value, late.headers)
        look(service, worker)
        teach(service, worker, TAUGHT, MORE)
        live = bits(worker)
    with running(service, elsewhere(service, tmp_path / "fresh")) as fresh:
        assert bits(fresh) == live
    report = verify(service, tmp_path / "other")
    assert report.good
    assert report.reproduced == 1 + MORE  # before the first label, and since
    assert set(report.not_checkable) == {"erased", "erased-feedback"}
    assert report.not_checkable.total() == TAUGHT - 1


def test_a_deleted_key_is_looked_for_once_however_much_it_has_sealed(tmp_path: Path) -> None:
    """Each look asks the broker for the end of the topic."""
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        teach(service, worker, 0, TAUGHT)
    forgetting = command(service)
    forgetting.forget(forgetting.find(["anna"]), now=service.clock())
    asked: list[str] = []

    class Counting(MemoryTransport):
        def end_offsets(self, topic: str) -> Any:
            asked.append(topic)
            return super().end_offsets(topic)

    seals = seals_of(service.settings, Counting(service.broker))
    erased = [is_erased(record.value or b"", seals) for record in service.records("feedback")]
    assert sum(erased) == TAUGHT // len(SUBJECTS)
    assert len(asked) == 2  # at the beginning, and for the key
    secret = Secret.of(service.settings)
    assert secret is not None
    keys = LoggedKeys(MemoryTransport(service.broker), "keys", secret)
    key = keys.of_subject("anna")  # one that was looked for in vain is found once it is made
    assert keys.by_id(key.id) is not None
