"""The records on the wire: each is defined here once, and decoding, encoding and JSON Schema come from the definition.

`tocsin.streams.wire.decode` reads events and labels from outside, `tocsin.streams.wire.encode` writes and reads back
Tocsin's own records, and `tocsin schema` prints JSON Schema, with the docstrings below the fields as descriptions. Keys
that a record does not know are left aside, so that producers may send more. JSON has no infinity: null stands for it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from tocsin.explain.explanation import Explanation, MatteringPost
from tocsin.models.data.times.reading import LATEST
from tocsin.streams.wire.kinds.judged import JudgedDecisions
from tocsin.streams.wire.kinds.link import Link
from tocsin.streams.wire.kinds.novelty import NovelGroup, NovelGroupsTelemetry
from tocsin.streams.wire.kinds.promise import PromiseTelemetry
from tocsin.streams.wire.kinds.scoring import ScoringTelemetry
from tocsin.streams.wire.kinds.shadow import ShadowTelemetry
from tocsin.streams.wire.values import MOST_WEIGHT

_STRING, _NUMBER = {"type": "string", "minLength": 1}, {"type": "number", "minimum": 0}
_INTEGER, _BOOLEAN, _NULL = {"type": "integer"}, {"type": "boolean"}, {"type": "null"}

# A field has its canonical type here. Where producers may write it in more ways, JSON Schema lists those under `anyOf`.
Time = Annotated[
    int, Meta(ge=0, le=LATEST, extra_json_schema={"anyOf": [_NUMBER, {"type": "string"}, _NULL], "default": None})
]
Name = Annotated[str, Meta(min_length=1, extra_json_schema={"anyOf": [_INTEGER, _STRING]})]
ClassLabel = Annotated[str, Meta(min_length=1, extra_json_schema={"anyOf": [_BOOLEAN, _INTEGER, _STRING]})]
EventId = Annotated[str, Meta(min_length=1, extra_json_schema={"anyOf": [_INTEGER, _STRING, _NULL], "default": None})]
Weight = Annotated[float, Meta(gt=0, le=MOST_WEIGHT)]

# These bounds are told to readers, and not checked when Tocsin reads its own record: a last bit may lie beyond them.
Share = Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": 1})]
Positive = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0})]
Count = Annotated[int, Meta(extra_json_schema={"minimum": 0})]

Scalar = bool | float | str | None
Figure = float | None
"""A number that may be infinite, for which null stands."""
Reason = Literal["uncertain", "conflict", "novel", "cold-start"]


class Event(Struct, frozen=True):
    """Something to classify. On the topic `events`, keyed by subject."""

    id: EventId
    """A missing id becomes `topic-partition-offset`."""
    subject: Name
    """Who or what it is about: account, user, thread, sensor."""
    time: Time
    """A missing time becomes that of the Kafka record."""
    features: dict[str, Scalar] = {}
    text: str | None = None


class Label(Struct, frozen=True, kw_only=True):
    """What turned out to be true of an event, or of a subject. On the topic `labels`."""

    event: Name | None = None
    """The id of the event that the label speaks of."""
    subject: Name | None = None
    """The subject it speaks of, where it names no event."""
    label: ClassLabel | None
    """Null takes back what the source said of the event, or the subject, before."""
    time: Time
    """A missing time becomes that of the Kafka record."""
    source: Name | None = None
    """Who says so; a second label of the same source for the same event is a duplicate."""
    weight: Weight | None = None
    features: dict[str, Scalar] | None = None
    """A label that brings the event's own features can be learnt from although the event is not known."""
    text: str | None = None

    @property
    def truth(self) -> str:
        """The class that it names; asked only of a label that takes nothing back."""
        assert self.label is not None
        return self.label


class ModelVersion(Struct, frozen=True, omit_defaults=True):
    """Which model decided, by which config: with the logs this is enough to build it again."""

    feedback_offset: Count
    """The next offset of the feedback log that the model would have learnt from."""
    config: str
    """The model digest: the hash of all settings that change what the model computes."""
    segment: str
    settings: str = ""
    """The config digest: the hash of the whole config, without secrets and without what each worker has of its own."""


class SubjectTextState(Struct, frozen=True, omit_defaults=True):
    """What one expert keeps of all that a subject wrote."""

    sums: list[float]
    """The weights of its n-grams, added up, by class: of those that count once, then of those summed post by post."""
    sketch: str
    """Which n-grams it had, a bit each, in base 85."""
    counts: list[int] = []
    reader: str = ""
    """The digest of the expert and the classes that this is of; with others it means nothing and is begun anew."""


