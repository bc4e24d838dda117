"""What a record says that its event and its model do not bear out is missing from the decision that is made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.records import Decision
from tocsin.streams.worker.worker import Worker

from ...support import START, Service, drain, running, settings

CHANGES: dict[str, Any] = {
    "abstention": {"cold_start": 5, "budget": 2},
    "alert": {"class": "yes", "budget": "10%"},
    "early_risk": {"classes": ["yes"], "policy": "peer-baseline", "minimum_subjects": 2, "gamma": 0.5},
}


@pytest.fixture
def taught(tmp_path: Path) -> Any:
    """A worker that has decided a stream without a clear answer, and its decisions with what each was decided by."""
    service = Service(settings(tmp_path, **CHANGES))
    rng = np.random.default_rng(1)
    with running(service) as worker:
        for start in range(0, 300, 20):
            rows = [rng.normal(size=2).tolist() for _ in range(20)]
            for i, (a, b) in enumerate(rows, start):
                raw = {"id": f"e{i}", "subject": f"s{i % 6}", "time": START + i * 60_000, "features": {"a": a, "b": b}}
                service.send(raw)
            drain(worker)
            for i, (a, b) in enumerate(rows, start):
                truth = "yes" if a + rng.normal() > b else "no"
                service.tell({"event": f"e{i}", "label": truth, "time": START + i * 60_000 + 1})
        drain(worker)
        yield service, worker


def again(service: Service, worker: Worker, said: Decision, before: Decision | None) -> Decision:
    """The decision on an event as the model of today makes it under what a record says."""
    record = next(r for r in service.records("events") if b'"%b"' % said.event.encode() in (r.value or b""))
    events, _ = worker._decoder.events([record])
    states = {} if before is None or before.risk is None else {said.subject: before.risk}
    [text] = worker._model.decide.again(events, [said], states)
    return msgspec.json.decode(text, type=Decision)


def decisions(service: Service) -> list[Decision]:
    return [msgspec.json.decode(r.value or b"", type=Decision) for r in service.records("decisions")]


def of_today(service: Service, worker: Worker, said: Decision) -> tuple[Decision, Decision]:
    """A decision as the model of today makes it, and the one on its subject before it."""
    number = int(said.event[1:])
    before = decisions(service)[number - 6]
    return again(service, worker, said, before), before


def test_an_alert_whose_threshold_is_not_reached_is_not_raised_again(taught: Any) -> None:
    service, worker = taught
    said = next(d for d in decisions(service)[100:] if d.alert is not None)
    today, before = of_today(service, worker, msgspec.structs.replace(said, alert=0.01))
    assert today.alert == 0.01
    assert again(service, worker, msgspec.structs.replace(today, alert=0.999999), before).alert is None


def test_a_budget_that_was_spent_on_a_decided_event_is_not_believed(taught: Any) -> None:
    service, worker = taught
    seen: set[bool] = set()
    for said in decisions(service)[100:200]:
        free, before = of_today(service, worker, msgspec.structs.replace(said, over_budget=None))
        spent = again(service, worker, msgspec.structs.replace(free, over_budget="novel"), before)
        if free.status == "decided":
            assert spent.over_budget is None
        else:
            assert spent.over_budget == free.reason  # which the model says, and not the record
        seen.add(free.status == "decided")
    assert seen == {True, False}


def test_of_peers_only_that_an_alert_was_raised_is_believed(taught: Any) -> None:
    service, worker = taught
    said = decisions(service)[200]
    plain, before = of_today(service, worker, said)
    assert plain.risk is not None
    assert before.risk is not None
    state = msgspec.structs.replace(plain.risk, alerts={}, risk={"yes": 99.0})
    quiet = again(service, worker, msgspec.structs.replace(plain, risk=state), None)
    assert quiet.risk is not None
    assert (quiet.risk.posts, quiet.risk.alerts) == (1, {})
    assert quiet.risk.risk["yes"] < 2.0
    raised = msgspec.structs.replace(state, alerts={"yes": 1})
    loud = again(service, worker, msgspec.structs.replace(plain, risk=raised), None)
    assert loud.risk is not None
    assert loud.risk.alerts == {"yes": 1}
    wrong = msgspec.structs.replace(state, alerts={"yes": 7})  # not at this post
    assert again(service, worker, msgspec.structs.replace(plain, risk=wrong), None).risk == quiet.risk


def test_one_event_alone_has_the_bytes_that_it_has_among_others(taught: Any) -> None:
    service, worker = taught
    records = service.records("events")[250:270]
    events, _ = worker._decoder.events(records)
    said = decisions(service)[250:270]
    states = {f"s{i % 6}": d.risk for i, d in enumerate(decisions(service)[244:250], 244) if d.risk is not None}
    together = worker._model.decide.again(events, said, states)
    for i, one in enumerate(said):
        state = states[one.subject]
        [alone] = worker._model.decide.again(events.of([i]), [one], {one.subject: state})
        assert alone == together[i]
        after = msgspec.json.decode(alone, type=Decision)
        assert encode(after) == alone  # the text is that of the struct
        assert after.risk is not None
        states[one.subject] = after.risk
