"""Bootstrap on brokers in memory: what is written, in which order, how often, and what a worker makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.settings import Settings
from tocsin.streams.replay.bootstrap import history as history_module
from tocsin.streams.replay.bootstrap.bootstrap import Bootstrap, BootstrapError, BootstrapReport
from tocsin.streams.replay.bootstrap.history import History
from tocsin.streams.replay.bootstrap.mark import mark_of
from tocsin.streams.replay.past_event import SourceError
from tocsin.streams.transport.base import Headers, Transport, TransportError
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.packed.feedback import SEALED
from tocsin.streams.worker.erasing.forget import Forget

from ...support import START, Service, bits, drain, event, label, running, settings, stream

HEADER = "id,subject,time,a,b,label\n"


def row(identity: str, time: int = START, a: Any = 1.0, b: Any = 2.0, truth: str = "yes", subject: str = "s") -> str:
    return f"{identity},{subject},{time},{a},{b},{truth}\n"


def rows(n: int, start: int = 0) -> list[str]:
    """The events of `stream` as rows of a table."""
    return [
        row(raw["id"], raw["time"], raw["features"]["a"], raw["features"]["b"], truth["label"], raw["subject"])
        for raw, truth in stream(n, start)
    ]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path))


def no_reader() -> Transport:
    raise AssertionError("a file is read without a broker")


def write(tmp_path: Path, lines: Sequence[str], name: str = "past.csv") -> Path:
    path = tmp_path / name
    path.write_text(HEADER + "".join(lines))
    return path


def bootstrapped(
    service: Service,
    *paths: Path,
    append: bool = False,
    open_transport: Callable[[], Transport] | None = None,
    config: Settings | None = None,
) -> BootstrapReport:
    config = config or service.settings
    histories = [History(config, str(path), no_reader) for path in paths]
    opened = open_transport or (lambda: MemoryTransport(service.broker, transactional=True))
    return Bootstrap(config, opened).run(histories, append)


def ids(service: Service) -> list[str]:
    return [item["event"]["id"] for item in service.feedback]


def test_history_of_a_service_with_erasure_is_sealed_and_teaches_the_same(service: Service, tmp_path: Path) -> None:
    n = 60
    history = write(tmp_path, [*rows(n), row("odd", a="4711.25 words")])
    sealed = Service(settings(tmp_path / "sealed", erasure={"enabled": True, "secret": "a text that is long enough"}))
    for one in (service, sealed):
        assert bootstrapped(one, history).written == n
    assert len(sealed.records("keys")) == 4  # subjects of the stream
    assert [(record.key, record.value) for record in sealed.records("dead-letters")] == [(None, b"")]
    for record in sealed.records("feedback"):
        assert (record.value or b"").startswith(SEALED)
        assert b"s0" not in (record.key or b"")
    with running(service) as one, running(sealed) as two:
        assert one.classifier.learnt == two.classifier.learnt == n
        assert bits(one) == bits(two)
    assert bootstrapped(sealed, history).written == 0  # its mark is in the headers
    command = Forget(sealed.settings, MemoryTransport(sealed.broker))
    assert command.forget(command.find(["s1"])).feedback == n // 4


def test_the_model_is_that_of_labels_which_bring_their_own_features(service: Service, tmp_path: Path) -> None:
    n = 150
    report = bootstrapped(service, write(tmp_path, rows(n)))
    assert (report.events, report.written, report.dead_letters) == (n, n, 0)
    other = Service(settings(tmp_path / "other"))
    for raw, truth in stream(n):
        other.tell({**truth, "time": raw["time"], "features": raw["features"]})
    with running(service) as one, running(other) as two:
        assert one.classifier.learnt == two.classifier.learnt == n
        assert bits(one) == bits(two)


def test_a_worker_decides_its_first_event_by_what_is_known(service: Service, tmp_path: Path) -> None:
    bootstrapped(service, write(tmp_path, rows(600)))
    with running(service) as worker:
        for raw, _ in stream(40, start=600):
            service.send(raw)
        drain(worker)
        decided = [decision for decision in service.decisions if decision["status"] == "decided"]
        truth = {raw["id"]: told["label"] for raw, told in stream(40, start=600)}
        assert not [d for d in service.decisions if d["reason"] == "cold-start"]
        assert len(decided) >= 20
        assert sum(truth[d["event"]] == d["label"] for d in decided) > 0.8 * len(decided)


def test_a_label_that_comes_again_for_what_is_known_is_not_learnt_twice(service: Service, tmp_path: Path) -> None:
    bootstrapped(service, write(tmp_path, rows(20)))
    with running(service) as worker:
        for raw, truth in stream(20):
            service.send(raw)
            service.tell(truth)
        drain(worker)
        assert worker.counts.labels["duplicate"] == 20
        assert worker.classifier.learnt == 20


def test_a_second_run_of_a_history_writes_nothing(service: Service, tmp_path: Path) -> None:
    path = write(tmp_path, rows(30))
    bootstrapped(service, path)
    before = service.records("feedback")
    taught = [event("live"), label("live")]
    for again in range(2):
        report = bootstrapped(service, path)
        assert (report.written, report.there_already, report.dead_letters) == (0, 30, 0)
        assert service.records("feedback")[:30] == before
        if again == 0:  # also behind what a worker has learnt since
            with running(service) as worker:
                service.send(taught[0])
                service.tell(taught[1])
                drain(worker)
    assert len(service.records("feedback")) == 31


class FailingTransport(MemoryTransport):
    """Fails when it is to write one record more than it may."""

    def __init__(self, service: Service, left: int, transactional: bool) -> None:
        super().__init__(service.broker, transactional=transactional)
        self._left = left

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        if self._left == 0:
            raise TransportError("the broker is gone")
        self._left -= 1
        super().produce(topic, key, value, headers)


@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.parametrize("at", [0, 1, 7, 18])
def test_an_interrupted_run_is_gone_on_with_and_nothing_is_written_twice(
    service: Service, tmp_path: Path, at: int, transactional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.streams.replay.bootstrap.bootstrap._BATCH", 4)
    lines = rows(20)
    lines.insert(5, row("e3", START + 3, *lines[3].split(",")[3:5], lines[3].split(",")[5].strip(), "s3"))  # again
    path = write(tmp_path, lines)
    for left in (at, 1):
        with pytest.raises(TransportError, match="is gone"):
            bootstrapped(service, path, open_transport=partial(FailingTransport, service, left, transactional))
    report = bootstrapped(service, path)
    assert ids(service) == [f"e{i}" for i in range(20)]
    assert report.there_already + report.written + report.twice >= 20
    assert bootstrapped(service, path).written == 0
    marks = [mark_of(record) for record in service.records("feedback")]
    assert [mark is not None and mark.last for mark in marks] == [False] * 19 + [True]


def test_events_are_learnt_in_the_order_of_their_times(service: Service, tmp_path: Path) -> None:
    path = write(tmp_path, [row("c", START + 3), row("a", START), row("b1", START + 1), row("b2", START + 1)])
    bootstrapped(service, path)
    assert ids(service) == ["a", "b1", "b2", "c"]
    assert [item["labelled_at"] - START for item in service.feedback] == [0, 1, 1, 3]


def test_without_times_events_are_learnt_as_they_stand(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    path.write_text("a,b,label\n3,1,yes\n1,1,no\n2,1,yes\n")
    bootstrapped(service, path)
    assert [item["event"]["features"]["a"] for item in service.feedback] == [3, 1, 2]


def test_a_history_that_is_too_large_to_be_sorted_is_named(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_HELD", 300)
    bootstrapped(service, write(tmp_path, rows(10)))  # it is in order
    with pytest.raises(SourceError, match="sort it by time first"):
        bootstrapped(service, write(tmp_path, rows(10)[::-1], "late.csv"), append=True)


def test_every_event_is_accounted_for(service: Service, tmp_path: Path) -> None:
    lines = [
        row("good"), row("unlabelled", truth=""), row("unfit", a="much"), row("other", truth="perhaps"),
        row("good"), row("good", a=7), row("none", a=""), row("fine", b=""),
    ]  # fmt: skip
    report = bootstrapped(service, write(tmp_path, lines))
    assert ids(service) == ["good", "none", "fine"]
    assert (report.events, report.written, report.unlabelled, report.twice, report.dead_letters) == (8, 3, 1, 1, 3)
    assert [kind for kind, _ in service.dead_letters] == ["invalid", "invalid", "id-taken"]
    assert sum(report.reasons.values()) == 3
    assert any("must be a number, found the string 'much'" in reason for reason in report.reasons)


def test_a_class_too_many_is_a_dead_letter(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, classes=[], bounds={"classes": 2}))
    report = bootstrapped(service, write(tmp_path, [row(c, truth=c) for c in ("x", "y", "z")]))
    assert (report.written, report.dead_letters) == (2, 1)
    with running(service) as worker:
        assert list(worker.classifier.classes) == ["x", "y"]


def test_feedback_of_another_kind_is_not_written_behind_unless_it_is_asked_for(
    service: Service, tmp_path: Path
) -> None:
    with running(service) as worker:
        service.send(event("live"))
        service.tell(label("live"))
        drain(worker)
    path = write(tmp_path, rows(5))
    with pytest.raises(BootstrapError, match=r"holds 1 records that workers wrote: .* with --append"):
        bootstrapped(service, path)
    assert ids(service) == ["live"]
    assert bootstrapped(service, path, append=True).written == 5
    more = write(tmp_path, rows(5, start=5), "more.csv")
    with pytest.raises(BootstrapError, match="1 other history"):
        bootstrapped(service, more)
    assert bootstrapped(service, path, more, append=True).written == 5
    assert ids(service) == ["live", *(f"e{i}" for i in range(10))]


def test_several_histories_are_written_one_after_the_other(service: Service, tmp_path: Path) -> None:
    one, two = write(tmp_path, rows(4), "one.csv"), write(tmp_path, rows(4, start=4), "two.csv")
    with pytest.raises(TransportError):
        bootstrapped(service, one, two, open_transport=partial(FailingTransport, service, 6, False))
    report = bootstrapped(service, one, two)
    assert (report.events, report.there_already + report.written) == (8, 8)
    assert ids(service) == [f"e{i}" for i in range(8)]
    with pytest.raises(BootstrapError, match="named twice"):
        bootstrapped(service, one, one)


def test_a_history_that_changes_while_it_is_read_is_told(service: Service, tmp_path: Path) -> None:
    path = write(tmp_path, rows(10))

    def changed() -> Transport:
        write(tmp_path, rows(12))
        return MemoryTransport(service.broker)

    with pytest.raises(SourceError, match="has changed while it was read"):
        bootstrapped(service, path, open_transport=changed)


def test_a_text_that_its_topic_does_not_take_is_a_dead_letter(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, schema={"text": "text"}, experts=[{"kind": "persistence"}]))
    service.broker.set_limit("feedback", 3_000)
    path = tmp_path / "past.csv"
    path.write_text("id,text,label\na,short,yes\nb," + "long " * 2_000 + ",no\nc,end,yes\n")
    report = bootstrapped(service, path)
    assert (report.written, report.dead_letters) == (2, 1)
    assert ids(service) == ["a", "c"]
    assert service.dead_letters[0][0] == "feedback-too-large"


def test_feedback_in_several_partitions_is_refused(service: Service, tmp_path: Path) -> None:
    service.broker.create("wide", 2)
    config = settings(tmp_path, topics={"feedback": "wide"})
    with pytest.raises(BootstrapError, match="has 2 partitions"):
        bootstrapped(service, write(tmp_path, rows(2)), config=config)


def test_history_has_what_profiles_would_have_said_of_it(tmp_path: Path) -> None:
    """A model that learnt history without them would not know what they are worth."""
    schema = {
        "features": [{"name": "a"}, {"name": "b", "required": False}],
        "profiles": [{"key": "subject", "windows": ["1h"], "say": ["count", "mean"], "rate": ["yes"]}],
    }
    config, other = settings(tmp_path, schema=schema), settings(tmp_path / "other", schema=schema)
    service, served = Service(config), Service(other)
    past = rows(30)
    past[3] = past[3].replace(",yes", ",").replace(",no", ",")
    bootstrapped(service, write(tmp_path, past))
    with running(served) as worker:
        served.send(*[raw for raw, _ in stream(30)])
        drain(worker)
    said = {decision["event"]: decision["profiles"] for decision in served.decisions}
    assert len(service.feedback) == 29
    for item in service.feedback:
        features = item["event"]["features"]
        of_events = {name: value for name, value in said[item["event"]["id"]].items() if not name.startswith("rate")}
        assert {name: features[name] for name in of_events} == of_events
        assert features["rate of yes of subject over 1h"] is None
    with running(service) as worker:
        assert worker.classifier.learnt == 29
