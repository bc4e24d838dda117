"""How the service runs: batches, bounds, state, review, replay, kernels, monitor, explanations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from tocsin.config.base import FilePath, FrozenSettings, PlainText, Share


class BatchingSettings(FrozenSettings):
    """How many events are decided at once, and how long the first of them may wait for the others."""

    max_events: int = Field(default=5_000, ge=1, le=100_000)
    """Records that are worked off at once, at the most. A batch is as large as the lag: only what is there is taken."""
    max_seconds: float = Field(default=2.0, ge=0.01, le=600)
    """How long a batch may take. It becomes smaller where the model is slow or texts are long, so that it stays within
    this, within a quarter of `kafka.transaction_timeout_ms` and a tenth of `kafka.poll_interval_ms`. A worker that is
    told to stop finishes one batch."""
    max_wait_ms: int = Field(default=5, ge=0, le=60_000)


class OverloadSettings(FrozenSettings):
    """What a worker gives up while it is too far behind, and takes back when it has caught up."""

    shed: Literal["none", "explanations", "experts"] = "explanations"
    """How far it may go. `explanations` leaves out those of events that are decided and raise no alert: what is decided
    stays the same. `experts` then also asks fewer experts, which does change decisions."""
    behind_seconds: float = Field(default=60.0, ge=1.0, le=86_400)
    """A worker that needs longer than this to work off what waits for it is behind. It has caught up once it needs a
    quarter of it."""
    patience_seconds: float = Field(default=30.0, ge=0.0, le=86_400)
    """How long it must be behind before it gives something up, and again before it gives up more; and as long it must
    have caught up before it takes something back."""
    share: float = Field(default=0.8, ge=0.01, le=1)
    """What `router.engage` is while fewer experts are asked, if it is not less. With `router.engage: 1` the fewest
    experts are asked that hold this share of the routing."""


class BoundsSettings(FrozenSettings):
    """The most that input from outside can make the service hold.

    A record beyond a bound becomes a dead letter; where a store is full its oldest entry makes room.
    """

    record_bytes: int = Field(default=262_144, ge=1_024, le=64 * 1024 * 1024)
    """Bytes of a record."""
    header_bytes: int = Field(default=65_536, ge=0, le=16 * 1024 * 1024)
    """Bytes of an event's headers that its decision, alerts and review pass on. The last headers are left out first."""
    text_length: int = Field(default=100_000, ge=1, le=16_000_000)
    """Characters of an event's text."""
    string_length: int = Field(default=512, ge=16, le=65_536)
    """Characters of an id, a subject, a category or a label's source."""
    nesting: int = Field(default=32, ge=4, le=512)
    """Depth of objects and arrays in a record."""
    vocabulary: int = Field(default=200_000, ge=1, le=100_000_000)
    """Words that a text expert holds."""
    classes: int = Field(default=64, ge=2, le=4_096)
    """Classes that are found in labels, where the config names none."""
    pending_events: int = Field(default=1_000_000, ge=1, le=1_000_000_000)
    """Events that wait for their label. Beyond it the oldest is forgotten."""
    pending_ttl_hours: float = Field(default=24.0 * 30, ge=1e-9, le=1_000_000)
    """How long an event waits for its label."""
    waiting_labels: int = Field(default=100_000, ge=1, le=1_000_000_000)
    """Labels that wait for their event. Beyond it the oldest becomes a dead letter."""
    waiting_ttl_seconds: float = Field(default=3_600.0, ge=1e-9, le=1e9)
    """How long a label waits for its event before it becomes a dead letter."""
    labels_per_target: int = Field(default=100, ge=1, le=10_000)
    """Sources that may label one event or subject, and labels that may wait for it. Beyond it a label is refused."""
    subjects: int = Field(default=1_000_000, ge=1, le=1_000_000_000)
    """Subjects whose state is held. Beyond it the one without a post for longest is forgotten."""
    profile_keys: int = Field(default=20_000, ge=1, le=100_000_000)
    """Values of a key that one profile remembers, of each partition of the events. Beyond it the one without an event
    for longest is forgotten. One takes 128 bytes for each window, and 256 more for each number in it: 31 kilobytes for
    three windows of 40 numbers, and one for three windows of one. See docs/profiles.md."""
    profile_events: int = Field(default=1_000_000, ge=0, le=1_000_000_000)
    """Events of a partition that are read again at the most to make its lost profiles anew."""
    subject_posts: int = Field(default=256, ge=1, le=10_000)
    """Events of one subject that a label of the subject teaches from: its latest ones."""
    subject_posts_bytes: int = Field(default=1_000_000, ge=0, le=2_000_000)
    """Bytes of text in those events. The oldest are left out first."""


