"""After `forget`, what a subject sent is found nowhere in what the service wrote, and nobody else notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.packed.feedback import MARK, read_feedback
from tocsin.streams.wire.sealing.json_records import opened_record
from tocsin.streams.wire.sealing.logged_keys import is_erased, seals_of
from tocsin.streams.wire.sealing.sealed import Seals
from tocsin.streams.worker.erasing.forget import Forget, ForgetReport
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, crash, drain, running
from .searching import ON, OTHERS, event_of, found_in, keeping, label_of, traffic_of

SUBJECTS = ["bob", "carl", "anna", "dora"]
SEALED_TOPICS = ("decisions", "feedback", "review", "dead-letters", "alerts", "keys", "telemetry")
BY_SHOP = {
    "features": [{"name": "a"}, {"name": "b", "required": False}, {"name": "shop", "kind": "category"}],
    "text": "text",
    "profiles": [{"key": "subject", "windows": ["3 events"]}, {"key": "shop", "windows": ["5 events"]}],
}


def live(service: Service, worker: Worker) -> None:
    """Events of several subjects, with labels for most; some wait, some are reviewed, one is a dead letter."""
    for event, label in traffic_of(SUBJECTS, 0, OTHERS):
        service.send(event)
        drain(worker)
        service.tell(label)
        drain(worker)
    service.send(event_of("anna", 1_000), event_of("bob", 1_001))  # which wait for their labels
    service.tell({**event_of("anna", 1_002), "event": "never-1", "label": "yes"})  # which brings its own event
    service.send({**event_of("anna", 1_003), "features": {"a": "1234.56789012 zyzzyva"}})
    drain(worker)
    share(service, worker)


def share(service: Service, *workers: Worker) -> None:
    """Let the elected worker finish what it does in the background, and point at it."""
    for _ in range(4):
        service.clock.move(2)
        for worker in workers:
            worker.step(0)
            worker._sharing.close()
        drain(*workers)


def forget(service: Service, *subjects: str) -> ForgetReport:
    command = Forget(service.settings, MemoryTransport(service.broker))
    return command.forget(command.find(subjects), now=service.clock())


def seals(service: Service) -> Seals:
    return seals_of(service.settings, MemoryTransport(service.broker))


def without_link(value: bytes) -> bytes:
    """A decision without its place in the chain, which is over the bytes as they were produced."""
    return value.split(b',"chain":{')[0].rstrip(b"}")


def test_what_is_searched_for_is_found_where_nothing_is_erased(tmp_path: Path) -> None:
    service = keeping(tmp_path)
    with service.worker() as worker:
        live(service, worker)
    there = found_in(service)
    for topic in ("decisions", "feedback", "review", "dead-letters"):
        assert any(f"in {topic} " in place for place in there), topic
    for what in ("zyzzyva", "pelargonium-shop", "1234.56789012 as text", "1234.56789012 as float64"):
        assert any(place.startswith(what) for place in there), what
    assert any("data.mdb" in place for place in there)
    assert any("arrays.npz" in place and "state/" in place for place in there)
    assert any("arrays.npz" in place and "shared/" in place for place in there)


def test_without_erasure_nothing_is_sealed_and_no_key_is_made(tmp_path: Path) -> None:
    service = keeping(tmp_path)
    with service.worker() as worker:
        live(service, worker)
        assert worker._state.keys is None
        assert "keys" not in worker._state._databases
    assert service.records(service.topics.keys) == []
    for topic in SEALED_TOPICS:
        for record in service.records(service.topics.by_role()[topic.replace("-", "_")]):
            assert b'"sealed"' not in (record.value or b"")
            assert topic != "feedback" or (record.value or b"").startswith(MARK)


def test_sealed_topics_quote_nobody_and_open_to_the_very_bytes_that_are_written_without(tmp_path: Path) -> None:
    plain, sealed = keeping(tmp_path / "plain"), keeping(tmp_path / "sealed", erasure=ON)
    for service in (plain, sealed):
        with service.worker() as worker:
            live(service, worker)
    assert not [place for place in found_in(sealed) if any(f"in {topic} " in place for topic in SEALED_TOPICS)]
    keys = seals(sealed)
    # The digest of the whole config says whether anything is sealed; all else is the same, to the byte.
    old, new = (service.settings.digest().encode() for service in (plain, sealed))
    for topic in (plain.topics.decisions, plain.topics.review, plain.topics.alerts):
        before, after = plain.records(topic), sealed.records(topic)
        assert len(before) == len(after) > 0 or topic == plain.topics.alerts
        for one, other in zip(before, after, strict=True):
            assert one.key == other.key
            written = without_link(one.value or b"").replace(old, new)
            assert without_link(opened_record(other.value or b"", keys)) == written
            assert orjson.loads(other.value or b"")["sealed"]
    for one, other in zip(plain.records("feedback"), sealed.records("feedback"), strict=True):
        assert read_feedback(other, keys).event == read_feedback(one).event
        assert read_feedback(other, keys).context == read_feedback(one).context
        assert b"anna" not in (other.key or b"") + (other.value or b"")
    letters = [dict(record.headers) for record in sealed.records("dead-letters")]
    assert [record.value for record in sealed.records("dead-letters")] == [b""]
    assert letters[0]["__streams.errors.topic"] == b"events"
    assert letters[0]["__streams.errors.message"].startswith(b"features.a: not repeated here")


@pytest.mark.parametrize("schema", [None, BY_SHOP], ids=["profiles of subjects", "profiles of shops, too"])
def test_after_forget_nothing_that_the_subject_sent_is_found_anywhere(
    tmp_path: Path, schema: dict[str, Any] | None
) -> None:
    changes = {} if schema is None else {"schema": schema}
    service = keeping(tmp_path, erasure=ON, **changes)
    with service.worker() as worker:
        live(service, worker)
        assert found_in(service) != set()  # profiles and snapshots are not sealed
        report = forget(service, "anna")
        share(service, worker)
    assert (report.keys, report.in_clear) == (1, 0)
    assert report.feedback == OTHERS // len(SUBJECTS) + 1  # and a label that brought its own event
    assert report.snapshots > 0
    assert found_in(service) == set()


def test_models_feedback_and_decisions_of_others_are_those_of_a_fresh_worker(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        live(service, worker)
        before = service.decisions
        forget(service, "anna")
        share(service, worker)
        live_bits, offset = bits(worker), worker.classifier.feedback_offset
        assert service.decisions == before
        keys = seals(service)
        erased = [is_erased(record.value or b"", keys) for record in service.records("decisions")]
        assert erased == [decision["subject"] == "anna" for decision in before]
        # Nobody else notices: what others write is decided and learnt as ever.
        for event, label in traffic_of(["bob", "carl"], 500, 6):
            service.send(event)
            service.tell(label)
        drain(worker)
        assert worker.counts.events == len(before) + 6
        live_after = bits(worker)
    assert live_after != live_bits
    elsewhere = service.settings.model_copy(
        update={"state": service.settings.state.model_copy(update={"directory": tmp_path / "other", "snapshots": None})}
    )
    with running(service, elsewhere) as fresh:
        assert fresh.classifier.feedback_offset > offset
        assert bits(fresh) == live_after
        assert fresh.counts.passed_over["erased"] == OTHERS // len(SUBJECTS) + 1
        with fresh._state.transaction() as t:
            assert "anna" not in {one.read.subject for one in t.pending.all()}
    assert not [place for place in found_in(service) if "other/" in place]


def test_a_forgotten_subject_begins_anew_with_another_key(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        live(service, worker)
        forget(service, "anna")
        share(service, worker)
        service.send(event_of("anna", 2_000))
        drain(worker)
        service.tell(label_of("anna", 2_000))
        drain(worker)
        assert worker.counts.labels["joined"] == OTHERS + 1
        last = service.records("feedback")[-1]
        assert read_feedback(last, seals(service)).event.id == "anna-2000"
        assert forget(service, "anna").feedback == 1  # what was left out before is not named again
        share(service, worker)
    assert found_in(service) == set()


def test_what_was_sent_before_and_is_read_after_is_not_used(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        live(service, worker)
    decided = len(service.decisions)
    service.send(event_of("anna", 2_000), event_of("bob", 2_001))
    service.tell({**event_of("anna", 2_002), "event": "never-2", "label": "yes"})
    forget(service, "anna")
    service.send(event_of("anna", 2_003))
    with service.worker() as worker:
        drain(worker)
        assert [one["event"] for one in service.decisions[decided:]] == ["bob-2001", "anna-2003"]
        assert worker.counts.forgotten == 2
        forget(service, "anna")
        share(service, worker)
    assert found_in(service) == set()


def test_a_worker_that_was_down_obeys_when_it_comes_back(tmp_path: Path) -> None:
    service = keeping(tmp_path, partitions=2, erasure=ON)
    other = service.settings.model_copy(
        update={"state": service.settings.state.model_copy(update={"directory": tmp_path / "second"})}
    )
    with service.worker() as first:
        second = service.worker(other).__enter__()
        drain(first, second)
        for event, label in traffic_of(SUBJECTS, 0, OTHERS):
            service.send(event)
            service.tell(label)
            drain(first, second)
        share(service, first, second)
        crash(second)
        drain(first)
        forget(service, "anna")
        share(service, first)
        with service.worker(other) as back:
            drain(first, back)
            share(service, first, back)
            assert bits(back) == bits(first)
    assert found_in(service) == set()


def test_a_crash_between_the_steps_of_forgetting_leaves_nothing_undone(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    worker = service.worker().__enter__()
    live(service, worker)
    forget(service, "anna")
    worker._erasing.look()  # step 2 is done, and step 3 is not
    crash(worker)
    assert found_in(service) != set()
    with service.worker() as worker:
        share(service, worker)
    assert found_in(service) == set()


def test_what_was_written_before_erasure_was_enabled_is_unlearnt_and_counted(tmp_path: Path) -> None:
    service = keeping(tmp_path)
    with service.worker() as worker:
        live(service, worker)
    in_clear = {place for place in found_in(service) if "/" not in place}  # in topics, not in files
    assert in_clear != found_in(service)
    service.settings = service.settings.model_copy(update={"erasure": type(service.settings.erasure)(**ON)})
    with service.worker() as worker:
        drain(worker)
        service.send(event_of("anna", 3_000))
        drain(worker)
        report = forget(service, "anna")
        share(service, worker)
        assert report.in_clear == report.feedback == OTHERS // len(SUBJECTS) + 1
        assert worker.counts.went_back == 1
    assert found_in(service) == in_clear  # what was produced in clear; nothing is left in state and snapshots
    assert forget(service, "anna").in_clear == report.in_clear


def test_a_subject_of_whom_nothing_is_known_is_forgotten_without_harm(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        live(service, worker)
        before = bits(worker)
        report = forget(service, "nobody", "nobody")
        share(service, worker)
        assert (report.subjects, report.unknown, report.keys, report.feedback) == (1, 1, 0, 0)
        assert bits(worker) == before
    keys = seals(service)
    assert not any(is_erased(record.value or b"", keys) for record in service.records("feedback"))


def test_the_segment_of_deleted_keys_can_be_closed_though_no_key_is_made_any_more(tmp_path: Path) -> None:
    service = keeping(tmp_path, erasure=ON)
    with service.worker() as worker:
        live(service, worker)
        forget(service, "anna")
        share(service, worker)
        written = len(service.records("keys"))
        service.clock.move(3_600)
        worker.step(0)
        assert len(service.records("keys")) == written
        service.clock.move(600)
        share(service, worker)
        assert [record.key for record in service.records("keys")[written:]] == [b"roll"]
    with service.worker() as worker:  # which says nothing to anybody
        drain(worker)
