"""Reading a config file: every mistake is one that a person can find and mend."""

from __future__ import annotations

import contextlib
import os
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.config import ConfigError, Settings, load

TEXT = "schema: {text: body}\n"


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("TOCSIN_")]:
        monkeypatch.delenv(name)


def read(directory: Path, content: str | bytes) -> Settings:
    path = directory / "service.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(path)


def mistake(directory: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(directory, content)
    text = str(caught.value)
    assert text.startswith(str(directory / "service.yaml")) or text.startswith("the environment")
    return text.replace(str(directory / "service.yaml"), "FILE")


# Where a mistake is, and what was meant


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEXT + "kafk: {}\n", "FILE:2: kafk: is no setting here; did you mean 'kafka'?"),
        (TEXT + "kafka:\n  bootstrp: h:1\n", "FILE:3: kafka.bootstrp: is no setting here; did you mean 'bootstrap'?"),
        (
            TEXT + "experts:\n- {kind: linear}\n- kind: linear\n  name: b\n  stepp: 0.1\n",
            "FILE:6: experts.1.stepp: is no setting here; did you mean 'step'?",
        ),
        ("schema:\n  text: t\n  features:\n  - {name: a, kynd: number}\n", "FILE:4: schema.features.0.kynd: is no"),
    ],
)
def test_an_unknown_key_is_told_by_line_key_and_the_nearest_valid_one(tmp_path: Path, content: str, told: str) -> None:
    assert mistake(tmp_path, content).startswith(told)


def test_a_key_with_nothing_near_it_lists_what_there_is(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "fusion:\n  zzzzzz: 1\n")
    assert told == "FILE:3: fusion: a key is no setting here; valid keys: contextual, fading_factor, prior, rule"


def test_a_wrong_type_says_what_was_expected_and_what_was_found(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "kafka:\n  group: g\n  session_timeout_ms: soon\n")
    assert told.startswith("FILE:4: kafka.session_timeout_ms: input should be a valid integer")
    assert told.endswith("found 'soon'")


def test_a_long_wrong_value_is_not_repeated_whole(tmp_path: Path) -> None:
    assert len(mistake(tmp_path, TEXT + f"seed: {'x' * 100_000}\n")) < 200


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "seed: x\nnam: y\n" + "fusion: {rule: vote}\n").splitlines()
    # A key unknown at the top is told first and alone: pydantic's own arguments must never be within reach.
    assert told == ["FILE:3: nam: is no setting here; did you mean 'name'?"]
    told = mistake(tmp_path, TEXT + "seed: x\nfusion: {rule: vote}\n").splitlines()
    assert [line.split(": ")[1] for line in told] == ["fusion.rule", "seed"]


def test_a_key_that_stands_twice_does_not_silently_win(tmp_path: Path) -> None:
    assert mistake(tmp_path, TEXT + "seed: 1\nseed: 2\n") == "FILE:3: seed: stands here and on line 2"
    nested = mistake(tmp_path, TEXT + "kafka:\n  group: a\n  group: b\n")
    assert nested == "FILE:4: group: stands here and on line 3"


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\ufffe"])
def test_a_control_character_is_told_by_its_line(tmp_path: Path, character: str) -> None:
    told = mistake(tmp_path, TEXT + f"kafka:\r\n  group: a{character}b\n")
    assert told.startswith(f"FILE: the character U+{ord(character):04X} may not stand in YAML as it is")
    assert told.endswith("(line 3, column 11)")
    escape = f"\\x{ord(character):02X}" if ord(character) < 256 else f"\\u{ord(character):04X}"
    assert f"write {escape} within double quotes" in told
    assert character not in told


def test_an_unknown_kind_of_expert_names_the_kinds(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "experts:\n- {kind: oracle, name: f}\n")
    assert told.startswith("FILE:3: experts.0: ")
    assert all(kind in told for kind in ("'river'", "'linear'", "'persistence'", "'ss3'"))


def test_a_wrong_value_within_an_expert_is_told_by_its_line(tmp_path: Path) -> None:
    content = TEXT + "experts:\n- {kind: linear}\n- kind: tree\n  name: t\n  leaf_prediction: nbaa\n"
    expected = (
        "FILE:6: experts.1.leaf_prediction: input should be 'mc', 'nb' or 'nba', found 'nbaa'; did you mean 'nba'?"
    )
    assert mistake(tmp_path, content) == expected


