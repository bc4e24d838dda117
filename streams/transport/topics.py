"""The topics of a service: which are missing, creating them, and how much each holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, for_code

from tocsin.config.kafka import RECORD_LIMIT, KafkaSettings, Role, TopicsSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport import rights
from tocsin.streams.transport.base import BrokerAwayError, TransportError
from tocsin.streams.transport.kafka import KafkaTransport, Terms
from tocsin.streams.transport.security import admin_options

_HOUR = 3_600_000
"""Milliseconds."""
_ANSWER_SECONDS = 10.0
_ATTEMPTS = 5

_EXISTS = 36
_FORBIDDEN = frozenset({29, 31})
"""Error codes: the user may not create this topic, or topics at all."""
_PASSING = frozenset({7, 15, 41})
"""Error codes that pass: the request timed out, there is no coordinator yet, the broker asked is not the controller."""
_HINTS = {
    40: "see topics.options (TOCSIN_TOPICS__OPTIONS)",
    38: "fewer brokers than replicas: see topics.replication (TOCSIN_TOPICS__REPLICATION)",
    17: "see the names in topics",
}

SAFE_COPIES = 3
"""With so many copies of a partition, one broker may be away without a record being lost or refused."""
IN_SYNC = "min.insync.replicas"
_LARGE = str(4 << 20)

ONE_PARTITION: tuple[Role, ...] = ("feedback", "snapshots", "configs", "keys")
"""Topics of one partition: their records have one order."""

KEYS_ARE_GONE = {
    "segment.ms": "3600000",
    "max.compaction.lag.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "86400000",
}
"""Of the topic of keys: a segment is closed after an hour, and compacted within another one, so that what was deleted
is gone from the broker's disks soon after."""

Outcome = Literal["created", "exists"]


class NewTopic(NamedTuple):
    """How a topic is created."""

    partitions: int
    replication: int
    """-1 for the broker's default."""
    options: dict[str, str]
    """Kafka's options of the topic; Tansu ignores most."""


class _Topic(NamedTuple):
    """One topic as the broker describes it."""

    name: str
    partitions: tuple[int, ...]
    """Their numbers."""
    replication: int


class TopicRow(NamedTuple):
    """One topic as `tocsin topics describe` shows it; `messages` is None where the broker did not say."""

    topic: str
    partitions: int
    replication: int
    messages: int | None


def create(settings: Settings, unused: bool = True) -> list[tuple[str, Outcome]]:
    """Create the topics that are missing; those that exist stay as they are.

    Where `unused` is false, those that this config has no use for are left out.

    Raises TransportError where the broker cannot be reached or refuses, and where `feedback` exists with more than
    one partition, because the order of its records is the order in which every worker learns.
    """
    wanted = wanted_topics(settings)
    if not unused:
        for name in unused_topics(settings):
            del wanted[name]
    with _admin(settings.kafka) as admin:
        outcomes = _create(admin, wanted, settings.kafka)
        feedback = settings.topics.feedback
        if (count := len(_describe(admin, [feedback])[0].partitions)) != 1:
            raise TransportError(
                f"topic {feedback!r} has {count} partitions and needs exactly one: delete it, "
                "or name another in topics.feedback (TOCSIN_TOPICS__FEEDBACK)"
            )
    return [(name, outcomes[name]) for name in wanted]


def missing(settings: Settings) -> list[str]:
    """The topics that a worker uses and that do not exist, in the order of an event's way. Raises TransportError."""
    with _admin(settings.kafka) as admin:
        there = set(admin.list_topics())
    unused = unused_topics(settings)
    return [name for name in settings.topics.names() if name not in there and name not in unused]


def describe(settings: Settings) -> list[TopicRow]:
    """The service's topics that exist. Raises TransportError."""
    with _admin(settings.kafka) as admin:
        there = set(admin.list_topics())
        names = [name for name in settings.topics.names() if name in there]
        topics = _describe(admin, names)
        starts = _start_offsets(admin, topics)
    ends = _end_offsets(settings, names)
    return [
        TopicRow(
            topic=topic.name,
            partitions=len(topic.partitions),
            replication=topic.replication,
            messages=None if starts is None else ends[topic.name] - starts[topic.name],
        )
        for topic in topics
    ]


def unused_topics(settings: Settings) -> frozenset[str]:
    """The topics that a config has no use for: that of snapshots where none are shared, of keys where nothing is
    sealed."""
    names = {settings.topics.snapshots} if settings.state.snapshots is None else set()
    return frozenset(names if settings.erasure.enabled else {*names, settings.topics.keys})


def wanted_topics(settings: Settings) -> dict[str, NewTopic]:
    """By name, how each topic of a service is created."""
    topics, hours = settings.topics, settings.bounds.pending_ttl_hours + 24
    # Events that wait for their label are found again here, and what speaks of events is kept as long as they are.
    as_events = {"retention.ms": str(int(hours * _HOUR))}
    options: dict[Role, dict[str, str]] = {
        "events": as_events,
        "labels": as_events,
        # A worker builds its model from all of its records: once one expires, nobody can build the model again.
        "feedback": {"retention.ms": "-1", "retention.bytes": "-1", RECORD_LIMIT: _LARGE},
        # The state of a subject is read from its last decision.
        "decisions": {"retention.ms": str(int(max(90 * 24, hours) * _HOUR))},
        "alerts": as_events,
        "review": as_events,
        # A dead letter holds the original bytes, and headers that give the reason.
        "dead_letters": as_events | {RECORD_LIMIT: _LARGE},
        "telemetry": {},
        # The last record of a model points at its snapshots, however old it is.
        "snapshots": {"cleanup.policy": "compact"},
        # A decision names the config that made it by the key.
        "configs": {"cleanup.policy": "compact"},
        "shadow": as_events,
        # A key that is deleted is to be gone soon: what is compacted must be no longer the segment that is written.
        "keys": {"cleanup.policy": "compact", **KEYS_ARE_GONE},
    }
    replication = -1 if topics.replication is None else topics.replication
    return {
        name: NewTopic(
            1 if role in ONE_PARTITION else topics.partitions,
            replication,
            options[role] | topics.options.get(role, {}),
        )
        for role, name in topics.by_role().items()
    }