class StateSettings(FrozenSettings):
    """Where a worker keeps its state, all of which it can rebuild from the Kafka logs."""

    directory: FilePath = Path("var/state")
    """A folder of this worker alone: two workers must not share one."""
    max_bytes: int = Field(default=4 * 1024**3, ge=1024**2, le=16 * 1024**4)
    """Size of the LMDB map: reserved address space, not disk."""
    snapshot_every: int = Field(default=20_000, ge=1, le=1_000_000_000)
    """A snapshot of the model is written at each feedback offset that is a multiple of this."""
    snapshots_back: int = Field(default=8, ge=0, le=64)
    """How many earlier snapshots of its own a worker keeps at the most, to go back to where labels are taken back or
    rolled back: the farther back the sparser, so that 8 of them reach some 128 times `snapshot_every` records back."""
    snapshots: PlainText | None = Field(default=None, min_length=1)
    """Where one worker of the group puts snapshots of the model for all: a directory, or a URL that fsspec knows
    (`s3://bucket/prefix`). Passwords and keys come from the environment of the cloud's own library (`AWS_PROFILE`,
    say). Without a value each worker has its own snapshot alone."""
    snapshots_kept: int = Field(default=3, ge=1, le=100)
    """Snapshots of one model that are kept there, the newest ones."""

    @field_validator("snapshots")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        # The value is not repeated: it may hold a secret. Places within places are chained by `::`.
        if value is not None and any(map(_holds_a_secret, value.split("::"))):
            raise ValueError(
                "a URL has no user, key or password here: give these in the environment of the cloud's own library"
            )
        return value


class FeedbackSettings(FrozenSettings):
    """How long the feedback is kept, which every model is folded from."""

    keep: int | None = Field(default=None, ge=1, le=10**15)
    """How many of the last records of `feedback` are kept at least. An older one is deleted once every snapshot that is
    kept in `state.snapshots` has learnt it, and it is older than `bounds.pending_ttl_hours` and a day. Without a value
    all are kept for ever."""


class LabelsSettings(FrozenSettings):
    """How far the labels can be trusted."""

    noise: Share = Field(default=0.0, ge=0, lt=0.5)
    """The greatest share of the labels of each class that may be wrong, as 0.05 or `5%`. Figures of a replay then come
    with the interval that this allows. Nothing is learnt otherwise for it."""


class ReviewSettings(FrozenSettings):
    """Which abstentions go to the topic `review`. How many an hour is `abstention.budget`."""

    cold_start: bool = False
    """Whether abstentions with the reason `cold-start` go there, too. While too few labels are known every event is
    such an abstention."""


class ReplaySettings(FrozenSettings):
    """How a file's columns are read as events and labels."""

    label: str = "label"
    """Column (CSV, Parquet) or dot path (JSONL) of the label."""
    id: str | None = None
    """Column of the event's id. Without a value it is the column that `schema.id` names, else the row's number."""
    subject: str | None = None
    """Column of the subject. Without a value it is the column that `schema.subject` names; where there is none, all
    rows belong to one subject, and are keyed by their id."""
    time: str | None = None
    """Column of the event's time. Without a value it is the column that `schema.time` names; where there is none, rows
    are `interval_ms` apart."""
    label_time: str | None = None
    """Column (CSV, Parquet) or dot path (JSONL) of the time at which the label became known. A replay then learns each
    label at that time instead of `label_delay` events late. A row without one is learnt so many events late. That of
    a whole subject is learnt no earlier than the subject's last event."""
    text: str = "text"
    """Column of the text. Where no column has this name, it is the one that `schema.text` names."""
    header: tuple[str, ...] = ()
    """The names of the columns, for a file whose first line does not give them."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    interval_ms: int = Field(default=1_000, ge=0, le=366 * 86_400_000)
    label_delay: int = Field(default=1, ge=0, le=1_000_000_000)
    """How many later events are decided before an event's label arrives, where nothing says when it became known. Where
    early risk is on and labels are those of whole subjects, it is counted from a subject's last event."""
    together: int = Field(default=1, ge=1, le=65_536)
    """In process, so many events are decided at once by one state of the model, as by a service that is behind; labels
    that are due meanwhile come after them. A device is quick only where they are many."""
    label_delay_hours: float | None = Field(default=None, ge=0, le=1_000_000)
    """The label of a whole subject comes so long after its last event, by the times of events. Without a value
    `label_delay` events of the source later."""


