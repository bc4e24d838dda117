"""What the commands say of a shadow."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tocsin.config import load
from tocsin.streams.cli.app import app
from tocsin.streams.transport import topics

FIRST = 'name: x\nschema: {features: [{name: a}]}\nclasses: ["no", "yes"]\nexperts: [{kind: linear}]\nshadow: b.yaml\n'


def files(directory: Path, other: str) -> str:
    (directory / "b.yaml").write_text(other)
    path = directory / "a.yaml"
    path.write_text(FIRST)
    return str(path)


def test_check_says_that_both_are_valid_and_their_digests(tmp_path: Path) -> None:
    path = files(tmp_path, "experts: [{kind: naive-bayes}]\n")
    done = CliRunner().invoke(app, ["check", path])
    settings = load(path)
    assert done.exit_code == 0, done.output
    assert settings.of_shadow is not None
    assert "b.yaml: valid as the shadow" in done.output
    assert settings.of_shadow.model.digest() in done.output
    assert settings.of_shadow.digest() in done.output


def test_check_says_where_a_shadow_is_none(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", files(tmp_path, "experts: [{kind: linear}]\n")])
    assert done.exit_code == 0
    assert "the shadow decides by the same config, so there is none" in done.output


@pytest.mark.parametrize("command", ["check", "promote", "rollback"])
def test_a_shadow_that_cannot_be_is_told_by_its_file_and_line(tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, files(tmp_path, "name: y\n")])
    assert done.exit_code == 2
    assert "b.yaml:1: name: is another one than in the config that names this file" in done.output


def test_check_builds_the_model_of_the_shadow_as_well(tmp_path: Path) -> None:
    other = 'experts: [{kind: river, class: "river.tree.HoeffdingTreeClassifier", params: {no: 1}}]\n'
    done = CliRunner().invoke(app, ["check", files(tmp_path, other)])
    assert done.exit_code == 2
    assert "b.yaml:1: experts.0" in done.output


@pytest.mark.broker
def test_a_refusal_to_promote_is_json_where_json_is_asked_for(tansu: str, tmp_path: Path) -> None:
    path = files(tmp_path, "experts: [{kind: naive-bayes}]\n")
    mark = uuid.uuid4().hex[:8]
    names = {role: f"{role.replace('_', '-')}-{mark}" for role in load(path).topics.by_role()}
    Path(path).write_text(FIRST + yaml.safe_dump({"kafka": {"bootstrap": tansu}, "topics": names}))
    topics.create(load(path))
    done = CliRunner().invoke(app, ["promote", path, "--yes", "--report", "json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["offset"], found["events"], found["advantage"]) == (None, 0, {})
    assert "no worker was heard of lately" in found["why"]
    assert "no worker was heard of lately" in done.stderr
