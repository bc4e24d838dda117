"""How the service runs: batches, bounds, state, replay, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from tocsin.config.base import FrozenSettings


class BatchingSettings(FrozenSettings):
    """How many events are decided at once, and how long the first of them may wait for the others."""

    max_events: int = Field(default=1_000, ge=1, le=100_000)
    max_wait_ms: int = Field(default=5, ge=0, le=60_000)


class BoundsSettings(FrozenSettings):
    """What an outsider may make us hold. Beyond a bound a record is a dead letter or the oldest entry goes."""

    record_bytes: int = Field(default=262_144, ge=1_024, le=64 * 1024 * 1024)
    text_length: int = Field(default=100_000, ge=1, le=16_000_000)
    """Characters of text in an event."""
    string_length: int = Field(default=512, ge=16, le=65_536)
    """Characters of an id, a subject, a category or a label's source."""
    nesting: int = Field(default=32, ge=4, le=512)
    """Depth of objects and arrays in a record."""
    vocabulary: int = Field(default=200_000, ge=1, le=100_000_000)
    """Words that a text expert holds."""
    classes: int = Field(default=64, ge=2, le=4_096)
    """Classes discovered from labels where the config names none."""
    pending_events: int = Field(default=1_000_000, ge=1)
    """Events that wait for their label; beyond it the oldest is forgotten."""
    pending_ttl_hours: float = Field(default=24.0 * 30, gt=0)
    """How long an event waits for its label."""
    waiting_labels: int = Field(default=100_000, ge=1)
    """Labels that wait for their event; beyond it the oldest is a dead letter."""
    waiting_ttl_seconds: float = Field(default=3_600.0, gt=0)
    """How long a label waits for its event before it is a dead letter."""
    subjects: int = Field(default=1_000_000, ge=1)
    """Subjects whose state is held; beyond it the one longest silent is forgotten."""
    subject_posts: int = Field(default=100, ge=1, le=10_000)
    """Events of one subject that a label of the subject teaches from."""
    subject_posts_bytes: int = Field(default=1_000_000, ge=0, le=2_000_000)
    """Bytes of text in them; the oldest are left out first."""


class StateSettings(FrozenSettings):
    """Where a worker keeps what it can rebuild from the logs."""

    directory: Path = Path("var/state")
    max_bytes: int = Field(default=4 * 1024**3, ge=1024**2)
    """Size of the LMDB map: address space, not disk."""
    snapshot_every: int = Field(default=20_000, ge=1)
    """Feedback records between snapshots of the model."""


class ReplaySettings(FrozenSettings):
    """How a file's columns are read as events and labels."""

    label: str = "label"
    """Column (CSV, Parquet) or dot path (JSONL) of the label."""
    id: str | None = None
    """Column of the event's id; the row's number where none is given."""
    subject: str | None = None
    """Column of the subject; one subject for all rows where none is given."""
    time: str | None = None
    """Column of the event's time; rows are spaced by `interval_ms` where none is given."""
    text: str = "text"
    header: tuple[str, ...] = ()
    """Names of the columns, for a file without a first line that says them."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    interval_ms: int = Field(default=1_000, ge=0)
    label_delay: int = Field(default=1, ge=0)
    """How many later events are decided before an event's label is known."""


class KernelsSettings(FrozenSettings):
    """What the numbers are computed on."""

    backend: Literal["auto", "triton", "numba", "torch", "reference"] = "auto"
    """What fuses evidence. `auto`: Triton where there is a CUDA device, numba elsewhere (or what the variable
    `TOCSIN_KERNELS_BACKEND` names). Back ends agree to 1e-9, not to the bit: workers of one service should run one."""


class MonitorSettings(FrozenSettings):
    """Metrics and telemetry."""

    host: str = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65_535)
    interval_seconds: float = Field(default=1.0, gt=0, le=3_600)
    """Time between two telemetry records of a worker."""


class ExplanationSettings(FrozenSettings):
    """How much a decision says about itself."""

    level: Literal["none", "brief", "full"] = "brief"
    experts: int = Field(default=3, ge=1, le=128)
    """Experts named in a brief explanation."""
    words: int = Field(default=5, ge=1, le=100)
    """Words named in a brief explanation."""
