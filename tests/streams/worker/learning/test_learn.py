from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.worker.learning.learn import FeedbackError

from ...support import START, Service, bits, drain, event, label, running, settings, stream


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path))


def taught(service: Service, n: int) -> None:
    with running(service) as worker:
        for raw, truth in stream(n):
            service.send(raw)
            service.tell(truth)
            worker.step(0)
        drain(worker)


def test_nothing_is_learnt_but_from_the_log(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        worker.step(0)
        assert len(service.feedback) == 1
        assert worker.classifier.learnt == worker.classifier.feedback_offset == 0
        drain(worker)
        assert worker.classifier.learnt == worker.classifier.feedback_offset == 1


@pytest.mark.parametrize("cuts", [1, 3, 50])
def test_workers_that_polled_differently_hold_the_same_bits(service: Service, tmp_path: Path, cuts: int) -> None:
    taught(service, 120)
    with running(service) as one:
        expected, offset = bits(one), one.classifier.feedback_offset
    other = Service(settings(tmp_path / f"by {cuts}", batching={"max_events": cuts}))
    transport = MemoryTransport(other.broker)
    with running(other) as two:
        for record in service.records("feedback"):
            transport.produce("feedback", record.key, record.value or b"")
            if record.offset % 5 == 0:
                two.step(0)
        drain(two, most=500)
        assert two.classifier.feedback_offset == offset == 120
        assert bits(two) == expected


def good(service: Service) -> dict[str, Any]:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        drain(worker)
    return service.feedback[0]


BROKEN: list[dict[str, Any]] = [
    {"about": None},
    {"label": 5},
    {"weight": "heavy"},
    {"weight": None},
    {"source": 5},
    {"posts": None},
    {"context": {}},
    {
        "context": {
            "history": [],
            "subject_label": 0,
            "evidence": [[1, 2], [3]],
            "betp": [],
            "threshold": 1,
            "learnt": 1,
        }
    },
    {"event": {"id": "e", "subject": "s"}},
    {"event": {"id": "e", "subject": "s", "time": START, "features": {"a": "text", "b": None}, "text": None}},
    {"event": "e"},
]


@pytest.mark.parametrize("change", BROKEN, ids=lambda c: "-".join(c) + str(c)[-12:])
def test_a_foreign_record_in_the_feedback_log_is_named(service: Service, change: dict[str, Any]) -> None:
    record = {**good(service), **change}
    MemoryTransport(service.broker).produce("feedback", None, orjson.dumps(record))
    with pytest.raises(FeedbackError, match="feedback, partition 0, offset 1 is no feedback record"):
        service.worker().__enter__()


@pytest.mark.parametrize("value", [b"", b"garbage", b"[]", b"null", b"5", b'"x"', b"{}", b"\xff"])
def test_garbage_in_the_feedback_log_is_named_by_its_offset(service: Service, value: bytes) -> None:
    good(service)
    with running(service) as worker:
        MemoryTransport(service.broker).produce("feedback", None, value)
        with pytest.raises(FeedbackError, match="offset 1 is no feedback record"):
            drain(worker)
    with pytest.raises(FeedbackError, match="offset 1"):
        service.worker().__enter__()


def test_what_an_earlier_version_wrote_teaches_the_same(tmp_path: Path) -> None:
    older = (Path(__file__).parents[2] / "older" / "feedback_0_1_0.jsonl").read_bytes()
    found = []
    newer = older.replace(b'"saw":', b'"context":').replace(b'"strangeness":', b'"nonconformity":')
    for name, written in (("old", older), ("new", newer)):
        config = settings(tmp_path / name, prior_shift={"enabled": True}, abstention={"per_class": True})
        service = Service(config)
        # What the model saw is learnt from where it is of the model of this config, which had learnt no more by then.
        own = written.replace(b"335aab3255929145", config.model.digest().encode())
        for line in re.sub(rb'"learnt":\d+', b'"learnt":0', own).splitlines():
            MemoryTransport(service.broker).produce("feedback", b"s", line)
        with running(service) as worker:
            assert worker.classifier.learnt == len(older.splitlines())
            assert worker.counts.scored_anew == 0
            found.append(bits(worker))
    assert found[0] == found[1]


def test_more_classes_than_allowed_stop_no_worker(tmp_path: Path) -> None:
    """Whoever may send labels could otherwise end every worker for good with one label."""
    service = Service(settings(tmp_path, classes=(), bounds={"classes": 3}))
    with running(service) as worker:
        events, _ = zip(*stream(10), strict=True)
        service.send(*events)
        drain(worker)
        service.tell(*[label(f"e{i}", f"class {i}") for i in range(6)])
        drain(worker)
        assert worker.classifier.classes == ["class 0", "class 1", "class 2"]
        service.tell(label("e7", "class 9"), label("e8", "class 1"))
        drain(worker)
        assert [kind for kind, _ in service.dead_letters] == ["too-many-classes"]
        assert worker.classifier.learnt == 4
        assert worker.classifier.feedback_offset == len(service.feedback) == 7
        expected = bits(worker)
    with running(service, settings(tmp_path / "anew", classes=(), bounds={"classes": 3})) as other:
        assert bits(other) == expected


@pytest.mark.parametrize("polls", [1, 1_000])
def test_a_log_in_which_an_older_release_wrote_true_makes_no_second_class_of_1(tmp_path: Path, polls: int) -> None:
    old = Service(settings(tmp_path / "old"))
    taught(old, 60)
    new = Service(settings(tmp_path / "new", classes=(), bounds={"classes": 2}, batching={"max_events": polls}))
    transport = MemoryTransport(new.broker)
    for record in old.records("feedback"):
        written = encode(read_feedback(record))  # as that release wrote it
        named = written.replace(b'"yes"', b'"true"').replace(b'"no"', b'"false"')
        transport.produce("feedback", record.key, named)
    with running(new) as worker:
        for (raw, truth), sent in zip(stream(30, start=100), [True, 1, "1.0"] * 10, strict=True):
            new.send(raw)
            new.tell({**truth, "label": sent if truth["label"] == "yes" else False})
        drain(worker)
        assert sorted(worker.classifier.classes) == ["false", "true"]
        assert worker.classifier.learnt == 90
        assert not new.dead_letters
        assert not worker.counts.passed_over
