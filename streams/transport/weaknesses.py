"""What of the topics that exist is too weak for what the service keeps in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin._config import ConfigResource

from tocsin.config.kafka import RECORD_LIMIT, Role
from tocsin.config.settings import Settings
from tocsin.streams.transport import faults
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.terms import Terms
from tocsin.streams.transport.topics import IN_SYNC, KEYS_ARE_GONE, SAFE_COPIES, unused_topics, wanted_topics

_ANSWER_SECONDS = 10.0
_KEPT: tuple[Role, ...] = ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "keys")
"""Topics whose records nobody can make again."""
_REASONS = {
    "replication": "records are lost with one broker",
    IN_SYNC: "an acknowledged record may have one copy",
    "unclean.leader.election.enable": "acknowledged records may be dropped",
    "cleanup.policy": "records are deleted that are still needed",
    "retention.ms": "records expire that are still needed",
    "segment.ms": "deleted keys stay on the broker's disks",
    "max.compaction.lag.ms": "deleted keys stay on the broker's disks",
    "retention.bytes": "records are deleted that are still needed",
    RECORD_LIMIT: "larger records are shortened",
}


class Weakness(NamedTuple):
    """One option of one topic that is not as it should be."""

    topic: str
    option: str
    value: str
    wanted: str

    def __str__(self) -> str:
        reason = f" ({why})" if (why := _REASONS.get(self.option)) else ""
        return f"topic {self.topic}: {self.option} is {self.value}, wanted {self.wanted}{reason}"


class _Topic(NamedTuple):
    """What the broker says of a topic."""

    copies: int
    partitions: int
    options: dict[str, str] | None
    """None where it does not tell them."""


def weaknesses(settings: Settings) -> list[Weakness]:
    """What is too weak, in the order of an event's way through the topics; topics that are missing are left out.

    Raises TransportError.
    """
    connection = Connection(settings.kafka, "tocsin-topics", Terms(_ANSWER_SECONDS))
    try:
        connection.partitions([])
        unused = unused_topics(settings)
        found = _describe(connection, tuple(name for name in settings.topics.names() if name not in unused))
        wanted_copies = min(SAFE_COPIES, _brokers(connection))
    finally:
        connection.close()
    return [
        weakness
        for role, name in settings.topics.by_role().items()
        if name in found
        for weakness in _of_topic(settings, role, name, found[name], wanted_copies)
    ]


def _of_topic(settings: Settings, role: Role, name: str, topic: _Topic, copies: int) -> Iterator[Weakness]:
    wanted = wanted_topics(settings)[name].options
    if role == "feedback" and topic.partitions != 1:
        yield Weakness(name, "partitions", str(topic.partitions), "1")
    if role in _KEPT and topic.copies < copies:
        yield Weakness(name, "replication", str(topic.copies), f"{copies} or more")
    if topic.options is None:
        yield Weakness(name, "every option", "not known", "DescribeConfigs on the topic")
        return
    yield from _kept_less(role, name, topic, wanted)
    for option, value in settings.topics.options.get(role, {}).items():
        # What the config asks for counts when a topic is made; one that exists may differ.
        known = topic.options.get(option)
        if known != value and option not in ("retention.ms", "retention.bytes", RECORD_LIMIT, IN_SYNC):
            yield Weakness(name, option, known or "unknown to the broker", value)


def _kept_less(role: Role, name: str, topic: _Topic, wanted: dict[str, str]) -> Iterator[Weakness]:
    options = topic.options or {}

    def value(option: str, default: str) -> str:
        return options.get(option, default)

    if role in _KEPT:
        in_sync = value(IN_SYNC, "2")
        if topic.copies >= SAFE_COPIES and int(in_sync) < int(wanted.get(IN_SYNC, "2")):
            yield Weakness(name, IN_SYNC, in_sync, wanted.get(IN_SYNC, "2"))
        if value("unclean.leader.election.enable", "false") == "true":
            yield Weakness(name, "unclean.leader.election.enable", "true", "false")
        if role != "keys" and "compact" in (policy := value("cleanup.policy", "delete")):
            yield Weakness(name, "cleanup.policy", policy, "delete")
        if (size := value("retention.bytes", "-1")) != "-1":
            yield Weakness(name, "retention.bytes", size, "-1")
    if role in ("snapshots", "keys") and "compact" not in (policy := value("cleanup.policy", "delete")):
        yield Weakness(name, "cleanup.policy", policy, "compact")
    if role == "keys":
        for option, most in KEYS_ARE_GONE.items():
            if option in options and float(options[option]) > float(wanted.get(option, most)):
                yield Weakness(name, option, options[option], f"{wanted.get(option, most)} or less")
    for option in ("retention.ms", RECORD_LIMIT):
        if option in wanted and option in options and _less(options[option], wanted[option]):
            more = "" if wanted[option] == "-1" else " or more"
            yield Weakness(name, option, options[option], wanted[option] + more)


def _less(value: str, wanted: str) -> bool:
    """Whether a number is less than what is wanted, where -1 means without end."""
    return value != "-1" and (wanted == "-1" or int(value) < int(wanted))


def _describe(connection: Connection, names: tuple[str, ...]) -> dict[str, _Topic]:
    """What the broker says of those topics that exist."""
    options = _options(connection, names)
    topics = connection.admin.describe_topics(TopicCollection(list(names)), request_timeout=_ANSWER_SECONDS)
    found = {}
    for name, answer in topics.items():
        try:
            partitions = answer.result(_ANSWER_SECONDS + 1).partitions
        except KafkaException as error:
            if error.args[0].code() in faults.MISSING:
                continue
            raise connection.error(f"topic {name!r} cannot be described", error.args[0]) from error
        copies = min((len(partition.replicas) for partition in partitions), default=0)
        found[name] = _Topic(copies, len(partitions), options[name])
    return found


def _options(connection: Connection, names: tuple[str, ...]) -> dict[str, dict[str, str] | None]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    asked = connection.admin.describe_configs(resources, request_timeout=_ANSWER_SECONDS)
    options: dict[str, dict[str, str] | None] = {}
    for resource, answer in asked.items():
        try:
            entries = answer.result(_ANSWER_SECONDS + 1)
            options[resource.name] = {name: entry.value for name, entry in entries.items() if entry.value is not None}
        except KafkaException as error:
            found: KafkaError = error.args[0]
            if found.code() in faults.AWAY:
                raise connection.error("the options of the topics are not known", found) from error
            options[resource.name] = None
    return options


def _brokers(connection: Connection) -> int:
    """How many brokers there are."""
    ask = partial(connection.admin.list_topics, timeout=5)
    return len(connection.retry("the broker did not answer", ask, _ANSWER_SECONDS).brokers)
