"""Self-check: a config that was written is read back, and the events that it was written from are read by it."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

from tocsin.config import load
from tocsin.config.settings import Settings
from tocsin.streams.replay.misfits import Misfits
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.base import Transport


def settings_of(text: str) -> Settings:
    """The settings that a config says, under the overrides of the environment. Raises ConfigError."""
    with tempfile.TemporaryDirectory(prefix="tocsin-init-") as directory:
        path = Path(directory, "config.yaml")
        path.write_text(text, encoding="utf-8")
        return load(path)


def misfit(settings: Settings, source: str, most: int) -> str | None:
    """What does not fit the config among the first events of a file; None where all do. Raises SourceError."""
    misfits, events = Misfits(settings), 0
    for past in islice(read_source(settings, source, _no_topic), most):
        events += 1
        misfits.event(past.event)
    unfit = events - misfits.fitting_events
    if not unfit:
        return None
    reason, _ = misfits.reasons.most_common(1)[0]
    return f"{unfit:,} of {events:,} events do not fit and would become dead letters, most of them because of: {reason}"


def _no_topic() -> Transport:
    raise AssertionError("a file is read without a broker")
