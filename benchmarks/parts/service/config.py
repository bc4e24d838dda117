"""The config that the service is timed with: electricity with twelve experts, on topics of its own."""

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
EXPERTS: list[dict[str, Any]] = [
    {"kind": "neighbours", "name": "nearest-500", "window": 500, "k": 1, "strength": 100},
    {"kind": "neighbours", "name": "neighbours-500", "window": 500, "k": 3, "strength": 100},
    {"kind": "neighbours", "name": "neighbours-2000", "window": 2000, "k": 5, "strength": 100},
    {"kind": "linear", "name": "linear-faster", "step": 0.2, "strength": 100},
    {"kind": "linear", "name": "linear-fast", "step": 0.02, "strength": 100},
    {"kind": "linear", "name": "linear-slow", "step": 0.002, "strength": 100},
    {"kind": "naive-bayes", "name": "naive-bayes", "strength": 100},
    {"kind": "persistence", "by": "stream", "strength": 100},
    {"kind": "tree", "name": "tree", "strength": 100},
    {"kind": "tree", "name": "tree-mc", "leaf_prediction": "mc", "strength": 100},
    {"kind": "tree", "name": "tree-history", "history": 1, "strength": 100},
    {
        "kind": "forest",
        "trees": 15,
        "grace_period": 200,
        "warning_delta": 0.3,
        "drift_delta": 0.1,
        "strength": 100,
    },
]
"""Twelve experts, written out, so that rates can be compared with those of other releases."""
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
    roles = (
        "events",
        "labels",
        "decisions",
        "feedback",
        "alerts",
        "review",
        "dead_letters",
        "telemetry",
        "snapshots",
        "configs",
    )
    raw["name"] = name
    raw["experts"] = list(EXPERTS)
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
    return path, load(path)