class KernelsSettings(FrozenSettings):
    """What the numbers are computed on."""

    backend: Literal["auto", "triton", "numba", "torch", "reference"] = "auto"
    """What fuses evidence. `auto` takes what the variable `TOCSIN_KERNELS_BACKEND` names, else numba. Triton, which
    needs a CUDA device and a C compiler, runs only where it is named. Back ends agree to 1e-9, not to the bit: all
    workers of a service should use the same."""
    device: str = Field(default="cpu", max_length=16)
    """Where events are scored: `cpu`, by compiled kernels; `cuda` or `cuda:N`, on a CUDA device; `auto`, on the CPU
    unless the first batches show that the first CUDA device is quicker; `torch-cpu`, by the code of a CUDA device on
    the CPU, which is slower and shows what a device would do. All but `cpu` need the extra `gpu`. Learning stays on the
    CPU."""

    @field_validator("device", mode="before")
    @classmethod
    def _known_device(cls, value: object) -> object:
        if not (isinstance(value, str) and re.fullmatch(r"cpu|torch-cpu|auto|cuda(:[0-9]{1,3})?", value)):
            known = "cpu, auto, cuda, cuda:N with the number of a device, or torch-cpu"
            raise ValueError(f"must be {known}, found {repr(value)[:40]}")
        return value


class MonitorSettings(FrozenSettings):
    """Metrics and telemetry."""

    host: PlainText = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65_535)
    interval_seconds: float = Field(default=1.0, ge=1e-9, le=3_600)
    """Time between two telemetry records of a worker."""
    stalled_seconds: float = Field(default=30.0, ge=1.0, le=86_400)
    """A partition that does not advance for so long, although there are records to read, is an alarm."""
    target_coverage: float | None = Field(default=None, ge=0, le=1)
    """The share of events that should be decided. Where it is given, `/metrics` has it for an alert to compare with."""
    idle_seconds: float = Field(default=10.0, ge=0.1, le=3_600)
    """The connection of a client of the page that sends nothing for so long is closed."""
    request_seconds: float = Field(default=30.0, ge=0.1, le=3_600)
    """The connection of a client is closed after so long, however it is used."""
    connections: int = Field(default=128, ge=1, le=10_000)
    """Connections that the page serves at once; beyond it one is closed unheard."""


class ExplanationSettings(FrozenSettings):
    """How much a decision tells of its reasons."""

    level: Literal["none", "brief", "full"] = "brief"
    experts: int = Field(default=3, ge=1, le=128)
    """Experts that a brief explanation names."""
    words: int = Field(default=5, ge=1, le=100)
    """Words that a brief explanation names."""
    rules: int = Field(default=10, ge=1, le=256)
    """Declared rules that a brief explanation names."""


def _holds_a_secret(url: str) -> bool:
    """Whether a URL has a user with a password, or a query, in which signatures and keys stand.

    What stands before the `@` of `abfs://container@account/path` is no user.

    >>> _holds_a_secret("ftp://user:pw@h/x"), _holds_a_secret("https://h/x?sig=0"), _holds_a_secret("s3://key@b")
    (True, True, True)
    >>> _holds_a_secret("abfs://container@account.dfs.core.windows.net/p"), _holds_a_secret("s3://bucket/a@b")
    (False, False)
    """
    scheme, _, rest = url.partition("://")
    before, at, _ = rest.partition("/")[0].rpartition("@")
    return bool(rest and "?" in rest) or (bool(at) and (":" in before or scheme not in ("abfs", "abfss")))