class SubjectState(Struct, frozen=True, omit_defaults=True):
    """What a subject has accumulated so far: the last decision of a subject carries all its state."""

    posts: Count
    risk: dict[str, float]
    alerts: dict[str, int]
    """The classes for which an alert was raised, with its delay in posts."""
    time: int = 0
    """Of the latest post, epoch milliseconds."""
    faded: float = 0.0
    """Posts, each faded as what it added; 0 where nothing fades."""
    odds: dict[str, float] = {}
    """Policy `fused`: log odds by class, above those of a class of which nothing is known."""
    confirmed: dict[str, int] = {}
    """Policy `fused`: at how many posts the belief has stood at the threshold."""
    mattered: dict[str, list[MatteringPost]] = {}
    """By class, until its alert is raised: the posts that contributed most."""
    texts: dict[str, SubjectTextState] = field(default_factory=dict, name="threads")
    """What experts of whole subjects keep, by expert."""


Shed = Literal["explanations", "experts"]
"""What a worker gives up while it is too far behind; `experts` includes `explanations`."""


class Decision(Struct, frozen=True, omit_defaults=True):
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
    uncertainty: Share
    conflict: Share
    reason: Reason | None
    """Why it abstained."""
    set: list[str]
    """The classes that cannot be excluded at the configured error."""
    explanation: Explanation | None
    model: ModelVersion
    profiles: dict[str, Figure] | None = None
    """What profiles said of the event, by column; null for what they did not know. Only where there are any."""
    over_budget: Reason | UnsetType | None = UNSET
    """Why it would have gone to review, had `abstention.budget` not been spent; only where there is a budget."""
    priors: dict[str, float] | None = None
    """How much more frequent than usual each class is taken to be, where `prior_shift` found that this has moved."""
    traffic_ratio: float | None = None
    """How much denser all events of late lay around it than labelled ones did, as a logarithm; see `novelty_by`."""
    risk: SubjectState | None = None
    """Only where early risk is on."""
    alert: float | None = None
    """Only where the event raised an alert at a budget (`alert`): the probability that was asked for then."""
    shed: Shed | None = None
    """What the worker had given up, being too far behind; of `experts` those that hold `overload.share` were asked."""
    sealed: str | UnsetType = UNSET
    """Only where `erasure.enabled` is set: what quotes the event, in base 64. `tocsin explain` opens it."""
    chain: Link | None = None
    """Its place among all decisions on its partition of the events; null from an older worker. It stands last."""


class Context(Struct, frozen=True, omit_defaults=True):
    """What the model saw of an event and learns from: see `tocsin.streams.wire.packed.context`."""

    history: list[int]
    subject_label: int
    evidence: list[list[Figure]]
    betp: list[Figure]
    threshold: Figure
    """The conformal threshold that judged the event; null while there was none."""
    learnt: int
    limits: list[Figure] | None = None
    """The threshold of each class, where `abstention.per_class` gives each its own."""
    nonconformity: list[Figure] | None = None
    """How far it lay from what was labelled before, and how little support it found; only where abstention is on."""
    plain: list[Figure] | None = None
    """The probabilities before class priors were followed, where they were."""
    ratio: list[Figure] | None = None
    """How much more frequent than usual each class was taken to be, where class priors were followed."""


class Feedback(Struct, frozen=True):
    """A label that found its event. On the topic `feedback`, one partition, the only thing a model learns from."""

    event: Event
    label: str
    labelled_at: int
    """The label's time, epoch milliseconds."""
    delay: int
    """Milliseconds from the event's time to the label's; negative where clocks disagree."""
    source: str | None
    weight: Positive
    about: Literal["event", "subject"]
    contradicts: str | None
    """An earlier label of the same event that said otherwise."""
    decision: Decision | None
    """What was said of the event at its time, without the explanation; null where the event was never seen."""
    context: Context | None
    posts: list[str]
    """Earlier texts of the subject, where the label speaks of the subject."""
    place: list[int] | UnsetType = UNSET
    """Partition and offset of the label in its topic; missing in older records."""


class Alert(Struct, frozen=True, kw_only=True):
    """A class of interest found for a subject, said once, or in an event. On the topic `alerts`, keyed by subject."""

    kind: Literal["subject", "event"] = "subject"
    subject: str
    event: str | None = None
    """The event that it is about, or at which it was raised for the subject; null from an older worker."""
    class_: str = field(name="class")
    time: int
    delay: int | None
    """The number of the subject's posts read until the alert was raised; null of an event."""
    risk: float
    """Of an event the probability of the class."""
    explanation: Explanation | None
    sealed: str | UnsetType = UNSET
    """As in `Decision`."""


class Review(Struct, frozen=True):
    """What a person may want to look at: an abstention, or an event whose label is wanted soon. On the topic `review`,
    keyed by subject."""

    event: Event
    decision: Decision
    quick_within: int | UnsetType = UNSET
    """Only where a quick label is asked for (`abstention.quick_labels`): the answer is worth most before so many other
    labels have come. A later one is a label like any other."""
    novelty: NovelGroup | UnsetType = UNSET
    """Only of a novel event (`abstention.novel_groups`): its group, and whether a person is asked about that."""
    sealed: str | UnsetType = UNSET
    """Only where `erasure.enabled` is set: the event with its features and its text, and the decision, in base 64."""


