from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import orjson
import pytest

from tocsin.config.schema import TimeUnit
from tocsin.models.data.times.reading import LATEST, epoch_milliseconds
from tocsin.models.early_risk.policies import SubjectRisk
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.json_schema import schema_of
from tocsin.streams.wire.kinds.dead_letter import DeadLetter
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.wire.records import (
    Alert,
    Decision,
    Event,
    Feedback,
    Label,
    Review,
    SubjectState,
    Telemetry,
)
from tocsin.streams.wire.values import category, class_label, name, number

from ..support import START, Service, drain, event, label, running, settings, stream, text_settings

DECISION = {
    "event", "subject", "time", "decided_at", "status", "label", "belief", "uncertainty", "conflict", "reason", "set",
    "explanation", "model",
}  # fmt: skip


def through(service: Service, text: bool = False) -> Service:
    """Everything a worker can produce, in every stage of what it knows."""
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
def produced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Service:
    directory, review = tmp_path_factory.mktemp("records"), {"cold_start": True}
    if request.param == "text":
        return through(Service(text_settings(directory, review=review, explanation={"level": "full"})), text=True)
    if request.param == "open classes":
        experts = [{"kind": "persistence", "by": "subject"}]
        return through(Service(settings(directory, review=review, classes=(), experts=experts)))
    experts = [{"kind": "river", "name": "tree", "parameters": {"grace_period": 10}}, {"kind": "linear"}]
    config = settings(directory, review=review, explanation={"level": request.param}, experts=experts)
    return through(Service(config))


WHERE_ASKED = {
    "risk", "over_budget", "priors", "profiles", "quick_within", "shed", "traffic_ratio", "alert", "novelty", "sealed",
}  # fmt: skip
"""Fields of a decision or a review that are there only where the config asks for them."""


@pytest.mark.parametrize(
    ("topic", "kind"),
    [("decisions", Decision), ("feedback", Feedback), ("alerts", Alert), ("review", Review), ("telemetry", Telemetry)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_a_worker_produces_is_what_its_schema_says(
    produced: Service, topic: str, kind: type[msgspec.Struct]
) -> None:
    schema = schema_of(kind)
    validator = jsonschema.validators.validator_for(schema)(schema)
    records = produced.records(topic)
    assert records or topic == "alerts"
    if topic == "alerts" and produced.settings.early_risk.classes:
        assert records
    for record in records:
        written = encode(read_feedback(record)) if topic == "feedback" else record.value or b""
        value = orjson.loads(written)
        validator.validate(value)
        parsed = msgspec.json.decode(written, type=kind)
        assert set(value) - WHERE_ASKED == set(kind.__struct_encode_fields__) - WHERE_ASKED or topic == "alerts"
        if topic != "telemetry":
            subject = value["event"]["subject"] if isinstance(value.get("event"), dict) else value["subject"]
            assert record.key == subject.encode()
        assert msgspec.to_builtins(parsed) == value


def test_a_decision_has_exactly_the_keys_of_the_contract(produced: Service) -> None:
    expected = DECISION | ({"risk"} if produced.settings.early_risk.classes else set())
    for decision in produced.decisions:
        assert set(decision) == expected
        assert set(decision["model"]) == {"feedback_offset", "config", "segment", "settings"}
        assert (decision["explanation"] is None) == (produced.settings.explanation.level == "none")


def test_masses_add_up_to_one_and_the_label_is_one_of_the_set(produced: Service) -> None:
    assert {d["status"] for d in produced.decisions} <= {"decided", "abstained"}
    for decision in produced.decisions:
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


def test_a_decision_names_the_model_that_made_it(produced: Service) -> None:
    offsets = [d["model"]["feedback_offset"] for d in produced.decisions]
    assert offsets == sorted(offsets)
    assert offsets[0] == 0
    assert offsets[-1] > 50
    assert {d["model"]["config"] for d in produced.decisions} == {produced.settings.model.digest()}
    assert {d["model"]["settings"] for d in produced.decisions} == {produced.settings.digest()}


def test_every_abstention_goes_to_review_and_nothing_else_does(produced: Service) -> None:
    abstained = [d for d in produced.decisions if d["status"] == "abstained"]
    assert [r["decision"] for r in produced.values("review")] == abstained
    assert all(r["event"]["id"] == r["decision"]["event"] for r in produced.values("review"))


def test_the_headers_of_a_dead_letter_are_what_its_schema_says(produced: Service) -> None:
    schema = schema_of(DeadLetter)
    dead = produced.records("dead-letters")
    assert {r[0] for r in produced.dead_letters} == {"not-json", "id-taken", "unknown-event"}
    for record in dead:
        headers: dict[str, Any] = {k: v.decode() for k, v in record.headers}
        assert set(headers) == set(schema["properties"])
        parsed = msgspec.convert(headers, DeadLetter, strict=False)
        assert parsed.topic in ("events", "labels")


def test_feedback_that_was_seen_carries_what_was_said(produced: Service) -> None:
    decisions = {d["event"]: d for d in produced.decisions}
    for feedback in produced.feedback:
        if feedback["decision"] is None:
            assert feedback["context"] is None
        else:
            assert feedback["decision"] == {**decisions[feedback["event"]["id"]], "explanation": None}
            assert feedback["context"]["learnt"] >= 0


def test_events_and_labels_of_the_contract_are_accepted() -> None:
    for value in (
        event("e"),
        {"id": 1, "subject": 2, "time": "2026-01-01", "features": {"x": None, "y": True, "z": "s"}},
        {"subject": 2, "time": 0},
    ):
        jsonschema.validate(value, schema_of(Event))
    for value in (
        label("e"),
        {"subject": "s", "label": True, "time": 0, "weight": 2, "more": "is left aside"},
    ):
        jsonschema.validate(value, schema_of(Label))
    msgspec.convert(event("e"), Event)
    msgspec.convert({**label("e"), "more": "is left aside"}, Label)


@pytest.mark.parametrize("features", [{"x": [1]}, {"x": {}}, [], "x"])
def test_a_feature_is_a_scalar(features: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="features"):
        msgspec.convert({**event("e"), "features": features}, Event)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**event("e"), "features": features}, schema_of(Event))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_not_finite_is_none(value: float) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        number(value)


