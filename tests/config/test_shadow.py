"""The config of a shadow: how to decide is its own, all else is the first config's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import ConfigError, Settings, load
from tocsin.config.abstention import AbstentionSettings
from tocsin.config.loading.shadow import OWN
from tocsin.config.model import ModelSettings
from tocsin.config.settings import OF_THE_SHADOW

FIRST = """
name: fraud
kafka: {bootstrap: "broker:9092"}
schema: {features: [{name: amount}]}
classes: ["no", "yes"]
experts: [{kind: linear}]
seed: 4
bounds: {classes: 8}
shadow: other.yaml
"""
OTHER = "experts: [{kind: tree}]\n"


def loaded(directory: Path, other: str = OTHER, first: str = FIRST) -> Settings:
    (directory / "first.yaml").write_text(first)
    (directory / "other.yaml").write_text(other)
    return load(directory / "first.yaml")


def second(directory: Path, other: str = OTHER, first: str = FIRST) -> Settings:
    of_shadow = loaded(directory, other, first).of_shadow
    assert of_shadow is not None
    return of_shadow


def test_a_shadow_decides_by_its_own_file_under_all_other_settings_of_the_first(tmp_path: Path) -> None:
    found = second(tmp_path)
    assert [expert.kind for expert in found.experts] == ["tree"]
    assert (found.name, found.kafka.bootstrap, found.classes) == ("fraud", "broker:9092", ("no", "yes"))
    assert found.seed == 0  # what its file leaves out of how to decide has its default, as in a file that is alone


def test_the_digests_of_a_config_are_the_same_tried_and_alone(tmp_path: Path) -> None:
    tried = second(tmp_path)
    alone = FIRST.replace("shadow: other.yaml", "").replace("seed: 4", "").replace("kind: linear", "kind: tree")
    (tmp_path / "alone.yaml").write_text(alone)
    run = load(tmp_path / "alone.yaml")
    assert (tried.model.digest(), tried.digest()) == (run.model.digest(), run.digest())


def test_a_shadow_changes_no_digest_of_the_config_that_names_it(tmp_path: Path) -> None:
    first = loaded(tmp_path, first=FIRST + "promotion: {margin: 2%}\ntopics: {shadow: beside}\n")
    (tmp_path / "alone.yaml").write_text(FIRST.replace("shadow: other.yaml", ""))
    assert first.digest() == load(tmp_path / "alone.yaml").digest()
    assert first.topics.by_role()["shadow"] == "beside"


def test_the_environment_overrides_how_the_first_decides_and_not_how_the_shadow_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_SEED", "9")
    monkeypatch.setenv("TOCSIN_ABSTENTION__COLD_START", "31")
    monkeypatch.setenv("TOCSIN_KAFKA__BOOTSTRAP", "elsewhere:1")
    other = f'{OTHER}kafka: {{bootstrap: "broker:9092"}}\n'  # as in the first file, which the environment overrides
    first = loaded(tmp_path, other)
    found = first.of_shadow
    assert found is not None
    assert (first.seed, first.abstention.cold_start, first.kafka.bootstrap) == (9, 31, "elsewhere:1")
    assert (found.seed, found.abstention.cold_start, found.kafka.bootstrap) == (
        0,
        AbstentionSettings().cold_start,
        "elsewhere:1",
    )


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ('kafka: {bootstrap: "other:9092"}', "other.yaml:2: kafka.bootstrap"),
        ("schema: {features: [{name: amount}, {name: age}]}", "other.yaml:2: schema.features"),
        ("schema:\n  features: [{name: amount}]\n  text: body", "other.yaml:4: schema.text"),
        ("name: other", "other.yaml:2: name"),
        ("classes: [a, b]", "other.yaml:2: classes"),
        ("topics: {decisions: mine}", "other.yaml:2: topics.decisions"),
        ("bounds: {classes: 64}", "other.yaml:2: bounds.classes"),
        ("kafka: {security: {username: hunter2}}", "other.yaml:2: kafka.security.username"),
        ("class_map: {maybe: yes}", "other.yaml:2: class_map"),
    ],
)
def test_a_shadow_that_differs_where_one_value_holds_for_both_is_refused(tmp_path: Path, more: str, place: str) -> None:
    with pytest.raises(ConfigError, match="one value holds for both: leave it out here") as caught:
        loaded(tmp_path, OTHER + more)
    assert place in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_said_alike_in_both_is_no_difference(tmp_path: Path) -> None:
    same = "name: fraud\nbounds: {classes: 8}\nschema: {features: [{name: amount}]}\nmonitor: {port: 9464}\n"
    ignored = "shadow: first.yaml\npromotion: {margin: 0.5}\n"  # it may name the first as its own shadow in its turn
    assert second(tmp_path, OTHER + same + ignored).digest() == second(tmp_path).digest()


def test_a_mistake_in_a_shadow_is_told_with_its_file_and_line_and_not_blamed_on_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_SEED", "9")
    with pytest.raises(ConfigError, match=r"other\.yaml:2: seed: input should be greater than or equal to 0"):
        loaded(tmp_path, f"{OTHER}seed: -1")
    with pytest.raises(ConfigError, match=r"other\.yaml:1: expert: .*did you mean 'experts'"):
        loaded(tmp_path, "expert: []")


def test_a_shadow_file_that_is_missing_is_told_with_the_place_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(FIRST)
    with pytest.raises(ConfigError, match=r"first\.yaml:9: shadow: names .*other\.yaml, and there is no such file"):
        load(tmp_path / "first.yaml")


def test_a_shadow_that_decides_by_the_same_config_is_none(tmp_path: Path) -> None:
    """The promoted config became the file's own, and the line that names it is still there."""
    assert loaded(tmp_path, "experts: [{kind: linear}]\nseed: 4\n").of_shadow is None


def test_every_setting_of_a_model_is_either_the_shadows_own_or_refused_where_it_differs() -> None:
    """A new one must be put where it belongs: one that the first gives would be that of another model, unseen."""
    held = {"schema_", "classes", "class_map", "bounds"}
    own_of_model = {
        "inputs",
        "experts",
        "router",
        "lifecycle",
        "fusion",
        "prior_shift",
        "abstention",
        "early_risk",
        "seed",
    }
    assert own_of_model <= OWN
    assert {name for name in ModelSettings.model_fields if name in Settings.model_fields} <= OWN | held
    assert not OWN & OF_THE_SHADOW
    assert set(Settings.model_fields) >= OWN


@pytest.mark.parametrize("promotion", ["{margin: 0.6}", "{margin: 100%}", "{after: 0}"])
def test_a_promotion_that_asks_for_nothing_is_refused(tmp_path: Path, promotion: str) -> None:
    with pytest.raises(ConfigError, match=r"promotion\.(margin|after)"):
        loaded(tmp_path, first=FIRST + f"promotion: {promotion}\n")
