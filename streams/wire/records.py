"""The records on the wire. These models are their definition; `tocsin schema` prints them as JSON Schema.

The hot path (`tocsin.streams.wire.decode`) does not go through the models, but accepts and rejects exactly what they
do.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, model_validator

from tocsin.explain.explanation import Explanation, MatteringPost

LATEST = 253_402_300_799_999
"""31 December 9999, the last instant that ISO 8601 writes with four digits of year; epoch milliseconds."""


class Record(BaseModel):
    """What all records share: keys that a record does not know are left aside, so that producers may send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


def epoch_milliseconds(value: Any) -> int:
    """A time as epoch milliseconds, from an integer or from ISO 8601 (without an offset it is UTC).

    Raises ValueError for anything else, and for an instant before 1970 or after the year 9999.

    >>> epoch_milliseconds("2026-11-24T18:00:00Z")
    1795543200000
    """
    if type(value) is int:
        milliseconds = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no time: give epoch milliseconds or ISO 8601") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        milliseconds = round(moment.timestamp() * 1000)
    else:
        raise ValueError("is no time: give epoch milliseconds (an integer) or ISO 8601 (a string)")
    if not 0 <= milliseconds <= LATEST:
        raise ValueError("a time must lie between the years 1970 and 9999; is it in milliseconds?")
    return milliseconds


def name(value: Any) -> str:
    """An id, a subject or a category: a string that is not empty, or an integer, which becomes its digits."""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a string or an integer")
    if not value:
        raise ValueError("must not be empty")
    return value


def class_label(value: Any) -> str:
    """A class: as a name, and true and false too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return name(value)


def number(value: Any) -> float:
    """A finite number; true and false are not numbers."""
    if type(value) not in (int, float):
        raise ValueError("must be a number")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError("must be a finite number") from None
    if not math.isfinite(result):
        raise ValueError("must be a finite number")
    return result


def category(value: Any) -> str:
    """A category: a string (it may be empty), an integer, or true and false."""
    if isinstance(value, str):
        return value
    return class_label(value)


Time = Annotated[int, BeforeValidator(epoch_milliseconds, json_schema_input_type=int | str), Field(ge=0, le=LATEST)]
Name = Annotated[str, BeforeValidator(name, json_schema_input_type=int | str), Field(min_length=1)]
ClassLabel = Annotated[str, BeforeValidator(class_label, json_schema_input_type=bool | int | str), Field(min_length=1)]
Number = Annotated[float, BeforeValidator(number, json_schema_input_type=float)]
Category = Annotated[str, BeforeValidator(category, json_schema_input_type=bool | int | str)]
Scalar = StrictBool | Number | StrictStr | None


class Event(Record):
    """Something to classify. On the topic `events`, keyed by subject."""

    id: Name | None = None
    """A missing id becomes `topic-partition-offset`."""
    subject: Name
    """Who or what it is about: account, user, thread, sensor."""
    time: Time
    features: dict[str, Scalar] = {}
    text: StrictStr | None = None


class Label(Record):
    """What turned out to be true of an event, or of a subject. On the topic `labels`."""

    event: Name | None = None
    """The id of the event that the label speaks of."""
    subject: Name | None = None
    """The subject it speaks of, where it names no event."""
    label: ClassLabel
    time: Time
    source: Name | None = None
    """Who says so; a second label of the same source for the same event is a duplicate."""
    weight: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    features: dict[str, Scalar] | None = None
    """A label that brings the event's own features can be learnt from although the event is not known."""
    text: StrictStr | None = None

    @model_validator(mode="after")
    def _speaks_of_something(self) -> Self:
        if self.event is None and self.subject is None:
            raise ValueError("a label needs `event` (the event's id) or `subject`")
        return self


class ModelVersion(Record):
    """Which model decided: with the logs this is enough to build it again."""

    feedback_offset: int = Field(ge=0)
    """The next offset of the feedback log that the model would have learnt from."""
    config: str
    """Hash of the settings that the model depends on."""
    segment: str


class Thread(Record):
    """What one expert keeps of all that a subject wrote."""

    sums: list[float]
    """The weights of its n-grams, added up, by class."""
    ngrams: int = Field(ge=0)
    sketch: str
    """Which n-grams it had, a bit each, in base 85."""


class SubjectState(Record):
    """What a subject has accumulated so far: the last decision of a subject carries all its state."""

    posts: int = Field(ge=0)
    risk: dict[str, float]
    alerts: dict[str, int]
    """The classes that rang, with the delay in posts."""
    time: int = 0
    """Of the latest post, epoch milliseconds."""
    faded: float = 0.0
    """Posts, each faded as what it added; 0 where nothing fades."""
    odds: dict[str, float] = {}
    """Policy `fused`: log odds by class, above those of a class of which nothing is known."""
    confirmed: dict[str, int] = {}
    """Policy `fused`: at how many posts the belief has stood at the threshold."""
    mattered: dict[str, list[MatteringPost]] = {}
    """The posts that raised a class most, until it rings."""
    threads: dict[str, Thread] = {}
    """What experts of whole subjects keep, by expert."""