def test_a_time_is_an_integer_or_iso_8601() -> None:
    assert epoch_milliseconds(0) == 0
    assert epoch_milliseconds(LATEST, "milliseconds") == LATEST
    assert epoch_milliseconds("1970-01-01T00:00:00.0004Z") == 0
    assert epoch_milliseconds("9999-12-31T23:59:59.999Z") == LATEST
    for wrong in ((LATEST + 1) * 10**6, -1, True, float("inf"), None, "", "2026-02-30", "12:00"):
        with pytest.raises(ValueError, match="time"):
            epoch_milliseconds(wrong)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("seconds", 50_000_000),
        ("milliseconds", 50_000_000_000),
        ("microseconds", 5 * 10**13),
        ("nanoseconds", 5 * 10**16),
    ],
)
def test_a_unit_that_the_config_names_is_kept_to(unit: TimeUnit, value: int) -> None:
    assert epoch_milliseconds(value, unit) == epoch_milliseconds(float(value), unit) == 50_000_000_000
    assert epoch_milliseconds("1971-08-02T16:53:20Z", unit) == 50_000_000_000


@pytest.mark.parametrize("iso", ["1973-06-01", "2001-09-09T01:46:39", "2026-11-29", "2255-01-01", "5000-01-01"])
def test_every_unit_of_a_time_is_found(iso: str) -> None:
    seconds = int(datetime.fromisoformat(iso).replace(tzinfo=UTC).timestamp())
    for factor in (1, 10**3, 10**6, 10**9):
        assert epoch_milliseconds(seconds * factor) == seconds * 1000


def test_a_leap_second_is_the_next_minute() -> None:
    assert epoch_milliseconds("2016-12-31T23:59:60Z") == epoch_milliseconds("2017-01-01T00:00:00Z")


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
    assert {*SubjectRisk.__slots__, "texts"} == set(SubjectState.__struct_fields__)
