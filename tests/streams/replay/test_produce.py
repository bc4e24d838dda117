"""Replay into the topics of a broker."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tocsin.config import load
from tocsin.streams.transport import topics

from ..cli.test_commands import tocsin

pytestmark = pytest.mark.broker

CONFIG = """
name: %s
schema: {features: [{name: a}]}
classes: [no, yes]
experts: [{kind: persistence}]
kafka: {bootstrap: "%s"}
topics: {events: %s-events, labels: %s-labels, dead_letters: %s-dead}
replay: {label: y}
"""


def sent(tansu: str, directory: Path, lines: list[dict[str, Any]]) -> tuple[Result, dict[str, Any]]:
    name = f"r{uuid.uuid4().hex[:8]}"
    config, source = directory / "c.yaml", directory / "a.jsonl"
    config.write_text(CONFIG % (name, tansu, name, name, name))
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    topics.create(load(config))
    result = tocsin("replay", config, source, "--report", "json")
    return result, json.loads(result.stdout.splitlines()[-1])


def line(i: int, a: object, y: object = "yes") -> dict[str, Any]:
    return {"id": f"e{i}", "subject": "s", "features": {"a": a}, "a": a, "y": y}


def test_dead_letters_of_a_replay_into_a_topic_are_told(tansu: str, tmp_path: Path) -> None:
    lines = [line(i, "low" if i < 3 else i, "perhaps" if i == 5 else "yes") for i in range(9)]
    told = "4 events and labels became dead letters, 3 of them because of: features.a: must be a number"
    result, report = sent(tansu, tmp_path, lines)
    assert result.exit_code == 0, result.output
    assert (report["events"], report["labels"], report["dead_letters"]) == (9, 9, 4)
    assert told in result.stderr


def test_a_replay_of_which_nothing_fits_fails_into_a_topic_too(tansu: str, tmp_path: Path) -> None:
    result, report = sent(tansu, tmp_path, [line(i, "low") for i in range(4)])
    assert result.exit_code == 1
    assert report["dead_letters"] == 4
    assert "nothing fitted" in result.stderr
