"""What is packed of an event comes back as the decision that went out, and what the model saw of it to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.events import event_of, packed_alone
from tocsin.streams.wire.packed.feedback import (
    UNREADABLE,
    PackedFeedback,
    packed_feedback,
    read,
    read_feedback,
    without_context,
)
from tocsin.streams.wire.packed.layout import Layout, read_layout
from tocsin.streams.wire.records import Decision, Event

from ...support import START, Service, drain, event, record, running, settings, stream, text_settings

SCHEMA = {
    "features": [
        {"name": "a"},
        {"name": "colour", "kind": "category", "required": False},
        {"name": "new", "kind": "boolean", "required": False},
    ]
}
PROFILES = [
    {"key": "subject", "share": ["colour"], "distinct": ["shop"]},
    {"key": "colour", "windows": ["3 events"], "rate": ["yes"]},
    {"key": "shop", "path": "subject"},
]
TREE = {"kind": "tree", "name": "tree", "grace_period": 10}
CONFIGS: dict[str, dict[str, Any]] = {
    "two classes": {},
    "found classes": {"classes": (), "experts": [{"kind": "persistence", "by": "subject"}]},
    "per class": {"abstention": {"cold_start": 5, "per_class": True, "error": 0.3}},
    "budget": {"abstention": {"cold_start": 5, "budget": 3}},
    "priors": {"prior_shift": {"enabled": True, "mature": 5, "window": 100}},
    "no abstention": {"abstention": {"enabled": False}},
    "history": {"experts": [{**TREE, "history": 2}, {"kind": "linear"}]},
    "categories": {"schema": SCHEMA, "experts": [TREE, {"kind": "linear"}]},
    "profiles": {"schema": {**SCHEMA, "profiles": PROFILES}, "experts": [TREE, {"kind": "linear"}]},
}


def served(service: Service, text: bool = False) -> None:
    """Sixty events, each with its label a little later, so that early ones are cold and late ones are not."""
    with running(service) as worker:
        for i, (raw, truth) in enumerate(stream(60)):
            if "colour" in [feature.name for feature in service.settings.schema_.features]:
                colour, new = ["red", 'gr"een', None][i % 3], [True, False, None][i % 3]
                raw["features"] = {"a": raw["features"]["a"], "colour": colour, "new": new}
            if text:
                raw["text"], truth["label"] = ("win a prize", "spam") if i % 2 else ("see you", "ham")
            service.send(raw)
            worker.step(0)
            service.tell(truth)
        drain(worker)


def check(service: Service) -> None:
    """Each decision in the log is what is packed in the feedback on its event, but for its explanation."""
    said = {
        d.event: d for d in (msgspec.json.decode(r.value or b"", type=Decision) for r in service.records("decisions"))
    }
    feedback = [read_feedback(r) for r in service.records("feedback")]
    assert len(feedback) == 60
    for item in feedback:
        assert item.decision == msgspec.structs.replace(said[item.event.id], explanation=None, chain=None)
        assert item.context is not None
        assert item.context.learnt == item.decision.model.feedback_offset
        assert read(packed_feedback(read(encode_packed(service, item.event.id)))) is not None


def encode_packed(service: Service, identity: str) -> bytes:
    [found] = [r.value or b"" for r in service.records("feedback") if read_feedback(r).event.id == identity]
    return found


@pytest.mark.parametrize("case", CONFIGS)
def test_the_decision_in_the_log_is_the_one_that_is_packed(tmp_path: Path, case: str) -> None:
    service = Service(settings(tmp_path, **CONFIGS[case]))
    served(service)
    check(service)


def test_a_subjects_risk_is_packed_with_the_decision(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path))
    served(service, text=True)
    check(service)
    assert all("risk" in decision for decision in service.decisions)


def test_what_is_said_of_a_budget_is_packed_with_the_decision(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, **CONFIGS["budget"]))
    served(service)
    assert {"over_budget"} <= set(service.feedback[0]["decision"])


EVENT = Event("e", "s", START, {"a": 1.5, "colour": None, "new": None, "b": -0.0}, "tëxt")


@pytest.mark.parametrize("features", [EVENT.features, {"a": None, "colour": "x,\x00", "new": False, "b": 1e308}])
def test_an_event_comes_back_with_every_feature_that_is_not_known(features: dict[str, Any]) -> None:
    layout = Layout(("a", "colour", "new", "b"), ("number", "category", "boolean", "number"))
    made = msgspec.structs.replace(EVENT, features=features)
    assert event_of(layout, packed_alone(made, layout, 3, b"digest")) == made


def test_a_layout_comes_back_and_says_where_each_number_stands() -> None:
    layout = Layout(("a",), ("number",), ("no", "yes"), experts=2, history=1, nonconformity=True, decided=True)
    assert read_layout(layout.packed) == layout
    covered = np.concatenate([np.arange(place.start, place.stop) for place in layout.places.values()])
    assert covered.tolist() == list(range(layout.width))
    assert layout.key != Layout(("a",), ("number",), ("yes", "no"), experts=2, history=1, decided=True).key


def test_feedback_without_its_context_still_says_what_was_decided(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    served(service)
    for one in service.records("feedback"):
        found = read(one.value or b"")
        assert isinstance(found, PackedFeedback)
        less, whole = without_context(found).record(), found.record()
        assert less == msgspec.structs.replace(whole, context=None)


@pytest.mark.parametrize("cut", [3, 20, -1])
def test_feedback_that_is_cut_is_garbage_and_never_something_else(tmp_path: Path, cut: int) -> None:
    service = Service(settings(tmp_path))
    served(service)
    value = service.records("feedback")[0].value or b""
    with pytest.raises(UNREADABLE):
        read_feedback(record(value[:cut], "feedback"))


def test_feedback_that_an_earlier_version_wrote_is_still_learnt(tmp_path: Path) -> None:
    service, older = Service(settings(tmp_path / "now")), Service(settings(tmp_path / "older"))
    served(service)
    for one in service.records("feedback"):
        older._send("feedback", encode(read_feedback(one)), ())
    with running(service) as now, running(older) as before:
        drain(before)
        assert before.counts.feedback == 60
        mine, theirs = now.classifier.state_dict(), before.classifier.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in mine)


def test_a_label_that_brings_its_features_is_packed_as_an_event(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.tell({"event": "gone", "label": "yes", "time": START, "features": {"a": 1, "b": None}})
        drain(worker)
    [item] = service.feedback
    assert item["event"] == {**event("gone", 1.0, None), "subject": "gone", "text": None}
    assert (item["decision"], item["context"]) == (None, None)
