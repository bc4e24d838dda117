"""The config that the service is timed with: the electricity preset with twelve experts, on topics of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tocsin.config import Settings, load
from tocsin.config.kafka import KafkaSettings

ROOT = Path(__file__).resolve().parents[3]
PRESET = ROOT / "config" / "presets" / "electricity.yaml"
DATA = ROOT / "config" / "presets" / "data" / "electricity.csv.gz"
PARTITIONS = 4
EXPERTS = 12
MORE: list[dict[str, Any]] = [
    {"kind": "neighbours", "name": "nearest-500", "window": 500, "k": 1, "strength": 100},
    {"kind": "naive-bayes", "name": "naive-bayes", "strength": 100},
    {"kind": "tree", "name": "tree-mc", "leaf_prediction": "mc", "strength": 100},
]
"""The experts beside the preset's own."""
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
"""Has the broker write into each record when it appended it."""
GUARANTEES = ("exactly-once", "at-least-once")


class Scenario(NamedTuple):
    """One way to run the service."""

    name: str
    guarantee: str | None
    """None where the settings know no guarantees, and there is only one."""
    text: bool


def guarantees_known() -> bool:
    """Whether the settings let one choose between exactly once and at least once."""
    return "guarantee" in KafkaSettings.model_fields


def write_config(scenario: Scenario, bootstrap: str, directory: Path, level: str = "brief") -> tuple[Path, Settings]:
    """Write the config of a scenario, with topics, a group and a state of its own; returns its path and itself."""
    raw: dict[str, Any] = yaml.safe_load(PRESET.read_text())
    name = scenario.name
    roles = ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "telemetry", "snapshots")
    raw["name"] = name
    raw["experts"] += MORE
    if scenario.text:
        raw["schema"]["text"] = "text"
        raw["experts"].append({"kind": "ss3", "name": "ss3"})
    raw["kafka"] = {"bootstrap": bootstrap, "group": name}
    if scenario.guarantee is not None:
        raw["kafka"]["guarantee"] = scenario.guarantee
    raw["topics"] = {role: f"{name}-{role.replace('_', '-')}" for role in roles}
    raw["topics"] |= {
        "partitions": PARTITIONS,
        "options": dict.fromkeys(("events", "decisions", "feedback"), APPEND_TIME),
    }
    raw["state"] = {"directory": str(directory / "state")}
    raw["explanation"] = {"level": level}
    path = directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    settings = load(path)
    found = len(settings.experts) - scenario.text
    if found != EXPERTS:
        raise SystemExit(f"the preset and {len(MORE)} experts make {found}, not {EXPERTS}: the preset has changed")
    return path, settings
