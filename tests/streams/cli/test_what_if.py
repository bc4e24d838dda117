"""`tocsin replay --what-if`: its options, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tocsin.streams.cli.app import app
from tocsin.streams.cli.console import PrintableConsole
from tocsin.streams.cli.what_if.tables import tables
from tocsin.streams.replay.what_if.figures import BothFigures
from tocsin.streams.replay.what_if.report import AlertChanges, ChangedEvent, WhatIfReport

from .past_on_broker import decided, on_broker


def tocsin(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"schema": {"text": "text"}}))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--what-if", "OTHER", "events.csv"], "leave SOURCE out"),
        (["--what-if", "OTHER", "--in-process"], "leave --in-process out"),
        (["--what-if", "OTHER", "--verify"], "--verify and --what-if are two commands"),
        (["--what-if", "OTHER", "--event", "e"], "--event says what is verified"),
        (["events.csv", "--decisions", "made.jsonl"], "--decisions says where decisions of another config go"),
        (["--verify", "--decisions", "made.jsonl"], "--decisions says where decisions of another config go"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(config: Path, arguments: list[str], words: str) -> None:
    result = tocsin(config, *(config if one == "OTHER" else one for one in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert not result.stdout


def test_an_other_config_that_cannot_be_used_is_told_with_its_name(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("schema: {text: text}\nexpert: []\n")
    result = tocsin(config, "--what-if", other)
    assert result.exit_code == 2
    assert f"{other}:2" in result.stderr


@pytest.mark.broker
def test_the_past_is_decided_again_from_the_topics_alone(tansu: str, tmp_path: Path) -> None:
    path = on_broker(decided(tmp_path / "one"), tansu, tmp_path, {})
    result = tocsin(path, "--what-if", path, "--report", "json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["events"], report["changed"], report["moved"], report["judged"]) == (60, 0, 0, 60)

    tree: dict[str, Any] = yaml.safe_load(path.read_text())
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**tree, "experts": [{"kind": "naive-bayes"}]}))
    made = tmp_path / "made.jsonl"
    result = tocsin(path, "--what-if", other, "--report", "json", "--decisions", made)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["changed"] == sum(n for a, row in report["matrix"].items() for b, n in row.items() if a != b) > 0
    lines = [json.loads(line) for line in made.read_text().splitlines()]
    assert [line["event"] for line in lines] == [f"e{i}" for i in range(60)]
    for example in report["examples"]:
        assert example["before"]["explanation"] is not None
        assert example["after"]["explanation"] is not None
    shown = tocsin(path, "--what-if", other).stdout
    assert "decided otherwise" in shown
    assert "95% interval" in shown


def test_names_from_outside_are_printable_in_the_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, evil = PrintableConsole(), "\x1b[31mevil"
    decision = {"status": "decided", "label": evil, "reason": None}
    report = WhatIfReport(
        events=3,
        changed=1,
        moved=0,
        matrix={evil: {evil: 2, "abstained": 1}},
        reasons={"before": {}, "after": {"uncertain": 1}},
        judged=3,
        heard=2,
        metrics={"accuracy": BothFigures(0.5, 0.75, 0.25, (0.1, 0.4)), "cost": BothFigures(None, None, None, None)},
        alerts=AlertChanges(2, 2, 1, 1, 1, 0, -2.0, (-2.0, -2.0)),
        only_before=0,
        only_after=0,
        expired=4,
        without_link=0,
        examples=[ChangedEvent(evil, evil, evil, decision, {**decision, "status": "abstained", "reason": "novel"})],
    )
    for table in tables(report):
        out.print(table)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    for words in ("+0.2500", "+0.1000 to +0.4000", "abstained: novel", "posts later", "holds no more"):
        assert words in shown