def test_a_key_named_like_a_kind_is_told_by_its_place(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "experts:\n- {kind: linear, linear: 1}\nrouter: {kind: skill, skill: 1}\n")
    lines = told.splitlines()
    assert lines[0].startswith("FILE:3: experts.0: a key is no setting here; valid keys: ")
    assert lines[1].startswith("FILE:4: router: a key is no setting here; valid keys: ")


def test_an_expert_without_a_kind_is_told_by_its_line(tmp_path: Path) -> None:
    assert mistake(tmp_path, TEXT + "experts:\n- kind: linear\n- name: f\n").startswith("FILE:4: experts.1: ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEXT + "classes: [spam]\n", "FILE:2: classes: one class is nothing to decide"),
        (TEXT + "classes: [a, b, a]\n", "FILE:2: classes: a class is named twice"),
        (
            "schema: {features: [{name: a}]}\nexperts: [{kind: ss3}]\n",
            "FILE:2: experts: an ss3 expert needs `schema.text`",
        ),
        (
            TEXT + "classes: [a, b]\nearly_risk:\n  minimum_posts: 2\n  classes: [c]\n",
            "FILE:5: early_risk.classes: 'c' is not one of",
        ),
        (
            TEXT + "seed: 1\nexperts:\n- {kind: linear}\n- {kind: linear}\n",
            "FILE:3: experts: two experts are named 'linear'",
        ),
        (TEXT + "experts: []\n", "FILE:2: experts: at least one expert is needed"),
        (TEXT + "topics: {events: labels}\n", "FILE:2: topics: two topics share the name 'labels'"),
        ("schema: {features: [{name: a}, {name: a}]}\n", "FILE:1: schema: two features are named 'a'"),
        ("schema: {subject: user}\n", "FILE:1: schema: an event needs something to see"),
    ],
)
def test_settings_that_contradict_each_other_are_told_where_they_stand(tmp_path: Path, content: str, told: str) -> None:
    assert mistake(tmp_path, content).startswith(told)


# Settings whose names have changed


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            TEXT + "router:\n  sharpness_step: 0.1\n",
            ["FILE:3: router.sharpness_step: is now called inverse_temperature_step"],
        ),
        (
            TEXT + "router:\n  kind: skill\n  fade: 0.9\n",
            ["FILE:4: router.fade: is now called fading_factor"],
        ),
        (
            TEXT + "experts:\n- {kind: linear}\n- kind: forest\n  sharpness: 4\n",
            ["FILE:5: experts.1.sharpness: is now called vote_power"],
        ),
        (
            TEXT + "early_risk:\n  classes: [a]\n  policy: spread\n",
            ["FILE:4: early_risk.policy: spread is now called peer-baseline"],
        ),
    ],
)
def test_an_old_name_is_refused_by_its_line_and_the_new_name(tmp_path: Path, content: str, told: list[str]) -> None:
    assert mistake(tmp_path, content).splitlines() == told


def test_an_old_name_in_the_environment_is_refused_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_ROUTER__SHARPNESS_STEP", "0.1")
    variable = "the environment: TOCSIN_ROUTER__SHARPNESS_STEP: router.sharpness_step"
    assert mistake(tmp_path, TEXT) == f"{variable}: is now called inverse_temperature_step"
    monkeypatch.delenv("TOCSIN_ROUTER__SHARPNESS_STEP")
    monkeypatch.setenv("TOCSIN_EARLY_RISK__POLICY", "spread")
    variable = "the environment: TOCSIN_EARLY_RISK__POLICY: early_risk.policy"
    assert mistake(tmp_path, TEXT + "early_risk: {policy: fused}\n") == (
        f"{variable}: spread is now called peer-baseline"
    )


# Words and numbers of YAML


def test_classes_that_yaml_takes_for_numbers_or_booleans_become_names(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT + "classes: [0, 1]\n").classes == ("0", "1")
    assert read(tmp_path, TEXT + "classes: [true, False]\n").classes == ("true", "false")


def test_yes_and_no_stay_the_classes_that_the_labels_name(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT + "classes: [yes, no]\n").classes == ("yes", "no")
    assert read(tmp_path, TEXT + "classes: [on, off]\n").classes == ("on", "off")
    assert read(tmp_path, TEXT + "topics: {create: no}\n").topics.create is False