class Decision(Record):
    """What Tocsin says of an event. On the topic `decisions`, keyed by subject."""

    event: str
    subject: str
    time: int
    """The event's time, epoch milliseconds."""
    decided_at: int
    """Epoch milliseconds."""
    status: Literal["decided", "abstained"]
    label: str | None
    """The class; null for an abstention."""
    belief: dict[str, float]
    """Mass of each class; with `uncertainty` it adds up to 1."""
    uncertainty: float = Field(ge=0, le=1)
    conflict: float = Field(ge=0, le=1)
    reason: Literal["uncertain", "conflict", "novel", "cold-start"] | None
    """Why it abstained."""
    set: list[str]
    """The classes that cannot be excluded at the configured error."""
    explanation: Explanation | None
    model: ModelVersion
    over_budget: Literal["uncertain", "conflict", "novel", "cold-start"] | None = None
    """Why it would have gone to review, had `abstention.budget` not been spent. It is decided all the same; only what
    nothing can decide (a cold start, classes that tie) is abstained from, and goes to nobody."""
    priors: dict[str, float] | None = None
    """How much more frequent than usual each class is taken to be, where `prior_shift` found that this has moved."""
    risk: SubjectState | None = None
    """Only where early risk is on."""


class Saw(Record):
    """What the model saw of an event, so that it learns from what it saw and not from what it would see now."""

    history: list[int]
    subject_label: int
    evidence: list[list[float]]
    betp: list[float]
    threshold: float | None
    """The conformal threshold that judged the event; null while there was none."""
    learnt: int
    limits: list[float] | None = None
    """The threshold of each class, where `abstention.per_class` gives each its own."""
    nonconformity: list[float] | None = None
    """How far it lay from what was labelled before, and how little support it found; only where abstention is on."""
    plain: list[float] | None = None
    """The probabilities before class priors were followed, where they were."""
    ratio: list[float] | None = None
    """How much more frequent than usual each class was taken to be, where class priors were followed."""


class Feedback(Record):
    """A label that found its event. On the topic `feedback`, one partition, the only thing a model learns from."""

    event: Event
    label: str
    labelled_at: int
    """The label's time, epoch milliseconds."""
    delay: int
    """Milliseconds from the event's time to the label's; negative where clocks disagree."""
    source: str | None
    weight: float = Field(gt=0)
    about: Literal["event", "subject"]
    contradicts: str | None
    """An earlier label of the same event that said otherwise."""
    decision: Decision | None
    """What was said of the event at its time, without the explanation; null where the event was never seen."""
    saw: Saw | None
    posts: list[str]
    """Earlier texts of the subject, where the label speaks of the subject."""


class Alert(Record):
    """A subject that rang the alarm, once a class. On the topic `alerts`, keyed by subject."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True)

    subject: str
    class_: str = Field(alias="class")
    time: int
    delay: int
    """Posts read until it rang."""
    risk: float
    explanation: Explanation | None


class Review(Record):
    """An abstention that a person may want to look at. On the topic `review`, keyed by subject."""

    event: Event
    decision: Decision


class DeadLetter(Record):
    """Why a record was put aside; the record itself is the dead letter's value, byte for byte.

    These are the headers of a record on the topic `dead-letters`, as KIP-1034 names them.
    """

    topic: str = Field(alias="__streams.errors.topic")
    partition: int = Field(alias="__streams.errors.partition")
    offset: int = Field(alias="__streams.errors.offset")
    exception: str = Field(alias="__streams.errors.exception")
    message: str = Field(alias="__streams.errors.message")


class ExpertTelemetry(Record):
    """How one expert of a worker's model fares; null where nothing is known yet."""

    state: Literal["active", "retired"] = "active"
    """A retired expert neither scores nor learns."""
    age: int | None = None
    """Feedback records since it began, or began anew; of a retired one, since it was retired."""
    nodes: int | None = None
    """Branches and leaves of its trees; null where it has none."""
    accuracy: float | None = None
    """Faded accuracy of its answers."""
    reliability: float | None = None
    """Mean reliability for the events of the latest batch."""
    engaged: float | None = None
    """Share of the events of the latest batch for which it was engaged."""
    share: float | None = None
    """Share of the routing over the latest window of feedback; those of all experts add up to 1 at most."""
    engaged_accuracy: float | None = None
    """Accuracy over that window where it was engaged."""
    consistency: float | None = None
    """Of the records of that window after one that it led, the share that it led as well."""
    lifecycle: dict[str, int] = {}
    """How often it was regrown, merged, retired and revived since the first feedback record."""


class Telemetry(Record):
    """What a worker did since it started. On the topic `telemetry`, keyed by worker."""

    service: str
    worker: str
    time: int
    started_at: int
    feedback_offset: int
    backend: str
    counts: dict[str, int]
    """Totals since the start: events, decided, abstained, ..."""
    reasons: dict[str, int]
    """Abstentions by reason."""
    dead_letters: dict[str, int]
    """Dead letters by kind."""
    labels: dict[str, int]
    """Labels by outcome."""
    classes: dict[str, int]
    """Decisions by class."""
    experts: dict[str, ExpertTelemetry]
    engaged: float | None = None
    """How many experts were engaged for an event of the latest batch, on average; null before there was one."""
    threshold: float | None
    alpha: float
    latency_ms: dict[str, float]
    """Milliseconds from poll to commit of a batch: p50, p99 and max of the latest batches."""
    pending: int
    waiting: int
