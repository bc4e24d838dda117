"""Nothing that a worker sends is larger than its topic takes, and nothing is left out in silence."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import MOST_RECORD_BYTES, Headers, Record, TransportError, record_size
from tocsin.streams.wire.encode import Output, dead_letter, encode
from tocsin.streams.wire.fit import LEAST_LETTER_BYTES, Fit
from tocsin.streams.wire.kinds.novelty import NovelGroup
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback, read, without_context
from tocsin.streams.wire.records import Review
from tocsin.streams.wire.schema import UnfitError
from tocsin.streams.worker.worker import Worker

from ..support import Service, drain, event, label, running, settings, text_settings


def fit(config: Settings, limits: Mapping[str, int]) -> tuple[Fit, Counter[str], Counter[str]]:
    """A `Fit` with the counters that it tells: dead letters by kind, shortened records by name."""
    letters: Counter[str] = Counter()
    shortened: Counter[str] = Counter()
    return Fit(config, lambda topic: limits.get(topic, MOST_RECORD_BYTES), letters, shortened), letters, shortened


def letter(value: bytes, key: bytes | None = b"k", headers: Headers = (), message: str = "why") -> Output:
    record = Record("events", 3, 7, 0, key, value, tuple(headers))
    return dead_letter("dead-letters", record, UnfitError("too-large", message))


def size(output: Output) -> int:
    return record_size(output.key, output.value, output.headers)


def test_what_fits_is_sent_as_it_is(tmp_path: Path) -> None:
    whole = letter(b"x" * 10_000, headers=[("a", b"1")])
    made, _, shortened = fit(settings(tmp_path), {"dead-letters": size(whole)})
    assert made(whole) == [whole]
    assert not shortened


def test_a_dead_letter_too_large_keeps_the_beginning_and_the_hash_of_the_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value = bytes(range(256)) * 100
    made, _, shortened = fit(settings(tmp_path), {"dead-letters": 4_000})
    with caplog.at_level(logging.WARNING):
        [one] = made(letter(value))
        made(letter(value))
    headers = dict(one.headers)
    assert size(one) == 4_000
    assert value.startswith(one.value)
    assert len(one.value) > 3_000
    assert headers["__tocsin.value.sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["__tocsin.value.bytes"] == b"25600"
    assert headers["__streams.errors.exception"] == b"too-large"
    assert headers["__streams.errors.offset"] == b"7"
    assert shortened == {"dead letter": 2}
    assert len(caplog.records) == 1
    assert "dead-letters" in caplog.text
    assert "4000" in caplog.text


@given(
    limit=st.integers(LEAST_LETTER_BYTES, 20_000),
    lengths=st.tuples(st.integers(0, 30_000), st.integers(0, 30_000), st.integers(0, 1_000)),
    headers=st.lists(st.tuples(st.text(max_size=300), st.binary(max_size=3_000)), max_size=30),
)
def test_every_dead_letter_fits_and_says_what_it_lacks(
    limit: int, lengths: tuple[int, int, int], headers: list[tuple[str, bytes]]
) -> None:
    value, key, message = b"v" * lengths[0], b"k" * lengths[1], "\U0001f600" * lengths[2]
    whole = letter(value, key, [(name.encode(errors="ignore").decode(), data) for name, data in headers], message)
    made, _, _ = fit(settings(Path("unused")), {"dead-letters": limit})
    [one] = made(whole)
    assert size(one) <= limit
    said = dict(one.headers)
    assert said["__streams.errors.exception"] == b"too-large"
    if one.value != value:
        assert value.startswith(one.value)
        assert said["__tocsin.value.sha256"] == hashlib.sha256(value).hexdigest().encode()
    if one.key != key:
        assert one.key is None
        assert said["__tocsin.key.sha256"] == hashlib.sha256(key).hexdigest().encode()
    ours = ("__streams.errors.", "__tocsin.")
    theirs = sum(not name.startswith(ours) for name, _ in one.headers)
    expected = sum(not name.startswith(ours) for name, _ in whole.headers)
    assert theirs + int(said.get("__tocsin.headers.left_out", b"0")) == expected


def test_a_topic_of_dead_letters_that_takes_none_is_an_error_that_says_what_it_must_take(tmp_path: Path) -> None:
    made, _, _ = fit(settings(tmp_path), {"dead-letters": 1_000})
    with pytest.raises(TransportError, match=r"dead-letters.*1000.*2048.*max\.message\.bytes"):
        made(letter(b"x" * 5_000))


def limited(config: Settings, **limits: int) -> Service:
    """A service whose topics take no larger records than these."""
    service = Service(config)
    for name, most in limits.items():
        service.broker.set_limit(getattr(service.topics, name), most)
    return service


def taught(service: Service, worker: Worker, labels: int = 30) -> None:
    for i in range(labels):
        service.send(event(f"t{i}", a=float(i % 2)))
        service.tell(label(f"t{i}", ("no", "yes")[i % 2]))
    drain(worker)


def test_a_decision_too_large_drops_its_explanation(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, explanation={"level": "full"}))
    with running(service) as worker:
        taught(service, worker)
        full = len(service.records("decisions")[-1].value or b"")
        service.broker.set_limit("decisions", full - 50)
        service.send(event("large"))
        drain(worker)
        last = service.decisions[-1]
        assert last["event"] == "large"
        assert last["explanation"] is None
        assert last["belief"]
        assert service.dead_letters == []
        assert worker.counts.shortened["decision"] == 1


def test_a_decision_that_fits_no_way_becomes_a_dead_letter_that_names_topic_and_limit(tmp_path: Path) -> None:
    service = limited(settings(tmp_path), decisions=200)
    with running(service) as worker:
        service.send(event("a"), event("b"))
        drain(worker)
        [first, second] = service.records("dead-letters")
        headers = {name: value.decode() for name, value in first.headers}
        assert orjson.loads(first.value or b"") == event("a")
        assert headers["__streams.errors.exception"] == "decision-too-large"
        assert "'decisions'" in headers["__streams.errors.message"]
        assert "max.message.bytes = 200" in headers["__streams.errors.message"]
        assert headers["__streams.errors.topic"] == "events"
        assert worker.counts.dead_letters["decision-too-large"] == 2
        assert second.offset == 1


def test_huge_headers_of_an_event_stop_nothing_and_are_not_passed_on(tmp_path: Path) -> None:
    service = limited(settings(tmp_path, review={"cold_start": True}), decisions=100_000, review=100_000)
    huge = [("trace", b"00-1"), ("huge", b"x" * 900_000), ("more", b"2")]
    with running(service) as worker:
        service.send(event("a"), headers=huge)
        drain(worker)
        for topic in ("decisions", "review"):
            [record] = service.records(topic)
            assert record.headers == (("trace", b"00-1"), ("__tocsin.headers.left_out", b"2"))
        assert service.dead_letters == []


def test_a_review_too_large_drops_its_explanation_then_its_group_of_novel_events(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, review={"cold_start": True}))
    with running(service) as worker:
        service.send(event("e"))
        drain(worker)
    group = NovelGroup("0-1", 5, 0, 9, ["x" * 200] * 5, True)
    plain = msgspec.convert(service.values("review")[0], Review)
    told = msgspec.structs.replace(plain, novelty=group)
    without = msgspec.structs.replace(told, decision=msgspec.structs.replace(told.decision, explanation=None))
    bare = msgspec.structs.replace(without, novelty=msgspec.UNSET)
    assert told.decision.explanation is not None
    for fits in (told, without, bare):
        limit = size(Output("review", b"s", encode(fits)))
        made, letters, shortened = fit(service.settings, {"review": limit})
        assert [one.value for one in made(Output("review", b"s", encode(told)))] == [encode(fits)]
        assert not letters
        assert shortened["review"] == (fits is not told)


def test_an_alert_too_large_drops_its_explanation_then_becomes_a_dead_letter(tmp_path: Path) -> None:
    def ring(directory: Path, most: int) -> tuple[Service, Counter[str]]:
        service = limited(text_settings(directory), alerts=most)
        with running(service) as worker:
            for i in range(40):
                service.send({"id": f"t{i}", "subject": f"s{i}", "time": i, "text": ("hello", "win money")[i % 2]})
                service.tell(label(f"t{i}", ("ham", "spam")[i % 2]))
            drain(worker)
            for i in range(60):
                service.send({"id": f"x{i}", "subject": "x", "time": i, "text": "win money " * 10})
            drain(worker)
            return service, worker.counts.dead_letters

    whole, _ = ring(tmp_path / "whole", MOST_RECORD_BYTES)
    largest = max(len(record.value or b"") for record in whole.records("alerts"))
    short, letters = ring(tmp_path / "short", largest)
    assert len(short.values("alerts")) == len(whole.values("alerts"))
    assert any(alert["explanation"] is None for alert in short.values("alerts"))
    assert not letters
    none, letters = ring(tmp_path / "none", 100)
    assert none.values("alerts") == []
    assert letters["alert-too-large"] == len(whole.values("alerts"))


def label_of_subject(config: Settings, most: int) -> tuple[list[dict[str, Any]], list[tuple[str, bytes | None]]]:
    """Feedback and dead letters where a subject wrote ten posts of 1,000 bytes, and is then labelled."""
    service = limited(config, feedback=most)
    write_and_label(service)
    return service.feedback, service.dead_letters


def write_and_label(service: Service) -> None:
    """Have a subject write ten posts, and label it."""
    with running(service) as worker:
        for i in range(10):
            service.send({"id": f"e{i}", "subject": "s", "time": i, "text": f"{i} " + "x" * 1_000})
        drain(worker)
        service.tell({"subject": "s", "label": "spam", "time": 100, "source": "people"})
        drain(worker)


MANY = [{"kind": "ss3", "name": "ss3"}, *({"kind": "persistence", "name": f"p{i}", "by": "subject"} for i in range(60))]
"""So many experts that what the model saw is most of a record without posts."""


def least_size(directory: Path) -> int:
    """The bytes of that feedback without earlier posts and without its context."""
    service = limited(text_settings(directory, experts=MANY), feedback=MOST_RECORD_BYTES)
    write_and_label(service)
    found = read(service.records("feedback")[0].value or b"")
    assert isinstance(found, PackedFeedback)
    return len(packed_feedback(without_context(msgspec.structs.replace(found, posts=[]))))


def test_feedback_too_large_drops_the_oldest_posts_then_the_context_then_is_a_dead_letter(tmp_path: Path) -> None:
    [whole], _ = label_of_subject(text_settings(tmp_path / "whole"), MOST_RECORD_BYTES)
    assert [post[0] for post in whole["posts"]] == list("012345678")
    [some], letters = label_of_subject(text_settings(tmp_path / "some"), 7_000)
    assert some["posts"] == whole["posts"][-len(some["posts"]) :]
    assert 2 <= len(some["posts"]) < 9
    assert some["context"] == whole["context"]
    assert letters == []
    bare = least_size(tmp_path / "size") + 101
    [least], letters = label_of_subject(text_settings(tmp_path / "least", experts=MANY), bare)
    assert (least["posts"], least["context"]) == ([], None)
    assert letters == []
    feedback, [(kind, value)] = label_of_subject(text_settings(tmp_path / "none"), 500)
    assert feedback == []
    assert kind == "feedback-too-large"
    found = orjson.loads(value or b"")
    assert (found["subject"], found["label"], found["time"], found["source"]) == ("s", "spam", 100, "people")


def test_telemetry_too_large_leaves_out_its_experts_and_is_never_a_dead_letter(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        taught(service, worker)
        whole = len(service.records("telemetry")[-1].value or b"")
        for most in (whole - 100, 300):
            service.broker.set_limit("telemetry", most)
            service.clock.move(5)
            worker.step(0)
        assert service.values("telemetry")[-1]["experts"] == {}
        assert worker.counts.shortened["telemetry"] == 2
        assert service.dead_letters == []


def test_a_label_whose_feedback_fits_no_way_can_be_sent_again(tmp_path: Path) -> None:
    service = limited(text_settings(tmp_path), feedback=500)
    label = {"event": "e", "label": "spam", "time": 100, "source": "people"}
    with running(service) as worker:
        service.send({"id": "e", "subject": "s", "time": 1, "text": "x" * 1_000})
        drain(worker)
        service.tell(label)
        drain(worker)
        assert [(kind, orjson.loads(value or b"")) for kind, value in service.dead_letters] == [
            ("feedback-too-large", label)
        ]
        service.broker.set_limit("feedback", 100_000)
        service.tell(label)
        drain(worker)
        assert [f["event"]["id"] for f in service.feedback] == ["e"]
