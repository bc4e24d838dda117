"""The two digests: of what changes what a model computes, and of the whole config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr, TypeAdapter

from tocsin.config import Settings
from tocsin.config.base import FrozenSettings
from tocsin.config.experts import default_experts, kinds
from tocsin.config.model import COMPUTATION, ModelSettings
from tocsin.config.presets import driftmoe
from tocsin.config.routing import MultiHotSettings, ReliabilitySettings, SkillSettings
from tocsin.config.schema import FeatureSettings

from .support import BASE, changed, groups, made

MODEL_SETTINGS = {
    "schema.features": [{"name": "a"}],
    "schema.features.0.name": "c",
    "schema.features.0.kind": "boolean",
    "schema.profiles": [{"key": "subject"}],
    "classes": ["y", "x"],
    "class_map": {"old": "x"},
    "inputs.categories.enabled": False,
    "inputs.categories.values": 1_000,
    "inputs.categories.classes": 5,
    "inputs.categories.prior": 3.0,
    "inputs.categories.fading_factor": 0.99,
    "inputs.clipping.enabled": False,
    "inputs.clipping.deviations": 9.0,
    "inputs.clipping.memory": 9_000,
    "inputs.gaps.enabled": False,
    "inputs.gaps.least": 30.0,
    "inputs.imputation.enabled": False,
    "inputs.imputation.rows": 900,
    "inputs.imputation.numbers": 31_000,
    "inputs.imputation.neighbours": 4,
    "inputs.imputation.columns": 30,
    "inputs.imputation.memory": 400,
    "inputs.relevance.enabled": False,
    "inputs.relevance.columns": 99,
    "inputs.relevance.out": 2.0,
    "inputs.relevance.back": 5.0,
    "inputs.tails.enabled": False,
    "inputs.tails.heavy": 5.0,
    "inputs.tails.light": 2.0,
    "experts.0.name": "oak",
    "experts.0.must_earn": True,
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
    "router.engage": 0.9,
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
    "lifecycle.earned": 0.01,
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
    "abstention.quick_labels": 0.01,
    "abstention.costs": {"x": {"y": 2.0}},
    "abstention.abstain_cost": 0.2,
    "abstention.gain": 0.01,
    "abstention.steering": "pid",
    "abstention.window": 500,
    "abstention.late_window": 2_000,
    "abstention.cold_start": 31,
    "abstention.rare_share": 0.05,
    "abstention.conflict": 0.5,
    "abstention.novelty": 0.05,
    "abstention.novelty_window": 500,
    "abstention.novelty_memory": 100,
    "abstention.novelty_by": "traffic",
    "abstention.novelty_traffic": 500,
    "abstention.novelty_labelled": 0.3,
    "abstention.novelty_columns": 64,
    "abstention.abstain_novel": True,
    "bounds.classes": 65,
    "bounds.vocabulary": 10,
    "bounds.text_length": 10,
    "bounds.subjects": 10,
    "seed": 1,
}
OTHER_SETTINGS = {
    "schema.features.0.path": "amount.value",
    "schema.features.0.required": False,
    "schema.text": "message",
    "abstention.budget": 9,
    "abstention.novel_groups": 0,
    "abstention.novel_ask": 9,
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


def test_the_digest_changes_with_the_share_of_quick_labels_alone() -> None:
    shares = (0.0, 0.01, "1%", "2 %")
    digests = [changed("abstention.quick_labels", share).model.digest() for share in shares]
    assert digests[0] != digests[1] == digests[2] != digests[3]


@pytest.mark.parametrize(("path", "value"), OTHER_SETTINGS.items(), ids=OTHER_SETTINGS)
def test_the_digest_changes_with_nothing_else(path: str, value: Any) -> None:
    config = changed(path, value)
    assert config != Settings(**BASE)
    assert config.model.digest() == Settings(**BASE).model.digest()


def test_every_group_of_the_model_is_among_the_settings_tried() -> None:
    tried = {path.removeprefix("schema.").split(".")[0] for path in MODEL_SETTINGS}
    assert set(ModelSettings.model_fields) - {"features", "text", *ModelSettings.without_effect} <= tried | {
        "max_classes",
        "max_vocabulary",
        "max_text",
        "max_subjects",
        "max_profile_keys",
    }
    for group in ("router", "lifecycle", "fusion", "prior_shift", "abstention", "early_risk"):
        fields = set(type(getattr(ModelSettings(), group)).model_fields)
        assert {f"{group}.{field}" for field in fields} <= {*MODEL_SETTINGS, *OTHER_SETTINGS}


def test_the_digest_is_the_same_in_every_process_and_release() -> None:
    assert Settings(**BASE).model.digest() == Settings(**BASE).model.digest()
    assert len(ModelSettings().digest()) == 16
    int(ModelSettings().digest(), 16)
    # State and snapshots are found by them, in this release and in later ones.
    assert ModelSettings().digest() == "07cf1e1b205762dc"
    assert driftmoe.tocsin("data").digest() == "242789cf638b47e5"
    assert driftmoe.tocsin("task").digest() == "0a40a4723686b6f0"


def test_a_new_setting_at_its_default_makes_no_state_foreign() -> None:
    """It did: every field of the model was in the digest, so that an upgrade scored all that was learnt anew."""

    class More(ModelSettings):
        more: int = 3

    assert More().digest() == ModelSettings().digest()
    assert More(seed=1).digest() == ModelSettings(seed=1).digest()
    assert More(more=4).digest() != ModelSettings().digest()


def test_a_setting_written_out_at_its_default_is_the_same_model() -> None:
    written = made(schema={"features": [{"name": "a"}]}, seed=0, router={"kind": "reliability", "step": 0.002})
    assert written.model.digest() == made(schema={"features": [{"name": "a"}]}).model.digest()
    pool = [expert.model_dump() for expert in default_experts(0, text=True)]
    assert made(experts=pool).model.digest() == made().model.digest()
    assert made(experts=pool[::-1]).model.digest() != made().model.digest()


def defaults(settings: type[FrozenSettings]) -> dict[str, Any]:
    fields = settings.model_fields.items()
    made_of = {
        key: field.get_default(call_default_factory=True)
        for key, field in fields
        if key not in settings.without_effect and not field.is_required()
    }
    return {key: TypeAdapter(Any).dump_python(value, mode="json") for key, value in made_of.items()}


def test_a_default_that_changes_raises_the_number_of_the_computation() -> None:
    """The digest leaves defaults out, so without that number models that compute otherwise would have one digest."""
    told = json.loads((Path(__file__).parent / "defaults.json").read_text())
    found = {"ModelSettings": defaults(ModelSettings)}
    routers = (ReliabilitySettings, MultiHotSettings, SkillSettings)
    experts = [kind for kind in kinds().values() if kind.__module__.startswith("tocsin.")]
    found |= {group.__name__: defaults(group) for group in (*experts, *routers, FeatureSettings)}
    assert told == {"computation": COMPUTATION, "defaults": found}, (
        "add what is new to defaults.json; where a default has changed, raise COMPUTATION in config/model.py, too"
    )


EVERY_SETTING = {**MODEL_SETTINGS, **OTHER_SETTINGS}


@pytest.mark.parametrize(("path", "value"), EVERY_SETTING.items(), ids=EVERY_SETTING)
def test_the_config_digest_changes_with_every_setting(path: str, value: Any) -> None:
    """It did not with paths, explanation and kernels, so that it did not say what made a decision."""
    own = path == "state.directory"  # of each worker
    assert (changed(path, value).digest() == Settings(**BASE).digest()) == own


def test_the_config_digest_is_that_of_all_workers_and_tells_no_secret() -> None:
    def digest(**kafka: Any) -> str:
        return made(kafka=kafka).digest()

    security = {"protocol": "sasl_ssl", "username": "u", "password": "one"}
    assert digest(security=security) == digest(security={**security, "password": "two"})
    assert digest(security=security) != digest(security={**security, "username": "v"})
    assert digest(instance="a") == digest(instance="b")
    told = made(kafka={"security": {**security, "key_password": "three"}}).without_secrets()
    assert told["kafka"]["security"]["username"] == "u"
    assert not {"password", "key_password"} & set(told["kafka"]["security"])
    sealed = made(erasure={"enabled": True, "secret": "one long enough to be taken"})
    assert sealed.without_secrets()["erasure"] == {"enabled": True, "keys_in_memory": 20_000}
    other = made(erasure={"enabled": True, "secret": "another that is long enough"})
    assert sealed.digest() == other.digest() != made().digest()
    assert SecretStr not in [f.annotation for group in groups() for f in group.model_fields.values()]
    secret = {key for group in groups() for key, f in group.model_fields.items() if SecretStr in get_args(f.annotation)}
    assert secret == {"password", "key_password", "secret"}
