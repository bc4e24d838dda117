"""`tocsin forget`: which subjects are taken, and how it ends."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from tocsin.config import load
from tocsin.streams.cli.app import app
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Transport
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.wire.sealing.key_records import new_key
from tocsin.streams.wire.sealing.secret import Secret

SECRET = "a secret that only the tests know"


def run(*arguments: object) -> Result:
    variables = {"TOCSIN_ERASURE__SECRET": SECRET, "COLUMNS": "200"}
    return CliRunner().invoke(app, ["forget", *map(str, arguments)], env=variables)


@pytest.fixture
def service(tansu: str, tmp_path: Path) -> tuple[Path, Transport]:
    """A config of a service with erasure whose topics are there, and what writes to them."""
    mark = uuid.uuid4().hex[:8]
    path = tmp_path / "config.yaml"
    tree: dict[str, Any] = {
        "name": f"test-{mark}",
        "schema": {"text": "text"},
        "kafka": {"bootstrap": tansu},
        "erasure": {"enabled": True, "secret": SECRET},
    }
    path.write_text(yaml.safe_dump(tree))
    tree["topics"] = {role: f"{role.replace('_', '-')}-{mark}" for role in load(path).topics.by_role()}
    path.write_text(yaml.safe_dump(tree))
    topics.create(load(path))
    return path, KafkaTransport(load(path).kafka, group="test", client_id="test")


def test_a_subject_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("schema: {text: text}\nerasure: {enabled: true}\n")
    for empty in ("", " "):
        result = run(path, "--subject", "anna", "--subject", empty, "--yes")
        assert result.exit_code == 2
        assert "it is empty" in result.stderr


@pytest.mark.broker
def test_a_misspelt_subject_is_no_success_and_the_others_are_forgotten(
    service: tuple[Path, Transport], tmp_path: Path
) -> None:
    config, transport = service
    _, _, record = new_key(Secret(SECRET), "anna", 0)
    transport.produce(load(config).topics.keys, record.key, record.value)
    transport.flush()
    transport.close()
    gone = tmp_path / "gone.txt"
    gone.write_bytes("\ufeffanna \r\n\r\n \tana\n".encode())
    result = run(config, "--subjects-file", gone, "--yes", "--report", "json")
    assert result.exit_code == 1, result.stderr
    found = json.loads(result.stdout)
    assert (found["subjects"], found["unknown"], found["keys"]) == (2, 1, 1)
    assert "nothing was found of 'ana', and nobody" in result.stderr
    again = run(config, "--subjects-file", gone, "--yes")
    assert again.exit_code == 0, again.stderr
    assert "forgotten before" in again.stderr
