"""docs/operations.md: every line of its table was tried, and speaks of what is there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tocsin.streams.monitor.metrics import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.partition("| what goes wrong |")[2].partition("\n\n")[0].splitlines()[2:]
]
FILES = [path for folder in ("config", "streams", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in FILES)


def test_the_table_is_read() -> None:
    assert len(ROWS) > 30
    assert {len(row) for row in ROWS} == {4}


def test_every_line_names_the_test_that_lets_it_happen_or_says_why_there_is_none() -> None:
    for what, _, _, tried in ROWS:
        tests = re.findall(r"`(test_\w+)`", tried)
        assert tests or tried.startswith("not tried here: "), what
        assert [test for test in tests if f"def {test}(" not in SOURCES] == [], what


def test_every_metric_and_alert_that_it_names_is_there() -> None:
    endings = {"counter": "_total"}
    served = {family.name + endings.get(family.kind, "") for family in FAMILIES}
    assert set(re.findall(r"`(tocsin_\w+)`", TEXT)) <= served
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    assert set(re.findall(r"`(Tocsin\w+)`", TEXT)) <= {rule["alert"] for rule in rules}


def test_every_log_line_that_it_quotes_is_written_somewhere() -> None:
    sources = re.sub(r'"\s*f?"', "", SOURCES)  # a message may go over several lines
    missing = []
    for _, seen, _, _ in ROWS:
        for quoted in seen.split("`")[1::2]:
            parts = [part.strip(" ;:()") for part in re.split(r"\.\.\.|'|\d+", quoted)]  # names and numbers stand in it
            missing += [part for part in parts if len(part.split()) > 2 and part not in sources]
    assert missing == []
