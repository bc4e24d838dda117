"""Who decides, and how the model of a shadow compares with the other one, as a worker's telemetry says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tocsin.streams.wire.packed.control import Control

_DECIDES = "decides"


class ChosenConfig(Struct, frozen=True):
    """What the last `decide-by` record says that a model has passed."""

    config: str
    """The config digest of who decides from there on."""
    offset: int
    """Its feedback offset: decisions of a greater one are made by that config."""
    reason: str
    """`promote` or `rollback`."""
    before: str = ""
    """The config digest of who decided until then, as whoever asked knew it."""


class Held(Struct, frozen=True):
    """Of how many compared events something holds."""

    both: int = 0
    first: int = 0
    """For the first config alone."""
    second: int = 0
    """For the second config alone."""


class ClassCompared(Struct, frozen=True):
    """The compared events of one class."""

    labels: int
    found: Held
    """For which config it was the most probable class."""


class ComparedEvents(Struct, frozen=True):
    """What two configs said of the same events, whose first label has come. Counts of several workers add up."""

    tally: str
    """Which count this is: a worker that starts again goes on with its own, unless its state was lost."""
    events: int = 0
    right: Held = Held()
    """The most probable class was the true one, decided or not."""
    decided: Held = Held()
    wrong: Held = Held()
    """Decided, and for another class."""
    classes: dict[str, ClassCompared] = {}
    """The first 64 classes."""


class ShadowTelemetry(Struct, frozen=True, kw_only=True):
    """The two configs of a worker: that of its config file, and the one that the file names as its shadow."""

    first: str
    """The config digest of the file itself."""
    second: str
    """That of its shadow."""
    decides: str
    """Which of both decides now; the other one is the shadow now."""
    standing: ChosenConfig | None = None
    """The last record by which somebody chose who decides; null where nobody did."""
    state: Literal["scores", "waits", "given-up"]
    """Whether the shadow scores events, passes them over while the worker is too far behind, or was given up."""
    why: str = ""
    """Why it was given up."""
    feedback_offset: int | None = None
    """Where its model stands in the feedback log."""
    scored: int = 0
    """Events that it scored since the worker started."""
    passed_over: int = 0
    """Events that it did not score, because the worker was too far behind or it was given up."""
    compared: ComparedEvents


def chosen_by(control: Control, offset: int) -> ChosenConfig:
    """What the `decide-by` record at an offset says."""
    return ChosenConfig(control.config, offset, control.reason, control.before)


def as_manifest(standing: ChosenConfig | None) -> dict[str, Any]:
    """What the manifest of a snapshot says of who decides; nothing where nobody has chosen."""
    return {} if standing is None else {_DECIDES: msgspec.to_builtins(standing)}


def standing_in(manifest: Mapping[str, Any]) -> ChosenConfig | None:
    """What the manifest of a snapshot says of who decides. Raises msgspec.ValidationError where it is damaged."""
    found = manifest.get(_DECIDES)
    return None if found is None else msgspec.convert(found, ChosenConfig)
