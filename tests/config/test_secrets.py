"""A secret in the wrong place is never printed, whatever mistake brought it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import ConfigError, load

SECRET = "geheim"
SECURITY = "schema: {text: t}\nkafka:\n  security: "
KAFKA = "schema: {text: t}\nkafka: "


@pytest.mark.parametrize(
    "content",
    [
        SECURITY + "{password: *geheim}", SECURITY + "{password: !geheim}", SECURITY + "{password: !gehe'im x}",
        SECURITY + "{password: !!geheim x}",
        SECURITY + "{password: !<geheim> x}", SECURITY + "{password: !!int geheim}",
        SECURITY + "{password: &geheim x, username: &geheim y}", SECURITY + '{password: "\\z-geheim"}',
        SECURITY + "{password: %geheim}", SECURITY + "{password: @geheim}", SECURITY + "{password: `geheim}",
        SECURITY + "{password: [geheim]}", SECURITY + "{password: {geheim: 1}}", SECURITY + "{password: geheim: x}",
        SECURITY + '{password: "geheim', SECURITY + "{geheim}", SECURITY + "{geheim, geheim}", SECURITY + "geheim",
        SECURITY + "{mechanism: geheim}", SECURITY + "{protocol: geheim}", SECURITY + "[geheim]",
        KAFKA + "geheim", KAFKA + "{bootstrap: 'user:geheim@host:9092'}", KAFKA + "{bootstrap: geheim}",
        KAFKA + "{bootstrap: 'h:1,user:geheim@host:9092'}", KAFKA + "{bootstrap: 'kafka://u:geheim@host'}",
        KAFKA + "{session_timeout_ms: 'user:geheim@host:9092'}", "%TAG geheim\n---\na: 1", "%TAG ! geheim\n---\n!a b",
    ],
)  # fmt: skip
def test_no_mistake_prints_a_secret(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as told:
        load(path)
    text = str(told.value)
    assert SECRET not in text
    assert "gehe" not in text
    assert "line" in text or "c.yaml:" in text


def test_a_value_that_begins_with_a_mark_of_yaml_is_told_to_be_quoted(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    for mark in "*!":
        path.write_text(SECURITY + f"{{password: {mark}geheim}}")
        with pytest.raises(ConfigError, match=r"quote it.*\(line 3, column \d+\)"):
            load(path)


def test_an_unknown_key_among_the_secrets_names_the_key_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SECURITY + "\n    passwrd: x")
    with pytest.raises(ConfigError) as told:
        load(path)
    expected = f"{path}:4: kafka.security: a key is no setting here; did you mean 'password'? (the key may be a secret)"
    assert str(told.value) == expected


def test_a_variable_with_a_secret_key_is_told_by_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("schema: {text: t}\n")
    monkeypatch.setenv("TOCSIN_KAFKA", '{"security": {"geheim": "geheim"}}')
    with pytest.raises(ConfigError) as told:
        load(path)
    assert SECRET not in str(told.value)
    assert str(told.value).startswith("the environment: TOCSIN_KAFKA: kafka.security: a key is no setting here")
