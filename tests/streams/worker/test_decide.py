from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.models.classifier import Classifier
from tocsin.streams.state.store import State
from tocsin.streams.wire.decode import DecodedEvent, Decoder
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.deciding.decide import Decide

from ..support import START, Service, drain, event, record, running, settings, stream, text_settings


def test_nothing_to_decide_is_no_work(tmp_path: Path) -> None:
    config = settings(tmp_path)
    decoder = Decoder(EventSchema(config))
    state = State(tmp_path / "lmdb", 2**20)
    with state.transaction() as t:
        assert Decide(config, Classifier.from_config(config), decoder)([], t, START) == []
    state.close()


def test_how_events_are_batched_changes_no_decision(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"))
    with running(service) as worker:
        for raw, truth in stream(60):
            service.send(raw)
            service.tell(truth)
            worker.step(0)
        drain(worker)
        decide, decoder = worker._model.decide, worker._decoder
        raw = [record(e) for e, _ in stream(20, start=100)]
        events = [DecodedEvent(r, decoder.event(r)) for r in raw]
        with worker._state.transaction() as t:
            together = [d.decision for d in decide(events, t, START)]
            apart = [d.decision for e in events for d in decide([e], t, START)]
        for one, other in zip(together, apart, strict=True):
            for part in ("event", "status", "label", "set", "reason"):
                assert getattr(one, part) == getattr(other, part)
            assert one.belief == pytest.approx(other.belief, abs=1e-9)


def test_deciding_teaches_nothing(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.send(event("1"), event("2"))
        drain(worker)
        assert worker.classifier.learnt == 0
        first, second = service.decisions
        assert first["belief"] == second["belief"]


def test_the_decision_comes_first_and_the_entry_keeps_no_explanation(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, review={"cold_start": True}))
    with running(service) as worker:
        raw = record(event("e"), partition=3, headers=(("h", b"1"),))
        with worker._state.transaction() as t:
            [decided] = worker._model.decide([DecodedEvent(raw, worker._decoder.event(raw))], t, START)
        assert [o.topic for o in decided.outputs] == ["decisions", "review"]
        assert decided.pending.decision is not None
        assert decided.pending.decision.explanation is None
        assert decided.decision.explanation is not None
        assert decided.pending.partition == 3
        assert all(o.headers == (("h", b"1"),) for o in decided.outputs)


def test_without_early_risk_no_subject_is_remembered(tmp_path: Path) -> None:
    for config, kept in ((settings(tmp_path / "a"), 0), (text_settings(tmp_path / "b"), 1)):
        service = Service(config)
        with running(service) as worker:
            service.send(event("e", text="hello"))
            drain(worker)
            with worker._state.transaction() as t:
                assert t.subjects.count() == kept
            assert ("risk" in service.decisions[0]) == bool(kept)
