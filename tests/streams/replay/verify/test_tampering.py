"""Whatever is changed in the log is found and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tocsin.streams.replay.past.decisions import PastDecision, past_decisions
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.chain_check import HeadsError, check_chain, check_heads, heads_of, written_heads
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.verify import Verify
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.proof.chain import with_link, without_link

from ...support import Clock, Service, running, settings
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


def test_a_chain_that_begins_again_in_the_midst_is_a_broken_one(service: Service, tmp_path: Path) -> None:
    begun = orjson.loads(value_of(service, "e77"))["chain"]
    heads: dict[str, str] = {begun["before"]: ""}

    def change(record: Record) -> bytes | None:
        value = record.value or b""
        link = orjson.loads(value)["chain"]
        if link["partition"] != begun["partition"] or link["offset"] < begun["offset"]:
            return value
        forged, heads[link["sha256"]] = with_link(
            without_link(value), link["partition"], link["offset"], heads[link["before"]]
        )
        return forged

    report = found(service, tmp_path, change)
    assert (report.different, report.chain.changed, report.chain.begun, report.chain.missing) == (0, 0, 2, 1)
    assert [place.event for place in report.chain.places] == ["e77"]


def test_a_decision_that_is_copied_is_counted(service: Service, tmp_path: Path) -> None:
    class Copying(MemoryTransport):
        def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
            for record in super().read(partition, start, stop):
                yield record
                if partition.topic == "decisions" and record.offset == 7:
                    yield record

    report = Verify(elsewhere(service.settings, tmp_path), Copying(service.broker)).run()
    assert report.chain.again == 2  # one in each partition
    assert verify(service, tmp_path).chain.again == 0


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


def linked_topic(places: list[tuple[int, int]], partitions: int = 1) -> MemoryBroker:
    """Linked decisions on events at these places, one a minute; decision i is keyed by i modulo 5."""
    clock, heads = Clock(), dict[int, str]()
    broker = MemoryBroker(clock)
    broker.create("decisions", partitions)
    transport = MemoryTransport(broker)
    model = {"feedback_offset": 0, "config": "m", "segment": "default"}
    for i, (partition, offset) in enumerate(places):
        head = orjson.dumps({"event": f"e{i}", "subject": "s", "decided_at": clock(), "model": model})
        value, heads[partition] = with_link(head, partition, offset, heads.get(partition, ""))
        transport.produce("decisions", b"%d" % (i % 5), value)
        clock.move(60)
    return broker


@pytest.mark.parametrize("partitions", [1, 3])
def test_retention_breaks_no_chain_of_several_partitions_of_events(partitions: int) -> None:
    broker = linked_topic([(0 if i < 3 else i % 4, i) for i in range(60)], partitions)
    reader = MemoryTransport(broker)
    for n, partition in enumerate(reader.end_offsets("decisions")):
        broker.expire(partition, 4 + n)
        chain = check_chain(past_decisions(reader, "decisions"))
        assert (chain.missing, chain.places) == (0, [])
    left = past_decisions(reader, "decisions").decisions
    for one in (left[-3], left[-5]):  # in the midst of what is left it is no retention

        def without(past: PastDecision) -> bool:
            return past.record[1:3] != one.record[1:3]  # noqa: B023

        past = past_decisions(reader, "decisions")
        assert check_chain(past._replace(decisions=[*filter(without, past.decisions)])).missing == 1


def test_a_chain_of_which_a_silent_partition_held_the_beginning_is_no_broken_one() -> None:
    broker = linked_topic([(0, 0), (1, 0), (1, 1), (1, 2), (0, 1)])
    broker.expire(Partition("decisions", 0), 1)
    chain = check_chain(past_decisions(MemoryTransport(broker), "decisions"))
    assert (chain.missing, chain.begun) == (0, 2)


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
