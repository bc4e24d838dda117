from __future__ import annotations

import time
from base64 import b64encode
from pathlib import Path

import pytest

from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.verify import Verify
from tocsin.streams.transport.base import Record
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.proof.chain import without_link
from tocsin.streams.wire.sealing.logged_keys import LoggedKeys
from tocsin.streams.wire.sealing.sealed import MARK, MORE, KeySeals
from tocsin.streams.wire.sealing.secret import ErasureError, Secret
from tocsin.streams.worker.erasing.forget import Forget

from ...support import START, Service, drain, running, settings, stream, text_settings
from .verifying import (
    TamperedTransport,
    WatchedTransport,
    all_good,
    crash_before_commit,
    decide_and_learn,
    elsewhere,
    verify,
)


def test_every_decision_is_made_again_to_the_byte_from_an_empty_directory(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=3)
    with running(service) as worker:
        decide_and_learn(service, worker, 300)
    report = verify(service, tmp_path / "other")
    assert all_good(report, 300)
    assert report.to_the_byte == 300
    assert (report.chain.begun, report.chain.links) == (3, 297)
    assert not (tmp_path / "other").exists()


def test_events_one_by_one_are_the_same_as_many(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 60, at_once=1)
    assert all_good(verify(service, tmp_path / "other"), 60)


def test_the_fold_begins_at_a_snapshot_where_there_is_one(tmp_path: Path) -> None:
    state = {"directory": tmp_path / "one", "snapshot_every": 100, "snapshots": str(tmp_path / "shared")}
    service = Service(settings(tmp_path / "one", state=state))
    with running(service) as worker:
        decide_and_learn(service, worker, 230)
        service.clock.move(2)
        for _ in range(100):
            drain(worker)
            service.clock.move(2)
            if service.records(service.topics.snapshots):
                break
            time.sleep(0.05)
        decide_and_learn(service, worker, 20, start=230)
    span = Span.of("225", None)
    for directory, first in (("one", 200), ("other", 200)):
        reader = WatchedTransport(service)
        report = verify(service, tmp_path / directory, span, reader)
        assert all_good(report, 20)
        assert min(reader.offsets) == first
    assert all_good(verify(service, tmp_path / "other"), 250)  # from the beginning, because none is below


def test_a_config_that_changed_is_read_back(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 100)
    changed = settings(
        tmp_path / "one", explanation={"level": "none"}, abstention={"cold_start": 5, "error": 0.3}, name="test"
    )
    with running(service, changed) as worker:
        decide_and_learn(service, worker, 100, start=100)
    assert len({d["model"]["settings"] for d in service.decisions}) == 2
    assert all_good(verify(service, tmp_path / "other"), 200)


def test_after_a_crash_the_decisions_that_were_made_twice_are_both_good(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=2)
    with running(service) as worker:
        decide_and_learn(service, worker, 60)
    crash_before_commit(service, 30, start=60)
    with running(service) as worker:
        decide_and_learn(service, worker, 30, start=90)
    decided = [d["event"] for d in service.decisions]
    assert (len(decided), len(set(decided))) == (150, 120)
    report = verify(service, tmp_path / "other")
    assert all_good(report, 150)
    assert (report.chain.begun, report.chain.links) == (2, 148)


def test_what_several_workers_decided_in_turns_is_one_past(tmp_path: Path) -> None:
    """Partitions change hands, and each time class priors begin anew and subjects go on."""
    shift = {"enabled": True, "window": 100, "mature": 20, "memory": 20, "least_gain": 0.05}
    risk = {"classes": ["yes"], "policy": "fused"}
    changes = {"prior_shift": shift, "early_risk": risk, "abstention": {"cold_start": 5, "budget": "40/day"}}
    one, two = (settings(tmp_path / name, **changes) for name in ("one", "two"))
    service = Service(one, partitions=4)
    with running(service) as first:
        decide_and_learn(service, first, 120)
        with service.worker(two) as second:
            for start in range(120, 240, 20):
                pairs = list(stream(20, start, subjects=9))
                service.send(*(event for event, _ in pairs))
                drain(first, second)
                service.tell(*(label for _, label in pairs))
                drain(second, first)
            drain(first, second)
        drain(first)
        decide_and_learn(service, first, 60, start=240)
    assert len({record.partition for record in service.records("events")}) > 2
    assert all_good(verify(service, tmp_path / "other"), 300)


