"""What becomes of a service whose secret, keys or sealed bytes are not as they should be."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.streams.transport.base import Record
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.packed.feedback import SEALED, read_sealed
from tocsin.streams.wire.sealing.json_records import is_sealed
from tocsin.streams.wire.sealing.logged_keys import is_erased, seals_of
from tocsin.streams.wire.sealing.secret import DamagedSealError, ErasureError, Secret
from tocsin.streams.worker.erasing.forget import Forget, required_secret
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.learning.rollback import rollback
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, crash, drain, running
from .searching import ON, event_of, keeping, label_of, traffic_of


def taught(directory: Path, **changes: Any) -> Service:
    """A service that has learnt of a few sealed events."""
    service = keeping(directory, **{"erasure": ON, **changes})
    with service.worker() as worker:
        for event, label in traffic_of(["bob", "anna"], 0, 12):
            service.send(event)
            service.tell(label)
            drain(worker)
    return service


def changed(service: Service, **erasure: Any) -> Any:
    """The settings of a service with other ones of erasure."""
    return service.settings.model_copy(
        update={"erasure": type(service.settings.erasure)(**{"enabled": True, **erasure})}
    )


def elsewhere(service: Service, directory: Path) -> Any:
    """The settings of a worker without a state."""
    state = service.settings.state.model_copy(update={"directory": directory, "snapshots": None})
    return service.settings.model_copy(update={"state": state})


def replace(service: Service, topic: str, offset: int, value: bytes) -> None:
    """Change a record in its topic."""
    [stored] = service.broker.stored_partitions(topic)
    stored.records[offset] = stored.records[offset]._replace(value=value)


def test_a_missing_secret_is_one_clear_error_before_anything_is_read(tmp_path: Path) -> None:
    service = taught(tmp_path)
    with pytest.raises(ErasureError, match="TOCSIN_ERASURE__SECRET"):
        service.worker(changed(service))


def test_another_secret_than_that_of_the_keys_is_refused(tmp_path: Path) -> None:
    service = taught(tmp_path)
    wrong = changed(service, secret="another secret than before")
    with (
        pytest.raises(ErasureError, match="wrapped by another secret"),
        service.worker(elsewhere(service, tmp_path / "other").model_copy(update={"erasure": wrong.erasure})),
    ):
        pass
    with pytest.raises(ErasureError, match="wrapped by another secret"):
        seals_of(wrong, MemoryTransport(service.broker))
    with pytest.raises(ErasureError, match="wrapped by another secret"):
        Forget(wrong, MemoryTransport(service.broker)).find(["anna"])


def test_another_secret_is_refused_by_a_worker_that_has_read_all_keys(tmp_path: Path) -> None:
    service = taught(tmp_path)
    with running(service):
        pass
    with (
        pytest.raises(ErasureError, match="another secret"),
        service.worker(changed(service, secret="another secret than before")),
    ):
        pass


def test_without_the_library_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ErasureError, match=r"pip install 'tocsin\[erasure\]'"):
        Secret("a text that is long enough")


def test_what_is_sealed_is_not_passed_over_where_erasure_is_switched_off(tmp_path: Path) -> None:
    service = taught(tmp_path)
    off = service.settings.model_copy(update={"erasure": type(service.settings.erasure)()})
    with (
        pytest.raises(ErasureError, match=r"erasure\.enabled is not set"),
        service.worker(elsewhere(service, tmp_path / "other").model_copy(update={"erasure": off.erasure})),
    ):
        pass
    with pytest.raises(ErasureError, match=r"erasure\.enabled is not set, so that what subjects wrote stands in clear"):
        required_secret(off)


def test_damaged_sealed_feedback_is_named_and_stops_the_fold(tmp_path: Path) -> None:
    service = taught(tmp_path)
    value = service.records("feedback")[3].value or b""
    at = value.rindex(b"\xc1\x04") + 40
    replace(service, "feedback", 3, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :])
    with (
        pytest.raises(FeedbackError, match="offset 3 is no feedback record"),
        service.worker(elsewhere(service, tmp_path / "other")),
    ):
        pass
    with pytest.raises(DamagedSealError):
        is_erased(
            service.records("feedback")[3].value or b"", seals_of(service.settings, MemoryTransport(service.broker))
        )


def test_a_damaged_sealed_decision_is_read_back_as_far_as_it_is_in_clear(tmp_path: Path) -> None:
    service = taught(tmp_path)
    service_events = service.records("events")
    for offset, record in enumerate(service.records("decisions")):
        value = record.value or b""
        at = value.rindex(b'"sealed":"') + 60
        flipped = b"A" if value[at : at + 1] != b"A" else b"B"
        replace(service, "decisions", offset, value[:at] + flipped + value[at + 1 :])
    with running(service, elsewhere(service, tmp_path / "other")) as worker:
        assert worker.counts.without_decision == 0
        assert worker.counts.rebuilt == len(service_events)


def test_feedback_whose_key_is_deleted_teaches_nothing_and_is_counted(tmp_path: Path) -> None:
    service = taught(tmp_path)
    transport = MemoryTransport(service.broker)
    command = Forget(service.settings, transport)
    [found] = command.find(["anna"])
    for record in command._key_records([found], service.clock()):  # the keys alone: nothing says what to leave out
        transport.produce(service.topics.keys, record.key, record.value)
    with running(service, elsewhere(service, tmp_path / "other")) as worker:
        assert worker.counts.passed_over["erased"] == 6
        assert worker.classifier.learnt == 6
        assert worker.classifier.feedback_offset == 12


@pytest.mark.parametrize("fresh", [True, False], ids=["a worker without a state", "a worker with one"])
def test_a_lost_topic_of_keys_is_an_error_and_unlearns_nothing(tmp_path: Path, fresh: bool) -> None:
    service = taught(tmp_path)
    service.broker.delete(service.topics.keys)
    service.broker.create(service.topics.keys)
    config = elsewhere(service, tmp_path / "other") if fresh else service.settings
    with pytest.raises(ErasureError, match=r"topics\.keys"), service.worker(config):
        pass


def test_a_topic_of_keys_without_its_beginning_is_an_error(tmp_path: Path) -> None:
    service = taught(tmp_path)
    [partition] = MemoryTransport(service.broker).end_offsets(service.topics.keys)
    service.broker.expire(partition, 1)
    with pytest.raises(ErasureError, match=r"topics\.keys"), service.worker(elsewhere(service, tmp_path / "other")):
        pass


def test_two_workers_that_make_a_key_of_one_subject_at_once_read_each_other(tmp_path: Path) -> None:
    service = keeping(tmp_path, partitions=2, erasure=ON)
    state = service.settings.state.model_copy(update={"directory": tmp_path / "second"})
    other = service.settings.model_copy(update={"state": state})
    with service.worker() as first, service.worker(other) as second:
        drain(first, second)
        for i in range(12):  # of one subject, in both partitions, before either worker knows of the other's key
            service._feeder.produce("events", b"%d" % i, orjson.dumps(event_of("anna", i)), ())
        drain(first, second)
        service.tell(*(label_of("anna", i) for i in range(12)))
        drain(first, second)
        found = Forget(service.settings, MemoryTransport(service.broker)).find(["anna"])[0]
        assert len(found.keys) == 2
        assert len(found.feedback) == 12
        assert bits(first) == bits(second)


def test_a_batch_that_is_given_up_leaves_no_key_that_nobody_else_knows(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        drain(worker)
        given_up = worker._state.begin()
        given_up.seals.seal("anna", b"x", b"event")
        given_up.abort()
        assert worker._erasing.made(False) == []
        service.send(event_of("anna", 1))
        drain(worker)
        sealed = service.records("decisions")[0].value or b""
        assert not is_erased(sealed, seals_of(service.settings, MemoryTransport(service.broker)))
    assert len(service.records("keys")) == 1


def test_a_key_stands_in_its_topic_before_anything_that_is_sealed_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: set[bytes] = set()
    sealed = 0
    append = MemoryBroker.append

    def spy(self: MemoryBroker, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        nonlocal sealed
        if topic == "keys" and key is not None and b"." in key:
            known.add(bytes.fromhex(key.split(b".")[1].decode()))
        for key_id in key_ids(value or b""):
            sealed += 1
            assert key_id in known, topic
        append(self, topic, key, value, headers)

    monkeypatch.setattr(MemoryBroker, "append", spy)
    service = keeping(tmp_path, partitions=2, erasure=ON)
    state = service.settings.state.model_copy(update={"directory": tmp_path / "second"})
    other = service.settings.model_copy(update={"state": state})
    second = service.worker(other).__enter__()
    drain(second)
    with service.worker() as first:
        drain(first, second)
        for i in range(8):
            service.send(event_of(f"someone{i}", i))
            # Which the owner of the label's partition turns into feedback of a subject that nobody knows.
            service.tell({**event_of(f"new{i}", i), "event": f"never-{i}", "label": "yes"})
            if i != 4:
                drain(first, second)
            else:
                crash(second)  # whose labels the other one takes over
                second = service.worker(other).__enter__()
        drain(first, second)
        second.__exit__(None, None, None)
        drain(first)
    assert sealed > 30


def key_ids(value: bytes) -> list[bytes]:
    """The ids of the keys under which a record is sealed."""
    if value.startswith(SEALED):
        found = read_sealed(value)
        assert found is not None
        return [found.event[2:14]]
    if is_sealed(value):
        return [base64.b64decode(orjson.loads(value)["sealed"])[2:14]]
    return []


def test_a_topic_of_keys_of_several_partitions_is_refused(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    service.broker.add_partitions(service.topics.keys, 2)
    with pytest.raises(ErasureError, match="keys have an order in one partition only"), service.worker():
        pass


def test_a_rollback_counts_sealed_labels_by_their_source(tmp_path: Path) -> None:
    service = taught(tmp_path)
    service.tell({**label_of("anna", 1), "label": "no", "source": "desk"})
    with running(service):
        pass
    assert rollback(MemoryTransport(service.broker), service.settings, 0).records == {None: 12, "desk": 1}


def test_sealed_feedback_says_of_its_label_what_needs_no_key(tmp_path: Path) -> None:
    service = taught(tmp_path)
    for record in service.records("feedback"):
        assert (record.value or b"").startswith(SEALED)
        found = read_sealed(record.value or b"")
        assert found is not None
        assert found.label in ("yes", "no")
        assert found.about == "event"
        assert found.source is None
        assert found.place is not None


def test_who_writes_something_else_into_the_topic_of_keys_does_no_harm(tmp_path: Path) -> None:
    service = taught(tmp_path)
    for key, value in ((b"x", b"y"), (None, b"{}"), (b"0" * 32, b"no json"), (b"0" * 32 + b"." + b"0" * 24, b"\xff")):
        service.broker.append(service.topics.keys, key, value, ())
    with running(service, elsewhere(service, tmp_path / "other")) as worker:
        assert worker.classifier.learnt == 12
    assert isinstance(service.records("keys")[-1], Record)
    assert isinstance(worker, Worker)