@pytest.mark.parametrize("written", ["1e-7", "1.0e-7", "1E-7", "+1e-7", ".1e-6"])
def test_a_number_with_an_exponent_is_not_a_text(tmp_path: Path, written: str) -> None:
    config = read(tmp_path, TEXT + f"experts:\n- {{kind: river, name: t, parameters: {{delta: {written}}}}}\n")
    value = config.experts[0].parameters["delta"]  # type: ignore[union-attr]
    assert isinstance(value, float)
    assert value == pytest.approx(1e-7)


def test_what_is_no_finite_number_is_refused(tmp_path: Path) -> None:
    assert "finite" in mistake(tmp_path, TEXT + "fusion: {prior: .inf}\n")
    assert "early_risk.margin" in mistake(tmp_path, TEXT + "early_risk: {margin: .nan}\n")


# Files of another kind


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- a\n- b\n", "FILE:1: expected keys and values, found list"),
        ("just words\n", "FILE:1: expected keys and values, found str"),
        (b"\xff\xfe\x00\x01", "FILE: is not UTF-8 text"),
        ("x" * (2 * 1024 * 1024), "FILE: larger than 1048576 bytes"),
        ("a: [1\n", "FILE: "),
        ("a: 1\n---\nb: 2\n", "FILE: expected a single document"),
        (TEXT + "seed: 2024-99-99\n", "FILE:2: seed: input should be a valid integer"),
        ("? [a, b]\n: 1\n", "FILE:1: a key must be a word"),
        (TEXT + "1: x\n", "FILE:2: a key is no setting here"),
        (TEXT + "~: x\n", "FILE:1: a key is no setting here"),
        (TEXT + "kafka:\n", "FILE:2: kafka: "),
        ("seed: !!python/object/apply:os.system [ls]\n", "FILE: a value that begins with ! has a type of its own"),
    ],
)
def test_a_file_of_another_kind_is_said_to_be_one(tmp_path: Path, content: str | bytes, told: str) -> None:
    assert mistake(tmp_path, content).startswith(told)


def test_an_empty_file_is_told_what_it_lacks(tmp_path: Path) -> None:
    assert "an event needs something to see" in mistake(tmp_path, "")
    assert "an event needs something to see" in mistake(tmp_path, "# nothing yet\n")


def test_a_missing_file_or_a_directory_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path)


def test_nesting_ends_in_a_message_rather_than_in_the_stack(tmp_path: Path) -> None:
    assert "nested too deeply" in mistake(tmp_path, "a: " + "[" * 5_000 + "]" * 5_000)


