"""The settings themselves, however they were made."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tocsin.config import Settings
from tocsin.config.base import FrozenSettings
from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.config.experts import kinds
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.presets import driftmoe

SECRET = "hunter2-hunter2"


def made(**values: Any) -> Settings:
    return Settings(**{"schema": {"text": "body"}, **values})


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
        ({"controls": "error", "per_class": True}, "per_class"),
        ({"steering": "pid", "per_class": True}, "steering: pid"),
        ({"steering": "pid", "controls": "error"}, "steering: pid"),
    ],
)
def test_a_control_that_does_not_fit_is_refused_by_name(abstention: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        _ = made(classes=["x", "y"], abstention=abstention).model


# The digest that decisions carry

BASE: dict[str, Any] = {
    "schema": {"text": "body", "features": [{"name": "a"}, {"name": "b", "kind": "category"}]},
    "classes": ["x", "y"],
    "experts": [
        {"kind": "river", "name": "tree", "parameters": {"grace_period": 50}},
        {"kind": "linear"},
        {"kind": "persistence"},
        {"kind": "ss3"},
        {"kind": "linear-text"},
    ],
    "abstention": {"controls": "cost"},
}


def changed(path: str, value: Any) -> Settings:
    values: Any = json.loads(json.dumps(BASE))
    place: Any = values
    *way, last = path.split(".")
    for key in way:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[int(last) if last.isdigit() else last] = value
    return Settings(**values)


MODEL_SETTINGS = {
    "schema.features": [{"name": "a"}],
    "schema.features.0.name": "c",
    "schema.features.0.kind": "boolean",
    "classes": ["y", "x"],
    "experts.0.name": "oak",
    "experts.0.model": "tree.HoeffdingAdaptiveTreeClassifier",
    "experts.0.parameters": {"grace_period": 51},
    "experts.0.history": 1,
    "experts.0.strength": 9.0,
    "experts.1.step": 0.03,
    "experts.1.buckets": 17,
    "experts.1.strength": 9.0,
    "experts.2.by": "subject",
    "experts.2.strength": 9.0,
    "experts.3.s": 0.5,
    "experts.3.l": 0.6,
    "experts.3.p": 1.1,
    "experts.3.a": 0.1,
    "experts.3.mode": "paper",
    "experts.3.ngrams": 2,
    "experts.3.strength": 9.0,
    "experts.3.characters": True,
    "experts.4.words": 1,
    "experts.4.characters": 3,
    "experts.4.bits": 17,
    "experts.4.r": 0.2,
    "experts.4.scope": "subject",
    "experts.4.strength": 9.0,
    "router.kind": "multi-hot",
    "router.hidden": 16,
    "router.step": 0.003,
    "router.every": 33,
    "router.top_p": 0.9,
    "router.fading_factor": 0.99,
    "router.balance": 0.1,
    "router.window": 33,
    "router.boost": 2.0,
    "router.rare_class_power": 0.5,
    "router.inverse_temperature_step": 0.002,
    "lifecycle.enabled": False,
    "lifecycle.window": 500,
    "lifecycle.patience": 4,
    "lifecycle.minimum_age": 600,
    "lifecycle.minimum_active": 3,
    "lifecycle.starved": 0.02,
    "lifecycle.collapsed": 0.99,
    "lifecycle.margin": 0.1,
    "lifecycle.agreement": 0.98,
    "lifecycle.chances": 2,
    "lifecycle.probation": 11,
    "fusion.rule": "cautious",
    "fusion.prior": 3.0,
    "fusion.contextual": True,
    "fusion.fading_factor": 0.99,
    "prior_shift.enabled": True,
    "prior_shift.memory": 301,
    "prior_shift.window": 300,
    "prior_shift.mature": 9,
    "prior_shift.least_gain": 0.1,
    "abstention.enabled": False,
    "abstention.error": 0.2,
    "abstention.controls": "error",
    "abstention.per_class": True,
    "abstention.costs": {"x": {"y": 2.0}},
    "abstention.abstain_cost": 0.2,
    "abstention.gain": 0.01,
    "abstention.steering": "pid",
    "abstention.window": 500,
    "abstention.late_window": 2_000,
    "abstention.cold_start": 31,
    "abstention.conflict": 0.5,
    "abstention.budget": 9,
    "abstention.novelty": 0.05,
    "abstention.novelty_window": 500,
    "abstention.novelty_memory": 100,
    "abstention.abstain_novel": True,
    "early_risk.classes": ["x"],
    "early_risk.minimum_posts": 2,
    "early_risk.margin": 0.1,
    "early_risk.policy": "peer-baseline",
    "early_risk.half_life_hours": 24.0,
    "early_risk.explanation_posts": 2,
    "early_risk.gamma": 3.0,
    "early_risk.live_hours": 24.0,
    "early_risk.minimum_subjects": 21,
    "early_risk.threshold": 0.6,
    "early_risk.extra_threshold": 0.2,
    "early_risk.extra_threshold_posts": 4.0,
    "early_risk.odds_fading_factor": 0.9,
    "early_risk.confirmations": 2,
    "early_risk.hysteresis": 0.2,
    "bounds.classes": 65,
    "bounds.vocabulary": 10,
    "bounds.text_length": 10,
    "bounds.subjects": 10,
    "seed": 1,
}
OTHER_SETTINGS = {
    "name": "other",
    "schema.subject": "user",
    "schema.id": "key",
    "schema.label.label": "mark",
    "kafka.bootstrap": "elsewhere:1",
    "kafka.group": "g",
    "kafka.security.protocol": "ssl",
    "topics.events": "posts",
    "topics.partitions": 9,
    "explanation.level": "full",
    "batching.max_events": 7,
    "batching.max_wait_ms": 7,
    "bounds.record_bytes": 2_048,
    "bounds.pending_events": 7,
    "bounds.nesting": 8,
    "state.directory": "elsewhere",
    "state.snapshot_every": 7,
    "replay.label": "class",
    "monitor.port": 1,
    "kernels.backend": "reference",
}


@pytest.mark.parametrize(("path", "value"), MODEL_SETTINGS.items(), ids=MODEL_SETTINGS)
def test_the_digest_changes_with_every_setting_of_the_model(path: str, value: Any) -> None:
    assert changed(path, value).model.digest() != Settings(**BASE).model.digest()


@pytest.mark.parametrize(("path", "value"), OTHER_SETTINGS.items(), ids=OTHER_SETTINGS)
def test_the_digest_changes_with_nothing_else(path: str, value: Any) -> None:
    config = changed(path, value)
    assert config != Settings(**BASE)
    assert config.model.digest() == Settings(**BASE).model.digest()


def test_every_group_of_the_model_is_among_the_settings_tried() -> None:
    tried = {path.split(".")[0] for path in MODEL_SETTINGS}
    assert set(ModelSettings.model_fields) - {"features", "text"} <= tried | {
        "max_classes",
        "max_vocabulary",
        "max_text",
        "max_subjects",
    }
    for group in ("router", "lifecycle", "fusion", "prior_shift", "abstention", "early_risk"):
        fields = set(type(getattr(ModelSettings(), group)).model_fields)
        assert {f"{group}.{field}" for field in fields} <= set(MODEL_SETTINGS)


def test_the_digest_is_the_same_in_every_process_and_release() -> None:
    assert Settings(**BASE).model.digest() == Settings(**BASE).model.digest()
    assert len(ModelSettings().digest()) == 16
    int(ModelSettings().digest(), 16)
    # As release 0.1.0 computed them, under the names that settings had then: state and snapshots are found by them.
    assert ModelSettings().digest() == "d7c4ef6cb47d690e"
    assert driftmoe.tocsin("data").digest() == "89ca2d25be99dcbc"
    assert driftmoe.tocsin("task").digest() == "835e07068ee7236b"


def groups() -> list[type[FrozenSettings]]:
    kinds()  # which imports the settings of every expert
    found: list[type[FrozenSettings]] = []
    waiting = [FrozenSettings]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += below
        waiting += below
    return [group for group in found if group.__module__.startswith("tocsin.config")]


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.__name__)
def test_old_names_lead_to_names_of_today_and_to_no_others(group: type[FrozenSettings]) -> None:
    assert group.__name__.endswith("Settings")
    fields = group.model_fields
    assert set(group.renamed_keys.values()) <= set(fields)
    assert not set(group.renamed_keys) & set(fields)
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
