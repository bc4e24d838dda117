"""Whatever is changed in the log is found and named."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tocsin.streams.replay.past.decisions import past_decisions
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.chain_check import HeadsError, check_heads, heads_of, written_heads
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.verify import Verify
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.proof.chain import with_link, without_link

from ...support import Service, running, settings
from .verifying import TamperedTransport, all_good, decide_and_learn, elsewhere, verify


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    made = Service(settings(tmp_path_factory.mktemp("one")), partitions=2)
    with running(made) as worker:
        decide_and_learn(made, worker, 120)
    return made


def found(service: Service, directory: Path, change: object, topic: str | None = None) -> VerifyReport:
    return verify(service, directory, reader=TamperedTransport(service, change, topic))  # type: ignore[arg-type]


def value_of(service: Service, event: str) -> bytes:
    return next(d.value or b"" for d in service.records("decisions") if orjson.loads(d.value or b"")["event"] == event)


def is_of(record: Record, event: str) -> bool:
    return b'{"event":"%b",' % event.encode() in (record.value or b"")


def test_every_byte_that_is_changed_is_found_and_its_decision_named(service: Service, tmp_path: Path) -> None:
    target = value_of(service, "e77")
    for at in range(0, len(target), 97):
        changed = target[:at] + bytes([target[at] ^ 1]) + target[at + 1 :]

        def change(record: Record) -> bytes | None:
            return changed if record.value == target else record.value  # noqa: B023

        reader = TamperedTransport(service, change)
        report = Verify(elsewhere(service.settings, tmp_path), reader, Span(first_offset=10**9)).run()
        assert report.chain.changed == 1
        place = next(p for p in report.chain.places if p.what == "changed")
        # Where it is no JSON any more, or another id, the place in the topic tells which one it is.
        offset = next(r for r in service.records("decisions") if r.value == target)
        assert place.record == f"decisions-{offset.partition}, offset {offset.offset}"
        assert not report.good


def test_a_changed_probability_is_named_by_its_event_and_its_path(service: Service, tmp_path: Path) -> None:
    def change(record: Record) -> bytes | None:
        value = record.value or b""
        return value.replace(b'"uncertainty":0.', b'"uncertainty":0.9') if is_of(record, "e77") else value

    report = found(service, tmp_path, change)
    assert [(one.event, one.what) for one in report.differences] == [("e77", ["uncertainty"])]
    assert [place.event for place in report.chain.places] == ["e77"]
    assert (report.reproduced, report.different, report.chain.changed, report.chain.missing) == (119, 1, 1, 0)


def test_a_decision_whose_link_was_made_to_fit_breaks_the_chain_behind_it(service: Service, tmp_path: Path) -> None:
    def change(record: Record) -> bytes | None:
        value = record.value or b""
        if not is_of(record, "e77"):
            return value
        link = orjson.loads(value)["chain"]
        forged = without_link(value).replace(b'"uncertainty":0.', b'"uncertainty":0.9')
        return with_link(forged, link["partition"], link["offset"], link["before"])[0]

    report = found(service, tmp_path, change)
    assert (report.chain.changed, report.chain.missing) == (0, 1)
    assert [one.event for one in report.differences] == ["e77"]


def test_a_deleted_decision_is_found_by_the_one_behind_it(service: Service, tmp_path: Path) -> None:
    report = found(service, tmp_path, lambda record: None if is_of(record, "e77") else record.value)
    assert (report.chain.missing, report.chain.changed, report.reproduced, report.different) == (1, 0, 119, 0)
    [place] = report.chain.places
    assert place.what == "missing"
    deleted = orjson.loads(value_of(service, "e77"))["chain"]
    following = orjson.loads(value_of(service, place.event or ""))["chain"]
    assert following["before"] == deleted["sha256"]
    assert not report.good


def test_two_decisions_that_change_places_are_found(service: Service, tmp_path: Path) -> None:
    one, other = value_of(service, "e70"), value_of(service, "e74")
    assert one.count(b'"e70"') == other.count(b'"e74"')

    def change(record: Record) -> bytes | None:
        swapped = {one: other.replace(b'"e74"', b'"e70"'), other: one.replace(b'"e70"', b'"e74"')}
        return swapped.get(record.value or b"", record.value or b"")

    report = found(service, tmp_path, change)
    assert report.chain.changed == 2
    assert not report.good


def test_a_changed_event_gives_another_decision(service: Service, tmp_path: Path) -> None:
    def change(record: Record) -> bytes | None:
        event = orjson.loads(record.value or b"")
        if event["id"] == "e77":
            event["features"]["a"] += 0.5
        return orjson.dumps(event)

    report = found(service, tmp_path, change, "events")
    assert [one.event for one in report.differences] == ["e77"]
    assert report.chain.whole


def test_a_changed_label_gives_other_decisions_from_there_on(service: Service, tmp_path: Path) -> None:
    def change(record: Record) -> bytes | None:
        value = record.value or b""
        no, yes = b"\xc1\x01\x9a\xa2no", b"\xc1\x01\x9a\xa3yes"
        return value.replace(no, yes) if record.offset == target else value

    target = next(r.offset for r in service.records("feedback") if b"\x9a\xa2no" in (r.value or b"")[:7])
    report = found(service, tmp_path, change, "feedback")
    late = {d["event"] for d in service.decisions if d["model"]["feedback_offset"] > target}
    assert report.different > 50
    assert report.chain.whole
    assert {one.event for one in report.differences} <= late


def test_a_config_that_is_not_kept_and_an_event_that_expired_are_counted(tmp_path: Path) -> None:
    made = Service(settings(tmp_path / "one"))
    with running(made) as worker:
        decide_and_learn(made, worker, 40)
    today = settings(tmp_path / "today", explanation={"level": "none"})
    made.broker.expire(Partition("events", 0), 10)
    reader = MemoryTransport(made.broker)
    report = Verify(today, reader).run()
    assert (report.reproduced, report.not_checkable) == (30, {"event-expired": 10})
    assert not report.good
    report = Verify(today, TamperedTransport(made, lambda _: None, "configs")).run()
    assert (report.checked, report.not_checkable) == (0, {"config-unknown": 40})


def test_feedback_that_is_gone_is_told(tmp_path: Path) -> None:
    made = Service(settings(tmp_path / "one"))
    with running(made) as worker:
        decide_and_learn(made, worker, 60)
    made.broker.expire(Partition("feedback", 0), 5)
    report = verify(made, tmp_path / "other")
    assert report.not_checkable == {"feedback-gone": 20}
    assert report.reproduced == 40  # made before anything was learnt


def test_where_retention_took_the_first_decisions_the_chain_begins_later(service: Service, tmp_path: Path) -> None:
    made = Service(settings(tmp_path / "one"))
    with running(made) as worker:
        for start in (0, 40):
            decide_and_learn(made, worker, 40, start)
            made.clock.move(60)
    assert verify(made, tmp_path / "other").chain.begun == 1
    made.broker.expire(Partition("decisions", 0), 30)
    report = verify(made, tmp_path / "other")
    assert all_good(report, 50)
    assert report.chain.begun == 1
    deleted = found(made, tmp_path, lambda record: None if record.offset == 60 else record.value)
    assert deleted.chain.missing == 1  # in the midst of what is left it is no retention


def test_decisions_without_a_link_are_not_checkable_and_say_why(service: Service, tmp_path: Path) -> None:
    report = found(service, tmp_path, lambda record: without_link(record.value or b""))
    assert report.not_checkable == {"before-the-chain": 120}
    assert not report.good


def test_heads_that_are_kept_elsewhere_show_what_a_chain_alone_cannot(service: Service, tmp_path: Path) -> None:
    past = past_decisions(MemoryTransport(service.broker), "decisions")
    kept = written_heads(past)
    assert len(heads_of(past)) == 2
    assert check_heads(past, kept).found == 2
    last = heads_of(past)[0]["sha256"].encode()
    reader = TamperedTransport(
        service,
        lambda record: None if record.value is not None and record.value.endswith(last + b'"}}') else record.value,
    )
    report = Verify(elsewhere(service.settings, tmp_path), reader).run(kept)
    assert report.chain.whole  # the end was cut off, and nothing behind it says so
    assert report.heads is not None
    assert [head["sha256"] for head in report.heads.missing] == [heads_of(past)[0]["sha256"]]
    assert not report.good


@pytest.mark.parametrize("written", [b"", b"[]", b'{"heads":[{}]}', b'{"heads":1}', b"\xff"])
def test_a_file_that_holds_no_heads_is_refused(service: Service, written: bytes) -> None:
    past = past_decisions(MemoryTransport(service.broker), "decisions")
    with pytest.raises(HeadsError):
        check_heads(past, written)


def test_one_event_alone_is_verified_by_its_id(service: Service, tmp_path: Path) -> None:
    report = Verify(elsewhere(service.settings, tmp_path), MemoryTransport(service.broker), event="e77").run()
    assert all_good(report, 1)
    assert report.chain.links == 118