def configured_limits(topics: TopicsSettings) -> dict[str, int]:
    """By topic, the most bytes of a record, where the settings say it."""
    limits = {name: topics.options.get(role, {}).get(RECORD_LIMIT) for role, name in topics.by_role().items()}
    return {name: int(limit) for name, limit in limits.items() if limit is not None}


def _create(admin: KafkaAdminClient, wanted: dict[str, NewTopic], kafka: KafkaSettings) -> dict[str, Outcome]:
    there = set(admin.list_topics())
    outcomes: dict[str, Outcome] = {name: "exists" for name in wanted if name in there}
    missing = {name: new for name, new in wanted.items() if name not in there}
    left = {name: _request(new, {}) for name, new in missing.items()}
    if left and _copies(admin, left) >= SAFE_COPIES:
        left = {name: _request(new, {IN_SYNC: "2"}) for name, new in missing.items()}
    for attempt in range(_ATTEMPTS):
        if not left:
            break
        answers = admin.create_topics(left, raise_errors=False)["topics"]
        if forbidden := [answer["name"] for answer in answers if answer["error_code"] in _FORBIDDEN]:
            lacking = ", ".join(f"Create on topic {name!r}" for name in sorted(forbidden))
            remedy = "have the topics created by somebody who may, and set topics.create: false"
            raise TransportError(f"{rights.principal(kafka)} lacks {lacking}: {remedy} {rights.where(kafka)}")
        for answer in answers:
            name, code = answer["name"], answer["error_code"]
            if code in _PASSING and attempt < _ATTEMPTS - 1:
                continue
            if code not in (0, _EXISTS):
                raise TransportError(_refusal(name, code, answer.get("error_message"), kafka))
            outcomes[name] = "exists" if code == _EXISTS else "created"
            del left[name]
        if left:
            time.sleep(0.5)
    # Other brokers may not know the new topics yet, and the caller is about to use them.
    admin.wait_for_topics([name for name, outcome in outcomes.items() if outcome == "created"])
    return outcomes


def _request(new: NewTopic, defaults: dict[str, str]) -> dict[str, Any]:
    """A topic as kafka-python is asked to create it."""
    return {
        "num_partitions": new.partitions,
        "replication_factor": new.replication,
        "configs": defaults | new.options,
    }


def _copies(admin: KafkaAdminClient, topics: dict[str, dict[str, Any]]) -> int:
    """How many copies the broker would make of each partition of new topics; 0 where it does not tell."""
    if len(admin.describe_cluster()["brokers"]) < SAFE_COPIES:
        return 0
    tried = admin.create_topics(topics, raise_errors=False, validate_only=True)["topics"]
    return min((topic.get("replication_factor", 0) for topic in tried), default=0)


def _refusal(name: str, code: int, message: str | None, kafka: KafkaSettings) -> str:
    reason = message or for_code(code).__name__
    hint = f"; {_HINTS[code]}" if code in _HINTS else ""
    return f"topic {name!r} was not created by broker {kafka.bootstrap}: {reason}{hint}"


def _describe(admin: KafkaAdminClient, names: Sequence[str]) -> list[_Topic]:
    """What the broker says of the topics, in the order of their names here."""
    found = {detail["name"]: detail["partitions"] for detail in admin.describe_topics(list(names))} if names else {}
    return [
        _Topic(
            name,
            tuple(p["partition_index"] for p in found[name]),
            max((len(p["replica_nodes"]) for p in found[name]), default=0),
        )
        for name in names
    ]


def _start_offsets(admin: KafkaAdminClient, topics: Sequence[_Topic]) -> dict[str, int] | None:
    """By topic, the sum of the first offsets of its partitions; None where the broker does not say."""
    asked = {TopicPartition(topic.name, index): OffsetSpec.EARLIEST for topic in topics for index in topic.partitions}
    starts = {topic.name: 0 for topic in topics}
    try:
        for partition, found in admin.list_partition_offsets(asked).items() if asked else ():
            starts[partition.topic] += max(found.offset, 0)
    except KafkaError:
        return None
    return starts


def _end_offsets(settings: Settings, names: Sequence[str]) -> dict[str, int]:
    """By topic, the sum of the end offsets of its partitions."""
    transport = KafkaTransport(settings.kafka, group=settings.group)
    try:
        return {name: sum(transport.end_offsets(name).values()) for name in names}
    finally:
        transport.close()


@contextmanager
def _admin(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """An administration client, closed at the end; its errors become TransportErrors that say where to look."""
    # librdkafka connects first, because kafka-python says little about why it cannot.
    KafkaTransport(kafka, group="tocsin-topics", terms=Terms(_ANSWER_SECONDS)).close()
    where = f"broker {kafka.bootstrap} (kafka.bootstrap, or TOCSIN_KAFKA__BOOTSTRAP)"
    try:
        admin = KafkaAdminClient(client_id="tocsin-topics", **admin_options(kafka))
    except (KafkaError, OSError) as error:
        raise BrokerAwayError(f"cannot administer {where}: {error}") from error
    try:
        yield admin
    except KafkaError as error:
        kind = BrokerAwayError if error.retriable else TransportError
        raise kind(f"{where} failed: {error}") from error
    finally:
        admin.close()
