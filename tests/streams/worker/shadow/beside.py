"""A service with a shadow, for tests: two small configs, and what its decisions and telemetry say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tocsin.config.settings import Settings
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.worker.worker import Worker

from ...support import START, Service, drain, settings, stream

OTHER: dict[str, Any] = {"experts": [{"kind": "naive-bayes"}, {"kind": "linear"}], "seed": 7}
"""How the shadow decides."""


def with_shadow(directory: Path, other: dict[str, Any] = OTHER, **changes: Any) -> Settings:
    """The small service of tests, with a shadow."""
    first = settings(directory, **changes)
    return first.with_shadow(settings(directory, **{**changes, **other}))


def choose(service: Service, config: str, reason: Any = "promote", before: str = "") -> int:
    """Write a `decide-by` record; returns its offset."""
    control = Control(kind="decide-by", reason=reason, time=START, config=config, before=before)
    service._feeder.produce(service.topics.feedback, None, packed_control(control))
    return service.records(service.topics.feedback)[-1].offset


def feed(service: Service, worker: Worker | list[Worker], n: int, start: int = 0, labels: bool = True) -> None:
    """Events, and then their labels."""
    workers = worker if isinstance(worker, list) else [worker]
    pairs = list(stream(n, start))
    service.send(*[raw for raw, _ in pairs])
    drain(*workers)
    if labels:
        service.tell(*[truth for _, truth in pairs])
        drain(*workers)


def deciders(service: Service) -> list[tuple[int, str]]:
    """The feedback offset and the config digest of each decision."""
    return [(d["model"]["feedback_offset"], d["model"]["settings"]) for d in service.decisions]
