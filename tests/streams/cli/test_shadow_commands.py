"""What the commands say of a shadow."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tocsin.config import load
from tocsin.streams.cli.app import app

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
