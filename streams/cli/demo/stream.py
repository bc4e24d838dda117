"""One stream of the demonstration: its settings, its data, and how its decisions were judged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from tocsin.config import load
from tocsin.config.settings import Settings
from tocsin.streams.replay.evaluation import PrequentialEvaluation
from tocsin.streams.wire.records import Decision

TOPICS = ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "telemetry", "snapshots")


@dataclass(slots=True)
class Stream:
    """One stream and how it went."""

    settings: Settings
    preset: Path
    """The config, as a user would name it to `tocsin run`."""
    environment: dict[str, str]
    """The variables that override the preset."""
    data: Path
    evaluation: PrequentialEvaluation = field(default_factory=PrequentialEvaluation)
    seconds: float = 0.0
    """From the first decision to the last label."""
    dead_letters: int = 0
    abstained: int = 0
    example_decided: Decision | None = None
    example_abstained: Decision | None = None


def open_stream(name: str, data: str, bootstrap: str, directory: str) -> Stream:
    """The stream of the preset `name`, on the broker at `bootstrap`, its state in `directory`."""
    presets = Path(str(resources.files("tocsin.config.presets")))
    preset = presets / f"{name}.yaml"
    environment = _environment(name, bootstrap, directory)
    with _set(environment):
        settings = load(preset)
    return Stream(settings, preset, environment, presets / "data" / data)


def _environment(name: str, bootstrap: str, directory: str) -> dict[str, str]:
    """What differs from the preset: the broker, the state, and topics of the stream's own."""
    topics = {f"TOCSIN_TOPICS__{topic.upper()}": f"{name}-{topic.replace('_', '-')}" for topic in TOPICS}
    return topics | {
        "TOCSIN_KAFKA__BOOTSTRAP": bootstrap,
        "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "TOCSIN_KAFKA__FETCH_WAIT_MS": "5",
        "TOCSIN_STATE__DIRECTORY": directory,
        "TOCSIN_TOPICS__PARTITIONS": "1",
        "TOCSIN_EXPLANATION__LEVEL": "brief",
    }


@contextmanager
def _set(variables: dict[str, str]) -> Iterator[None]:
    """These variables in this process's environment, for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
