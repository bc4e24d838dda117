"""A secret in the wrong place is never printed, whatever mistake brought it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import ConfigError, load
from tocsin.config.kafka import TopicsSettings

SECRET = "geheim"
SECURITY = "schema: {text: t}\nkafka:\n  security: "
KAFKA = "schema: {text: t}\nkafka: "
ERASURE = "schema: {text: t}\nerasure: "


TOPICS = "schema: {text: t}\ntopics: "


@pytest.mark.parametrize(
    "content",
    [
        TOPICS + "{geheim: x}", TOPICS + "{options: geheim}", TOPICS + "{options: {geheim: {}}}",
        TOPICS + "{options: {events: geheim}}", TOPICS + "{options: {events: [geheim]}}",
        TOPICS + "{options: {events: {geheim: 1}}}", TOPICS + "{options: {events: {geheim: [1]}}}",
        TOPICS + "{options: {events: {retention.ms: geheim}}}",
        TOPICS + "{options: {events: {retention.ms: [geheim]}}}",
        TOPICS + "{options: {events: {max.message.bytes: geheim}}}",
        TOPICS + "{options: {events: {cleanup.policy: geheim}}}",
        TOPICS + "{options: {events: {preallocate: geheim}}}",
        TOPICS + "{options: {events: {retention.ms: '1\ngeheim'}}}",
        TOPICS + "{options: {events: {sasl.jaas.config: 'X required password=geheim;'}}}",
        TOPICS + "{options: {events: {sasl.jaas.config: [geheim]}}}",
        KAFKA + "{geheim: x}", KAFKA + "{geheim}", KAFKA + "{geheim: {x: 1}}", KAFKA + "{geheim, geheim}",
        KAFKA + "{group: {geheim: 1}}", "schema: {text: t}\ngeheim: x", "schema: {text: t}\ngeheim:",
        "{geheim, geheim: 1}",
        "schema: {text: t, geheim: 1}", "schema: {text: t}\nexperts: [{kind: linear, geheim: 1}]",
        "schema: {text: t}\nfusion: {geheim: 1}", "schema: {text: t}\n? {geheim: 1}\n: x",
        "schema: {text: t}\n? [geheim]\n: x",
        SECURITY + "{password: *geheim}", SECURITY + "{password: !geheim}", SECURITY + "{password: !gehe'im x}",
        SECURITY + "{password: !!geheim x}",
        SECURITY + "{password: !<geheim> x}", SECURITY + "{password: !!int geheim}",
        SECURITY + "{password: &geheim x, username: &geheim y}", SECURITY + '{password: "\\z-geheim"}',
        SECURITY + "{password: %geheim}", SECURITY + "{password: @geheim}", SECURITY + "{password: `geheim}",
        SECURITY + "{password: [geheim]}", SECURITY + "{password: {geheim: 1}}", SECURITY + "{password: geheim: x}",
        SECURITY + '{password: "geheim', SECURITY + "{geheim}", SECURITY + "{geheim, geheim}", SECURITY + "geheim",
        SECURITY + "{mechanism: geheim}", SECURITY + "{protocol: geheim}", SECURITY + "[geheim]",
        ERASURE + "geheim", ERASURE + "[geheim]", ERASURE + "{geheim: 1}", ERASURE + "{secret: geheim}",
        ERASURE + "{secret: [geheim]}", ERASURE + "{secret: {geheim: 1}}", ERASURE + "{enabled: geheim}",
        ERASURE + "{keys_in_memory: geheim}", ERASURE + "{geheim, geheim}",
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


def test_an_unknown_key_is_told_only_where_it_is_a_known_one_but_for_a_slip(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    for content, expected in (
        ("kafka: {grup: x}", "2: kafka.grup: is no setting here; did you mean 'group'?"),
        ("kafka: {bootsrtap: x}", "2: kafka.bootsrtap: is no setting here; did you mean 'bootstrap'?"),
        ("kfaka: {}", "2: kfaka: is no setting here; did you mean 'kafka'?"),
        ("hunter2: x", "2: a key is no setting here; did you mean 'router'?"),
        ("kafka: {groupgroup: x}", "2: kafka: a key is no setting here; did you mean 'group'?"),
        ("topics: {options: {events: {retention.mss: 1}}}", "did you mean 'retention.ms'?"),
        (
            "topics: {options: {events: {sasl.jaas.config: x}}}",
            "2: topics.options: events: a key is no option of a topic",
        ),
        ("topics: {options: {events: {retention.ms: week}}}", "events: retention.ms: must be a whole number"),
    ):
        path.write_text("schema: {text: t}\n" + content)
        with pytest.raises(ConfigError) as told:
            load(path)
        assert expected in str(told.value)


def test_every_option_that_a_topic_has_takes_what_kafka_takes() -> None:
    given = {
        "cleanup.policy": "compact,delete", "compression.type": "zstd", "min.cleanable.dirty.ratio": 0.5,
        "preallocate": True,
        "message.timestamp.type": "LogAppendTime", "leader.replication.throttled.replicas": "*", "retention.ms": -1,
        "follower.replication.throttled.replicas": "0:1,1:2", "max.message.bytes": 8_388_608,
    }  # fmt: skip
    settings = TopicsSettings.model_validate({"options": {"events": given}})
    assert settings.options["events"]["preallocate"] == "true"
    with pytest.raises(ValueError, match=r"max\.message\.bytes: must be a whole number"):
        TopicsSettings.model_validate({"options": {"events": {"max.message.bytes": -1}}})
