"""The settings themselves, however they were made."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tocsin.config import Settings
from tocsin.config.base import FrozenSettings
from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings

from .support import BASE, groups, made

SECRET = "hunter2-hunter2"


def test_a_secret_is_in_no_output() -> None:
    security = {"protocol": "sasl_ssl", "username": "u", "password": SECRET, "key_password": SECRET}
    config = made(kafka={"security": security})
    for text in (repr(config), str(config), config.model_dump_json(), json.dumps(config.model_dump(mode="json"))):
        assert SECRET not in text
    assert "u" in repr(config.kafka.security.username)


@pytest.mark.parametrize(
    "security", [{"protocol": "sasl_ssl", "password": SECRET}, {"password": [SECRET]}, {"protocol": SECRET}]
)
def test_a_refusal_does_not_print_its_input(security: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        made(kafka={"security": security})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_settings_refuse_what_only_the_model_refused_before() -> None:
    with pytest.raises(ValidationError, match="two experts are named 'linear'"):
        made(experts=[{"kind": "linear"}, {"kind": "linear"}])
    with pytest.raises(ValidationError, match="two experts are named 'linear'"):
        ModelSettings(experts=[{"kind": "linear"}, {"kind": "linear"}])  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="at least one expert"):
        made(experts=[])


def test_a_seed_that_no_generator_takes_is_refused() -> None:
    for seed in (-1, 2**63):
        with pytest.raises(ValidationError):
            made(seed=seed)


@pytest.mark.parametrize("name", ["", "a b", "events/new", "é", "x" * 250])
def test_a_topic_that_kafka_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(ValidationError):
        made(topics={"events": name})


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "a:1,b", "a:1, b:2", "a b:1"])
def test_an_address_without_its_parts_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        made(kafka={"bootstrap": address})


def test_settings_cannot_be_changed_behind_the_digest() -> None:
    config = made()
    with pytest.raises(ValidationError):
        config.seed = 3
    with pytest.raises(ValidationError):
        config.fusion.prior = 3.0


def test_the_group_follows_the_name_unless_it_is_given() -> None:
    assert made(name="spam").group == "tocsin-spam"
    assert made(name="spam", kafka={"group": "mine"}).group == "mine"


def test_the_bound_on_classes_never_cuts_those_that_are_named() -> None:
    names = [str(i) for i in range(5)]
    assert made(classes=names, bounds={"classes": 2}).model.max_classes == 5


@pytest.mark.parametrize(
    ("abstention", "wrong"),
    [
        ({"costs": {"x": {"y": 2.0}}}, "set controls to cost"),
        ({"controls": "cost", "costs": {"z": {"y": 2.0}}}, "'z'"),
        ({"controls": "cost", "costs": {"x": {"y": -1.0}}}, "greater than or equal to 0"),
        ({"quick_labels": 0.01}, "quick_labels"),
        ({"controls": "error", "quick_labels": "60%"}, "quick_labels"),
        ({"controls": "error", "quick_labels": "few%"}, "quick_labels"),
        ({"controls": "error", "per_class": True}, "per_class"),
        ({"steering": "pid", "per_class": True}, "steering: pid"),
        ({"steering": "pid", "controls": "error"}, "steering: pid"),
    ],
)
def test_a_control_that_does_not_fit_is_refused_by_name(abstention: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        _ = made(classes=["x", "y"], abstention=abstention).model


@pytest.mark.parametrize(
    "changed",
    [
        {"alert": {"class": "old", "budget": "1%"}},
        {"early_risk": {"classes": ["old"]}},
        {"schema": {"features": [{"name": "a"}], "profiles": [{"key": "subject", "windows": ["1d"], "rate": ["old"]}]}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_class_that_has_another_name_today_is_refused(changed: dict[str, Any]) -> None:
    """It was accepted, and no decision had that class, so that nothing ever raised an alert."""
    with pytest.raises(ValueError, match="'old' is mapped to 'new' by class_map"):
        made(class_map={"old": "new"}, **changed)


def test_a_budget_of_reviews_does_not_go_with_a_promise_on_errors() -> None:
    """What was too much for review was decided, right or wrong, and the promise was said to be kept."""
    with pytest.raises(ValueError, match="budget"):
        made(abstention={"controls": "error", "budget": "5/hour"})


@pytest.mark.parametrize(
    ("class_map", "wrong"),
    [
        ({"old": "z"}, "not one of `classes`"),
        ({"x": "y"}, "no class any more"),
        ({"old": "older", "older": "x"}, "no class any more"),
    ],
)
def test_a_map_of_classes_that_leads_nowhere_is_refused(class_map: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        made(classes=["x", "y"] if "older" not in class_map else [], class_map=class_map)


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.__name__)
def test_old_names_lead_to_names_of_today_and_to_no_others(group: type[FrozenSettings]) -> None:
    assert group.__name__.endswith("Settings")
    fields = group.model_fields
    assert set(group.renamed_keys.values()) <= set(fields)
    # A name that another key has today is that key's own nowhere but in a config: in records it has another.
    assert set(group.renamed_keys) & set(fields) <= set(group.renamed_keys.values())
    for key, names in group.renamed_values.items():
        values = set(get_args(fields[key].annotation))
        assert set(names.values()) <= values
        assert not set(names) & values


def test_a_renamed_key_or_value_is_known_to_the_digest_by_its_first_name() -> None:
    risk = EarlyRiskSettings(policy="peer-baseline", explanation_posts=2).dump_under_first_names()
    assert (risk["policy"], risk["posts"]) == ("spread", 2)
    assert not set(risk) & set(EarlyRiskSettings.renamed_keys.values())
    model = ModelSettings(experts=(ForestSettings(vote_power=3.0),)).dump_under_first_names()
    assert model["experts"][0]["sharpness"] == 3.0
    assert model["router"]["sharpness_step"] == 0.001


@pytest.mark.parametrize("kind", ["reliability", "multi-hot", "skill"])
def test_what_engage_meant_in_old_records_is_not_what_it_means_today(kind: str) -> None:
    model = ModelSettings.model_validate({"router": {"kind": kind, "top_p": 0.8, "engage": 0.9}})
    before = ModelSettings.from_record({"router": {"kind": kind, "engage": 0.8}}).router
    assert (before.top_p, before.engage) == (0.8, 1.0)
    for record in (model.dump_under_first_names(), model.model_dump(mode="json")):
        assert ModelSettings.from_record(record) == model
    assert (
        ModelSettings.model_validate({"router": {"kind": kind, "engage": 0.8}}).digest()
        != ModelSettings(router=before).digest()
    )


@pytest.mark.parametrize(("kind", "digest"), [("reliability", "4d45c261d9133dbb"), ("skill", "3df7de5b69d92b86")])
def test_models_with_a_top_p_are_known_by_the_digest_that_they_had(kind: str, digest: str) -> None:
    assert ModelSettings.model_validate({"router": {"kind": kind, "top_p": 0.8}}).digest() == digest


def test_settings_of_a_record_are_read_under_any_name_they_had() -> None:
    values = {**BASE, "early_risk": {"policy": "peer-baseline"}, "router": {"rare_class_power": 0.5}}
    model = Settings(**values | {"experts": [{"kind": "forest", "vote_power": 3.0}]}).model
    assert ModelSettings.from_record(model.dump_under_first_names()) == model
    assert ModelSettings.from_record(model.model_dump(mode="json")) == model
    with pytest.raises(ValidationError, match="Extra inputs"):
        ModelSettings.from_record({"fusion": {"fde": 0.9}})


def test_old_names_are_refused_where_settings_are_made_in_python() -> None:
    with pytest.raises(ValidationError, match="fade\n  is now called fading_factor"):
        FusionSettings(fade=0.9)  # type: ignore[call-arg]


def test_texts_with_early_risk_have_one_expert_of_whole_subjects() -> None:
    """Its experts of features never read the text, so that alerts were the same for any."""
    made = Settings(schema={"text": "text"}, early_risk={"classes": ["x"]})
    [expert] = made.experts
    assert (expert.kind, getattr(expert, "scope", None)) == ("linear-text", "subject")
    assert made.model.experts == made.experts
    assert ModelSettings(text=True, early_risk=EarlyRiskSettings(classes=("x",))).experts == made.experts


def test_without_early_risk_or_with_features_the_pool_of_texts_is_as_it_was() -> None:
    alone = [expert.kind for expert in Settings(schema={"text": "text"}).experts]
    assert alone == ["ss3", "linear-text", "stack", "rare-class"]
    both = Settings(schema={"text": "text", "features": [{"name": "a"}]}, early_risk={"classes": ["x"]})
    assert {*alone} < {expert.kind for expert in both.experts}


def test_a_learnt_threshold_needs_an_expert_of_whole_subjects() -> None:
    with pytest.raises(ValidationError, match="scope: subject"):
        Settings(schema={"text": "text"}, early_risk={"policy": "learnt"})
