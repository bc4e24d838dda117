"""Control records in the feedback: the fold is cut at them, and whatever else reads the feedback passes over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.streams.cli.commands.feedback import json_lines
from tocsin.streams.replay.bootstrap.mark import places
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.packed.control import CONTROL_MARK, Control
from tocsin.streams.worker.learning.learn import FeedbackError

from ..support import Service, bits, drain, event, label, running, settings, stream

PROMOTE = Control(kind="decide-by", reason="promote", time=0, config="ab")


def taught(service: Service, n: int, start: int = 0) -> None:
    for happened, truth in stream(n, start):
        service.send(happened)
        service.tell(truth)


def test_a_control_record_ends_no_worker_and_teaches_nothing(tmp_path: Path) -> None:
    plain, marked = Service(settings(tmp_path / "plain")), Service(settings(tmp_path / "marked"))
    with running(plain) as one, running(marked) as other:
        for service, worker in ((plain, one), (marked, other)):
            for start in (0, 10):
                taught(service, 10, start)
                drain(worker)
                if service is marked:
                    service.control(PROMOTE)
                    drain(worker)
        assert bits(one) == bits(other)
        assert (one.classifier.learnt, other.classifier.learnt) == (20, 20)
        assert (one.classifier.feedback_offset, other.classifier.feedback_offset) == (20, 22)


def test_a_decide_by_is_handed_on_once_when_all_before_it_is_learnt(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    seen: list[tuple[str, int, int]] = []
    with running(service) as worker:
        model = worker._model
        model.decides_by = lambda control, offset: seen.append((control.config, offset, model.classifier.learnt))
        taught(service, 3)
        drain(worker)
        service.control(PROMOTE)
        drain(worker)
        taught(service, 3, 3)
        drain(worker)
    assert seen == [("ab", 3, 3)]


def test_a_worker_that_starts_anew_hands_on_a_decide_by_too(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        taught(service, 3)
        drain(worker)
    service.control(PROMOTE)
    worker = service.worker()
    seen: list[int] = []
    worker._model.decides_by = lambda control, offset: seen.append(offset)
    with worker:
        drain(worker)
    assert seen == [3]


def test_a_damaged_control_record_is_named_by_its_offset(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    service.broker.append(service.topics.feedback, None, CONTROL_MARK + b"\xff\x00", ())
    with pytest.raises(FeedbackError, match="offset 0 is no feedback record"), service.worker():
        pass


def test_the_command_prints_control_records_among_the_feedback(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        drain(worker)
    service.control(Control(kind="leave-out", reason="rollback", time=7, end=1, source=None))
    lines = list(json_lines(MemoryTransport(service.broker), service.topics.feedback, 0))
    assert '"id":"e"' in lines[0]
    assert lines[1] == '{"kind":"leave-out","reason":"rollback","time":7,"end":1,"source":null}'


def test_a_control_record_is_no_feedback_that_a_bootstrap_would_go_behind(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    service.control(PROMOTE)
    assert places(service.records(service.topics.feedback)).others == 0
