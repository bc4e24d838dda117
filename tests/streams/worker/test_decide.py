from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tocsin.models.classifier import Classifier
from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.store import State
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.events import read_packed
from tocsin.streams.wire.records import Decision
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.deciding.decide import Decide

from ..support import START, Service, drain, event, record, running, settings, stream, text_settings


def test_nothing_to_decide_is_no_work(tmp_path: Path) -> None:
    config = settings(tmp_path)
    decoder = Decoder(EventSchema(config))
    state = State(tmp_path / "lmdb", 2**20)
    with state.transaction() as t:
        decide = Decide(config, Classifier.from_config(config), decoder)
        assert decide(decoder.events([])[0], t, START).outputs == []
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
        with worker._state.transaction() as t:
            batches = [
                decide(decoder.events(raw)[0], t, START),
                *(decide(decoder.events([r])[0], t, START) for r in raw),
            ]
        said = [msgspec.json.decode(outputs[0].value, type=Decision) for b in batches for outputs in b.outputs]
        together, apart = said[:20], said[20:]
        for one, other in zip(together, apart, strict=True):
            for part in ("event", "status", "label", "set", "reason", "explanation"):
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
            decided = worker._model.decide(worker._decoder.events([raw])[0], t, START)
        [outputs], [packed] = decided.outputs, decided.packed
        assert [o.topic for o in outputs] == ["decisions", "review"]
        said, kept = (
            msgspec.json.decode(outputs[0].value, type=Decision),
            PendingEvent(decided.layout, packed, read_packed(packed)),
        )
        assert said.explanation is not None
        assert kept.unpacked().decision == msgspec.structs.replace(said, explanation=None)
        assert kept.partition == 3
        assert all(o.headers == (("h", b"1"),) for o in outputs)


def test_without_early_risk_no_subject_is_remembered(tmp_path: Path) -> None:
    for config, kept in ((settings(tmp_path / "a"), 0), (text_settings(tmp_path / "b"), 1)):
        service = Service(config)
        with running(service) as worker:
            service.send(event("e", text="hello"))
            drain(worker)
            with worker._state.transaction() as t:
                assert t.subjects.count() == kept
            assert ("risk" in service.decisions[0]) == bool(kept)