class Restored(Struct, frozen=True):
    """How a worker came by its model when it started."""

    seconds: float
    """From the first look for a snapshot until all feedback of that time was learnt, without compiling kernels."""
    snapshot: Literal["local", "shared"] | None
    """Where the snapshot came from that it went on from; null where it folded the feedback from its beginning."""
    offset: int
    """The feedback offset of that snapshot, else 0."""
    folded: int
    """Feedback records that it learnt after that."""


class PartitionRestored(Struct, frozen=True):
    """How a worker took a partition of the events over."""

    seconds: float
    pending: int
    """Pending events that were read back from the logs."""


class RuleTelemetry(Struct, frozen=True):
    """How one declared rule fares, as `tocsin.models.experts.base.RuleStanding` has it."""

    confidence: float
    precision: float
    events: float
    turned_bad: bool


class ExpertTelemetry(Struct, frozen=True):
    """How one expert of a model fares, null where nothing is known yet. A retired one neither scores nor learns."""

    state: Literal["active", "retired"] = "active"
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
    rules: dict[str, RuleTelemetry] = {}


class BatchSeconds(Struct, frozen=True):
    """A histogram of the seconds from poll to commit of the batches that held events."""

    at_most: dict[str, int]
    """How many batches took at most so many seconds, by that number ("0.001", ..., "+Inf")."""
    total: float
    """The seconds of all of them, added up."""


class Telemetry(Struct, frozen=True, kw_only=True):
    """What a worker did since it started. On the topic `telemetry`, keyed by worker."""

    service: str
    worker: str
    time: int
    started_at: int
    feedback_offset: int
    config: str = ""
    """The model digest, as `model.config` of decisions; empty from an older worker."""
    backend: str
    scoring: ScoringTelemetry | None = None
    """Where events are scored; null from an older worker."""
    counts: dict[str, int]
    """Totals since the start: events, decided, abstained, ..."""
    reasons: dict[str, int]
    """Abstentions by reason."""
    dead_letters: dict[str, int]
    """Dead letters by kind."""
    labels: dict[str, int]
    """Labels by outcome."""
    lost: dict[str, int] = {}
    """Records that were deleted before they were read, by topic."""
    passed_over: dict[str, int] = {}
    """What the config has no use for in the feedback, by reason: `unknown-class`, `too-many-classes`, `unfit-value`."""
    classes: dict[str, int]
    """Decisions by class."""
    judged: JudgedDecisions | None = None
    """How decisions stand whose labels have come; null from an older worker."""
    experts: dict[str, ExpertTelemetry]
    left_out: list[str] = []
    """Columns that tell nothing of the class, so that whatever standardises its inputs leaves them out."""
    engaged: float | None = None
    """How many experts were engaged for an event of the latest batch, on average; null before there was one."""
    traffic: dict[str, float] = {}
    """By `novelty_by: traffic`: `speaks`, the share of partitions where enough is known; `labelled`, that of events."""
    novel_groups: NovelGroupsTelemetry | None = None
    """Its groups of novel events; null where these are not grouped, or from an older worker."""
    threshold: float | None
    alpha: float
    promise: PromiseTelemetry | None = None
    """How the promise on errors stands; null where none is made (`abstention.controls`), or from an older worker."""
    latency_ms: dict[str, float]
    """Milliseconds from poll to commit of a batch: p50, p99 and max of the latest batches."""
    batch_seconds: BatchSeconds | None = None
    """The same of all batches since the start, as a histogram; null from an older worker."""
    pending: int
    """Events that wait for their first label. Older workers counted the labelled ones here, too."""
    labelled: int | None = None
    """Events that have a label, and are kept because another one may come; null from an older worker."""
    waiting: int
    """Labels that wait for their event."""
    lag: dict[str, int] = {}
    """Records that the worker has not read yet, by topic."""
    partition_lag: dict[str, dict[str, int]] = {}
    """The same by topic and partition; empty from an older worker."""
    stalled: dict[str, dict[str, float]] = {}
    """By topic and partition, seconds without an advance although records are to be read: from `stalled_seconds` on."""
    behind_seconds: float = 0.0
    """About how long the worker needs to work off what waits for it, if nothing more comes."""
    shed: Shed | None = None
    """What the worker has given up because it is too far behind; null where it does all."""
    snapshot_offset: int | None = None
    """The feedback offset of the last snapshot of the model; null where there is none, or from an older worker."""
    snapshot_sha256: str | None = None
    """The SHA-256 of the arrays of that snapshot: workers of one `config` have the same at one offset."""
    restored: Restored | None = None
    """How the worker came by its model; null from an older worker."""
    partitions_restored: dict[str, PartitionRestored] = {}
    """By its number, how each partition of the events that is assigned to the worker now was taken over."""
    shadow: ShadowTelemetry | None = None
    """The two configs of the worker and how they compare; null without a shadow, or from an older worker."""
