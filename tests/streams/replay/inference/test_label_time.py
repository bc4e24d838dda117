"""A column that says when a label became known is no feature: it says the label, or that there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from tocsin.streams.cli.app import app

START, HOUR = 1_700_000_000_000, 3_600_000


def written(path: Path, *options: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["init", str(path), *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = yaml.safe_load(result.stdout)
    return found


def lines(path: Path, known: str, late: int) -> None:
    rows = []
    for i in range(200):
        at = START + i * HOUR
        told = {"label": "ok" if i % 9 else "fraud", known: at + late * (1 + i % 5)}
        rows.append({"id": f"p{i}", "subject": f"s{i % 7}", "time": at, "amount": (i * 37) % 101 / 7, "verdict": told})
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))


def test_beside_the_label_it_is_the_time_of_the_label(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    lines(path, "at", 5 * HOUR)
    found = written(path, "--label", "verdict.label")
    assert found["replay"] == {"label": "verdict.label", "label_time": "verdict.at"}
    assert [one["name"] for one in found["schema"]["features"]] == ["amount"]


@pytest.mark.parametrize("name", ["reported_at", "label time", "confirmed"])
def test_in_a_table_its_name_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / "past.csv"
    rows = [
        f"{START + i * HOUR},{i * 37 % 101},{'ok' if i % 9 else 'fraud'},{START + i * HOUR + (1 + i % 5) * HOUR}"
        for i in range(200)
    ]
    path.write_text(f"time,amount,label,{name}\n" + "\n".join(rows))
    found = written(path, "--label", "label")
    assert found["replay"]["label_time"] == name
    assert [one["name"] for one in found["schema"]["features"]] == ["amount"]


def test_a_time_before_the_event_is_none(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    lines(path, "at", -5 * HOUR)
    assert "label_time" not in written(path, "--label", "verdict.label")["replay"]


def test_a_number_that_is_no_time_is_none(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    rows = []
    for i in range(200):
        told = {"label": "ok" if i % 9 else "fraud", "score": i % 11}
        rows.append({"id": f"p{i}", "subject": f"s{i % 7}", "time": START + i * HOUR, "verdict": told})
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    assert "label_time" not in written(path, "--label", "verdict.label")["replay"]