def test_what_was_decided_in_transactions_is_verified(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=2, transactional=True)
    with running(service) as worker:
        decide_and_learn(service, worker, 100)
    assert all_good(verify(service, tmp_path / "other"), 100)


def test_an_event_that_came_twice_and_one_that_is_none_have_no_decision_and_no_gap(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 40)
        again = [event for event, _ in stream(5, 30)]
        service.send(*again, b"garbage", {"id": "none"})
        drain(worker)
        decide_and_learn(service, worker, 20, start=40)
    assert len(service.dead_letters) == 2
    assert all_good(verify(service, tmp_path / "other"), 60)


def test_a_decision_that_nobody_can_open_any_more_is_no_fault(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        decide_and_learn(service, worker, 40)

    def change(record: Record) -> bytes | None:
        value = record.value or b""
        return (
            value
            if b'"s1"' not in value
            else without_link(value)[:-1]
            + b',"sealed":"%b","chain":' % b64encode(MARK + bytes(MORE))
            + value[value.rindex(b'"chain":') + 8 :]
        )

    reader = TamperedTransport(service, change)
    keys = LoggedKeys(reader, service.topics.keys, Secret("a text that is long enough"))
    config = elsewhere(service.settings, tmp_path / "other")
    report = Verify(config, reader, seals=KeySeals(keys)).run()
    assert (report.reproduced, report.not_checkable) == (30, {"erased": 10})
    assert report.chain.changed == 10  # sealed after the fact: a service seals before the link is put on
    report.chain.changed = 0
    assert report.good
    with pytest.raises(ErasureError, match=r"erasure\.enabled is not set"):
        Verify(config, reader).run()  # a config that opens nothing does not say that anybody was forgotten


def test_decisions_of_a_span_are_those_and_no_others(tmp_path: Path) -> None:
    service = Service(
        text_settings(tmp_path / "one", experts=[{"kind": "linear-text", "bits": 12, "scope": "subject"}])
    )
    with running(service) as worker:
        for i in range(60):
            service.send({"id": f"e{i}", "subject": f"s{i % 3}", "time": START + i, "text": f"win {i % 7}"})
            service.tell({"event": f"e{i - 10}", "label": "spam" if i % 2 else "ham", "time": START + i})
            drain(worker)
            service.clock.move(1)
    decided = [(d["model"]["feedback_offset"], d["decided_at"]) for d in service.decisions]
    by_offset = sum(20 <= offset < 30 for offset, _ in decided)
    # What a subject wrote before the span is read back one by one.
    assert all_good(verify(service, tmp_path / "other", Span.of("20", "30")), by_offset)
    middle = decided[30][1]
    assert all_good(verify(service, tmp_path / "other", Span.of(str(middle), None)), 30)
    assert all_good(verify(service, tmp_path / "other", Span.of(None, str(middle))), 30)
    assert verify(service, tmp_path / "other", Span.of("1000", None)).checked == 0


def test_after_a_forget_the_models_that_had_learnt_of_the_person_are_told_apart(tmp_path: Path) -> None:
    erasure = {"enabled": True, "secret": "a text that is long enough"}
    service = Service(settings(tmp_path / "one", erasure=erasure))
    with running(service) as worker:
        decide_and_learn(service, worker, 40, at_once=10)
        command = Forget(service.settings, MemoryTransport(service.broker))
        command.forget(command.find(["s1"]), now=service.clock())
        service.clock.move(2)
        drain(worker)
        assert len(service.decisions) == 40
        decide_and_learn(service, worker, 40, start=40, subject="s2")
    report = verify(service, tmp_path / "other")
    assert set(report.not_checkable) == {"erased", "erased-feedback"}
    assert report.not_checkable["erased"] == 10
    assert 0 < report.not_checkable["erased-feedback"] <= 30
    assert report.reproduced == 80 - report.not_checkable.total() >= 40
    assert report.good
