"""Where a worker scores events, as its telemetry says it."""

from __future__ import annotations

from msgspec import Struct


class ScoringTelemetry(Struct, frozen=True):
    """Where a worker scores events, and why."""

    asked: str
    """What the config asks for: `kernels.device`."""
    place: str
    """Where events are scored now: `cpu`, `torch-cpu` or `cuda:N`."""
    reason: str
    """Why it is there, where the config alone does not say; empty where it does."""
    failures: int
    """How often a batch had to be scored on the CPU after all, because the device failed."""
    bytes_per_label: float | None
    """Bytes that were sent to the device to follow one label, on the mean; null where nothing was sent."""
