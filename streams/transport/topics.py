"""The topics themselves: which are missing, making them, and what is in them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, for_code

from tocsin.config.kafka import KafkaSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.security import admin_options

_HOUR = 3_600_000
"""Milliseconds."""
_ANSWER_SECONDS = 10.0
_ATTEMPTS = 5

_EXISTS = 36
_PASSING = frozenset({7, 15, 41})
"""Error codes that pass: the request timed out, no coordinator yet, not the controller (any more)."""
_HINTS = {
    29: "the user may not create topics: see kafka.security, or have them created",
    31: "the user may not create topics: see kafka.security, or have them created",
    38: "fewer brokers than replicas: see topics.replication (TOCSIN_TOPICS__REPLICATION)",
    17: "see the names in topics",
}

Outcome = Literal["created", "exists"]


class TopicRow(NamedTuple):
    """What is known of one topic; `messages` is None where the broker did not say."""

    topic: str
    partitions: int
    replication: int
    messages: int | None


def create(settings: Settings) -> list[tuple[str, Outcome]]:
    """Make the topics that are missing; those that exist stay as they are.

    Raises LogError where the broker cannot be reached or refuses, and where `feedback` exists with more than
    one partition: only one order can teach the model.
    """
    wanted = {name: _options(settings, name) for name in settings.topics.names()}
    with _admin(settings.kafka) as admin:
        outcomes = _create(admin, wanted, settings.kafka)
        feedback = settings.topics.feedback
        if (count := len(_details(admin, [feedback])[0]["partitions"])) != 1:
            raise TransportError(
                f"topic {feedback!r} has {count} partitions and needs exactly one: delete it, "
                "or name another in topics.feedback (TOCSIN_TOPICS__FEEDBACK)"
            )
    return [(name, outcomes[name]) for name in wanted]


def missing(settings: Settings) -> list[str]:
    """The topics that do not exist, in the order of an event's way through them. Raises LogError."""
    with _admin(settings.kafka) as admin:
        there = set(admin.list_topics())
    return [name for name in settings.topics.names() if name not in there]


def describe(settings: Settings) -> list[TopicRow]:
    """The service's topics that exist. Raises LogError."""
    with _admin(settings.kafka) as admin:
        there = set(admin.list_topics())
        names = [name for name in settings.topics.names() if name in there]
        details = _details(admin, names)
        starts = _starts(admin, details)
    ends = _ends(settings, names)
    return [
        TopicRow(
            topic=detail["name"],
            partitions=len(detail["partitions"]),
            replication=max((len(p["replica_nodes"]) for p in detail["partitions"]), default=0),
            messages=None if starts is None else ends[detail["name"]] - starts[detail["name"]],
        )
        for detail in details
    ]


def _options(settings: Settings, name: str) -> dict[str, Any]:
    """Partitions, replication and configuration of a topic; Tansu ignores the latter."""
    topics = settings.topics
    configs = {
        # The model is a fold over the whole of it: once a record expires, nobody can rebuild the model.
        topics.feedback: {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str(4 << 20)},
        # Events that wait for their label are found again here.
        topics.events: {"retention.ms": str(int((settings.bounds.pending_ttl_hours + 24) * _HOUR))},
        # A subject's state is its last decision.
        topics.decisions: {"retention.ms": str(90 * 24 * _HOUR)},
        # The original bytes, and why they lie here.
        topics.dead_letters: {"max.message.bytes": str(4 << 20)},
    }
    return {
        "num_partitions": 1 if name == topics.feedback else topics.partitions,
        "replication_factor": topics.replication,
        "configs": configs.get(name, {}),
    }


def _create(admin: KafkaAdminClient, wanted: dict[str, Any], kafka: KafkaSettings) -> dict[str, Outcome]:
    there = set(admin.list_topics())
    outcomes: dict[str, Outcome] = {name: "exists" for name in wanted if name in there}
    left = {name: options for name, options in wanted.items() if name not in there}
    for attempt in range(_ATTEMPTS):
        if not left:
            break
        answers = admin.create_topics(left, raise_errors=False)["topics"]
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
    # Made is not yet known everywhere, and whoever asked wants to use them now.
    admin.wait_for_topics([name for name, outcome in outcomes.items() if outcome == "created"])
    return outcomes


def _refusal(name: str, code: int, message: str | None, kafka: KafkaSettings) -> str:
    reason = message or for_code(code).__name__
    hint = f"; {_HINTS[code]}" if code in _HINTS else ""
    return f"topic {name!r} was not created by broker {kafka.bootstrap}: {reason}{hint}"


def _details(admin: KafkaAdminClient, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the broker says of the topics, in their order."""
    found = {detail["name"]: detail for detail in admin.describe_topics(list(names))} if names else {}
    return [found[name] for name in names]


def _starts(admin: KafkaAdminClient, details: Sequence[dict[str, Any]]) -> dict[str, int] | None:
    """The sum of each topic's first offsets; None where the broker does not tell."""
    specs = {
        TopicPartition(d["name"], p["partition_index"]): OffsetSpec.EARLIEST for d in details for p in d["partitions"]
    }
    starts = {d["name"]: 0 for d in details}
    try:
        for partition, found in admin.list_partition_offsets(specs).items() if specs else ():
            starts[partition.topic] += max(found.offset, 0)
    except KafkaError:
        return None
    return starts


def _ends(settings: Settings, names: Sequence[str]) -> dict[str, int]:
    log = KafkaTransport(settings.kafka, group=settings.group)
    try:
        return {name: sum(log.end_offsets(name).values()) for name in names}
    finally:
        log.close()


@contextmanager
def _admin(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """An administration client, ended at the end; its errors become LogErrors that say where to look."""
    # kafka-python says little where it cannot connect: librdkafka goes first.
    KafkaTransport(kafka, group="tocsin-topics", patience=_ANSWER_SECONDS).close()
    where = f"broker {kafka.bootstrap} (kafka.bootstrap, or TOCSIN_KAFKA__BOOTSTRAP)"
    try:
        admin = KafkaAdminClient(client_id="tocsin-topics", **admin_options(kafka))
    except (KafkaError, OSError) as error:
        raise TransportError(f"cannot administer {where}: {error}") from error
    try:
        yield admin
    except KafkaError as error:
        raise TransportError(f"{where} failed: {error}") from error
    finally:
        admin.close()
