"""Configs that are kept by their digest, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from tocsin.config import load
from tocsin.config.loading.errors import ConfigError
from tocsin.streams.wire.proof.kept_configs import kept_configs, packed_config, settings_of

from ...support import Service, drain, event, settings

PRESETS = sorted((Path(__file__).resolve().parents[4] / "config" / "presets").glob("*.yaml"))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_kept_config_reads_back_with_its_digest(preset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load(preset)
    packed = packed_config(made)
    monkeypatch.setenv("TOCSIN_SEED", "77")  # of today's process, not of the config that is kept
    found = settings_of(packed)
    assert found.digest() == made.digest()
    assert found.model.digest("") == made.model.digest("")
    assert found.seed == made.seed


def test_no_secret_is_kept_and_a_protocol_that_needs_one_reads_back(tmp_path: Path) -> None:
    security = {"protocol": "sasl_ssl", "username": "u", "password": SecretStr("hush-hush")}
    made = settings(tmp_path, kafka={"security": security})
    packed = packed_config(made)
    assert b"hush-hush" not in packed
    assert settings_of(packed).digest() == made.digest()


def test_a_worker_keeps_its_config_before_it_decides(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    service.send(event("e0"))
    with service.worker() as worker:
        drain(worker)
        [decision] = service.decisions
        reader = service.open((), {}, None)
        kept = kept_configs(reader, service.topics.configs)
    assert settings_of(kept[decision["model"]["settings"]]).shared() == service.settings.shared()


def test_a_config_that_is_not_what_its_key_says_is_not_taken(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    packed = packed_config(service.settings)
    feeder = service.open((), {}, None)
    for key, value in (
        (b"0123456789abcdef", packed),
        (b"x", b"no json"),
        (b"y", b"\xff"),
        (b"z", b"[" * 50_000),
        (None, packed),
    ):
        feeder.produce(service.topics.configs, key, value)
    assert kept_configs(feeder, service.topics.configs) == {}
    feeder.produce(service.topics.configs, service.settings.digest().encode(), packed)
    assert kept_configs(feeder, service.topics.configs) == {service.settings.digest(): packed}


def test_a_config_that_this_release_cannot_use_is_told_without_its_values(tmp_path: Path) -> None:
    tree = orjson.loads(packed_config(settings(tmp_path)))
    with pytest.raises(ConfigError, match="a kept config cannot be used: quorum") as failed:
        settings_of(orjson.dumps({**tree, "quorum": "told-to-nobody"}))
    assert "told-to-nobody" not in str(failed.value)


@pytest.mark.parametrize("tree", [b"[]", b"3", b'{"kafka":3}', b'{"kafka":{"security":[]}}', b'{"no such key":1}'])
def test_what_is_no_config_is_refused_as_one(tree: bytes) -> None:
    with pytest.raises(ConfigError, match="a kept config cannot be used"):
        settings_of(tree)
