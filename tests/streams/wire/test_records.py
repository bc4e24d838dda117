from __future__ import annotations

import math
from typing import Any

import jsonschema
import orjson
import pytest

from tocsin.models.early_risk.policies import SubjectRisk
from tocsin.streams.wire.records import (
    LATEST,
    Alert,
    DeadLetter,
    Decision,
    Event,
    Feedback,
    Label,
    Record,
    Review,
    SubjectState,
    Telemetry,
    category,
    class_label,
    epoch_milliseconds,
    name,
    number,
)

from ..support import START, Service, drain, event, label, running, settings, stream, text_settings

DECISION = {
    "event", "subject", "time", "decided_at", "status", "label", "belief", "uncertainty", "conflict", "reason", "set",
    "explanation", "model",
}  # fmt: skip


def through(service: Service, text: bool = False) -> Service:
    """Everything a worker can emit, in every stage of what it knows."""
    with running(service) as worker:
        for i, (raw, truth) in enumerate(stream(60)):
            if text:
                raw["text"] = "win a prize now" if truth["label"] == "yes" else "see you at lunch"
                truth["label"] = "spam" if truth["label"] == "yes" else "ham"
            service.send(raw)
            service.tell(truth)
            if i % 5 == 0:
                service.tell({"event": f"gone{i}", "label": truth["label"], "time": START,
                              **({"text": "prize"} if text else {"features": {"a": 1}})})  # fmt: skip
                service.tell({"subject": raw["subject"], "label": truth["label"], "time": START, "source": f"audit{i}"})
                service.send(b"bad", {**raw, "time": START + 9})
            worker.step(0)
        service.tell(label("never", "spam" if text else "yes"))
        drain(worker)
        service.clock.move(4_000)
        drain(worker)
    return service


LEVELS = ["none", "brief", "full"]


@pytest.fixture(scope="module", params=[*LEVELS, "text", "open classes"])
def emitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Service:
    directory = tmp_path_factory.mktemp("records")
    if request.param == "text":
        return through(Service(text_settings(directory, explanation={"level": "full"})), text=True)
    if request.param == "open classes":
        experts = [{"kind": "persistence", "by": "subject"}]
        return through(Service(settings(directory, classes=(), experts=experts)))
    experts = [{"kind": "river", "name": "tree", "parameters": {"grace_period": 10}}, {"kind": "linear"}]
    return through(Service(settings(directory, explanation={"level": request.param}, experts=experts)))


WHERE_ASKED = {"risk", "over_budget", "priors"}
"""Fields of a decision that are there only where the config asks for them."""