def test_aliases_that_multiply_or_turn_in_a_circle_end_in_a_message(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "holds more than" in mistake(tmp_path, "\n".join(lines))
    assert "holds more than" in mistake(tmp_path, "a: &a [*a]\n")


@pytest.mark.parametrize("key", ["_env_prefix", "_env_file", "_cli_parse_args", "_secrets_dir", "self", "schema_"])
def test_a_file_cannot_reach_the_arguments_of_the_settings_class(tmp_path: Path, key: str) -> None:
    assert mistake(tmp_path, TEXT + f"{key}: true\n").startswith(
        ("FILE:2: a key is no setting here", f"FILE:2: {key}: is no setting here; did you mean 'schema'?")
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode))
def test_no_bytes_end_in_anything_but_settings_or_a_config_error(tmp_path: Path, content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        read(tmp_path, content)


# The environment


def test_the_environment_overrides_the_file_at_every_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__BOOTSTRAP", "broker:9093")
    monkeypatch.setenv("TOCSIN_STATE__DIRECTORY", "/srv/state")
    monkeypatch.setenv("TOCSIN_SCHEMA__TEXT", "message.body")
    monkeypatch.setenv("TOCSIN_TOPICS__EVENTS", "posts")
    monkeypatch.setenv("TOCSIN_KAFKA__SECURITY__PASSWORD", "12345")
    monkeypatch.setenv("TOCSIN_SEED", "7")
    monkeypatch.setenv("TOCSIN_CLASSES", '["a", "b"]')
    config = read(tmp_path, TEXT + "kafka: {bootstrap: 'file:1', group: g}\ntopics: {labels: marks}\nseed: 1\n")
    assert config.kafka.bootstrap == "broker:9093"
    assert config.kafka.group == "g"
    assert config.state.directory == Path("/srv/state")
    assert config.schema_.text == "message.body"
    assert (config.topics.events, config.topics.labels) == ("posts", "marks")
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == "12345"
    assert config.seed == 7
    assert config.classes == ("a", "b")


def test_the_environment_can_give_a_schema_that_the_file_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SCHEMA__TEXT", "body")
    assert read(tmp_path, "seed: 1\n").schema_.text == "body"
    kept = read(tmp_path, "schema: {subject: user, features: [{name: a}]}\n").schema_
    assert (kept.text, kept.subject, kept.features[0].name) == ("body", "user", "a")


def test_a_mistake_in_the_environment_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__BOOTSTRP", "h:1")
    expected = "the environment: TOCSIN_KAFKA__BOOTSTRP: kafka.bootstrp: is no setting here; did you mean 'bootstrap'?"
    assert mistake(tmp_path, TEXT) == expected
    # The group stands in the file, but the mistake does not.
    assert mistake(tmp_path, TEXT + "kafka: {group: g}\n") == expected
    monkeypatch.delenv("TOCSIN_KAFKA__BOOTSTRP")
    monkeypatch.setenv("TOCSIN_CLASSES", "a,b")
    assert "expected JSON" in mistake(tmp_path, TEXT)


def test_a_mistake_in_the_file_is_not_put_down_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__GROUP", "g")
    monkeypatch.setenv("TOCSIN_TOPICS", '{"events": "posts"}')
    told = mistake(tmp_path, TEXT + "kafka:\n  bootstrp: h:1\ntopics:\n  labels: a b\n").splitlines()
    assert [line.split(": ")[0] for line in told] == ["FILE:3", "FILE:5"]


def test_a_mistake_in_a_value_or_a_list_of_the_environment_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = TEXT + "experts:\n- {kind: linear}\nseed: 1\n"
    monkeypatch.setenv("TOCSIN_SEED", "soon")
    assert mistake(tmp_path, content).startswith("the environment: TOCSIN_SEED: seed: input should be a valid integer")
    monkeypatch.delenv("TOCSIN_SEED")
    monkeypatch.setenv("TOCSIN_EXPERTS", '[{"kind": "linear", "stepp": 0.1}]')
    expected = "the environment: TOCSIN_EXPERTS: experts.0.stepp: is no setting here; did you mean 'step'?"
    assert mistake(tmp_path, content) == expected


def test_variables_that_are_no_settings_disturb_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KERNELS_BACKEND", "reference")
    monkeypatch.setenv("TOCSIN_SERVICE_HOST", "10.0.0.1")
    assert read(tmp_path, TEXT) == Settings(schema={"text": "body"})


# Secrets

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "content",
    [
        f"kafka: {{security: {{protocol: sasl_ssl, password: {SECRET}}}}}\n",
        f"kafka: {{security: {{password: [{SECRET}]}}}}\n",
        f"kafka: {{security: {{password: {{a: {SECRET}}}}}}}\n",
        f"kafka: {{security: {{key_password: {SECRET}, protocol: none}}}}\n",
        f"kafka: {{password: {SECRET}}}\n",
        f"kafka: {{security: {{pasword: {SECRET}}}}}\n",
    ],
)
def test_no_mistake_prints_a_secret(tmp_path: Path, content: str) -> None:
    assert SECRET not in mistake(tmp_path, TEXT + content)


def test_a_numeric_password_is_refused_without_being_printed(tmp_path: Path) -> None:
    told = mistake(tmp_path, TEXT + "kafka: {security: {password: 31337042}}\n")
    assert "kafka.security.password" in told
    assert "31337042" not in told


def test_a_broken_override_does_not_print_the_secret_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA", f'{{"security": {{"password": "{SECRET}"')
    assert SECRET not in mistake(tmp_path, TEXT)


def test_a_misspelt_variable_does_not_leave_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("schema: {text: text}")
    monkeypatch.setenv("TOCSIN_KAFFKA__BOOTSTRAP", "q:1")
    with pytest.raises(ConfigError, match=r"TOCSIN_KAFFKA__BOOTSTRAP.*did you mean 'kafka'"):
        load(path)


def test_what_stands_in_the_place_of_the_secrets_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("schema: {text: text}\nkafka: {security: 'pw-s3cret'}")
    with pytest.raises(ConfigError) as error:
        load(path)
    assert "config.yaml:2: kafka.security" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_misspelt_value_is_told_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("schema: {text: text}\nfusion: {rule: dempste}")
    with pytest.raises(ConfigError, match=r"config.yaml:2: fusion.rule: .*did you mean 'dempster'"):
        load(path)