@pytest.mark.parametrize(
    ("topic", "model"),
    [("decisions", Decision), ("feedback", Feedback), ("alerts", Alert), ("review", Review), ("telemetry", Telemetry)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_a_worker_emits_is_what_its_schema_says(emitted: Service, topic: str, model: type[Record]) -> None:
    schema = model.model_json_schema(by_alias=True)
    validator = jsonschema.validators.validator_for(schema)(schema)
    records = emitted.records(topic)
    assert records or topic == "alerts"
    if topic == "alerts" and emitted.settings.early_risk.classes:
        assert records
    for record in records:
        value = orjson.loads(record.value or b"")
        validator.validate(value)
        parsed = model.model_validate(value)
        assert (
            set(value) - WHERE_ASKED == {f.alias or n for n, f in model.model_fields.items()} - WHERE_ASKED
            or topic == "alerts"
        )
        if topic != "telemetry":
            subject = value["event"]["subject"] if isinstance(value.get("event"), dict) else value["subject"]
            assert record.key == subject.encode()
        assert parsed.model_dump(by_alias=True, mode="json").keys() >= value.keys()


def test_a_decision_has_exactly_the_keys_of_the_contract(emitted: Service) -> None:
    expected = DECISION | ({"risk"} if emitted.settings.early_risk.classes else set())
    for decision in emitted.decisions:
        assert set(decision) == expected
        assert set(decision["model"]) == {"feedback_offset", "config", "segment"}
        assert (decision["explanation"] is None) == (emitted.settings.explanation.level == "none")


def test_masses_add_up_to_one_and_the_label_is_one_of_the_set(emitted: Service) -> None:
    assert {d["status"] for d in emitted.decisions} <= {"decided", "abstained"}
    for decision in emitted.decisions:
        masses = [*decision["belief"].values(), decision["uncertainty"]]
        assert abs(math.fsum(masses) - 1.0) < 1e-9
        assert all(0.0 <= mass <= 1.0 for mass in masses)
        if decision["status"] == "decided":
            assert decision["label"] in decision["belief"]
            assert decision["reason"] is None
            assert decision["label"] in decision["set"]
        else:
            assert decision["label"] is None
            assert decision["reason"] in ("uncertain", "conflict", "novel", "cold-start")


def test_a_decision_names_the_model_that_made_it(emitted: Service) -> None:
    offsets = [d["model"]["feedback_offset"] for d in emitted.decisions]
    assert offsets == sorted(offsets)
    assert offsets[0] == 0
    assert offsets[-1] > 50
    assert {d["model"]["config"] for d in emitted.decisions} == {emitted.settings.model.digest()}


def test_every_abstention_goes_to_review_and_nothing_else_does(emitted: Service) -> None:
    abstained = [d for d in emitted.decisions if d["status"] == "abstained"]
    assert [r["decision"] for r in emitted.values("review")] == abstained
    assert all(r["event"]["id"] == r["decision"]["event"] for r in emitted.values("review"))


def test_the_headers_of_a_dead_letter_are_what_its_schema_says(emitted: Service) -> None:
    schema = DeadLetter.model_json_schema(by_alias=True)
    dead = emitted.records("dead-letters")
    assert {r[0] for r in emitted.dead_letters} == {"not-json", "id-taken", "unknown-event"}
    for record in dead:
        headers: dict[str, Any] = {k: v.decode() for k, v in record.headers}
        assert set(headers) == set(schema["properties"])
        parsed = DeadLetter.model_validate(headers)
        assert parsed.topic in ("events", "labels")


def test_feedback_that_was_seen_carries_what_was_said(emitted: Service) -> None:
    decisions = {d["event"]: d for d in emitted.decisions}
    for feedback in emitted.feedback:
        if feedback["decision"] is None:
            assert feedback["saw"] is None
        else:
            assert feedback["decision"] == {**decisions[feedback["event"]["id"]], "explanation": None}
            assert feedback["saw"]["learnt"] >= 0


def test_events_and_labels_of_the_contract_are_accepted() -> None:
    Event.model_validate(event("e"))
    Event.model_validate({"id": 1, "subject": 2, "time": "2026-01-01", "features": {"x": None, "y": True, "z": "s"}})
    Label.model_validate(label("e"))
    Label.model_validate({"subject": "s", "label": True, "time": 0, "weight": 2, "more": "is left aside"})


@pytest.mark.parametrize(
    "features", [{"x": [1]}, {"x": {}}, {"x": float("nan")}, {"x": float("inf")}, {"x": 10**400}, [], "x"]
)
def test_a_feature_is_a_scalar(features: Any) -> None:
    with pytest.raises(ValueError, match="features"):
        Event.model_validate({**event("e"), "features": features})


def test_a_time_is_an_integer_or_iso_8601() -> None:
    assert epoch_milliseconds(0) == 0
    assert epoch_milliseconds(LATEST) == LATEST
    assert epoch_milliseconds("1970-01-01T00:00:00.0004Z") == 0
    assert epoch_milliseconds("9999-12-31T23:59:59.999Z") == LATEST
    for wrong in (LATEST + 1, -1, True, 0.0, None, "", "1700000000000", "2026-02-30", "12:00"):
        with pytest.raises(ValueError, match="time"):
            epoch_milliseconds(wrong)


def test_names_numbers_and_categories_take_what_they_say() -> None:
    assert name(7) == "7"
    assert class_label(True) == "true"
    assert category("") == ""
    assert category(False) == "false"
    assert number(3) == 3.0
    for function, wrong in (
        (name, True), (name, ""), (name, 1.5), (name, None), (class_label, 1.5), (category, 1.5), (category, None),
        (number, True), (number, "1"), (number, 10**400), (number, float("nan")),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must"):
            function(wrong)


def test_the_record_of_a_subject_holds_all_of_its_state() -> None:
    assert set(SubjectRisk.__slots__) == set(SubjectState.model_fields)
