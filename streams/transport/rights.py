"""The rights that a user needs on the broker, and which of them are missing.

The broker itself says what the user may do with each topic and group; docs/operations.md lists the rights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

from tocsin.config.kafka import KafkaSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.terms import Terms

_ANSWER_SECONDS = 10.0
_NAMES = {
    AclOperation.READ: "Read",
    AclOperation.WRITE: "Write",
    AclOperation.DELETE: "Delete",
    AclOperation.DESCRIBE: "Describe",
    AclOperation.DESCRIBE_CONFIGS: "DescribeConfigs",
}


class Needs(NamedTuple):
    """What a program does with the broker."""

    topics: Mapping[str, Sequence[AclOperation]]
    group: str
    group_operation: AclOperation


class _Described(Protocol):
    """What the broker says of a topic or a group."""

    authorized_operations: list[AclOperation] | None


def of_worker(settings: Settings) -> Needs:
    """What `tocsin run` does. It can do without DescribeConfigs, and then assumes how large records may be."""
    topics = settings.topics
    read, write = AclOperation.READ, AclOperation.WRITE
    operations = {name: [write] for name in topics.names()}
    operations |= {topics.events: [read], topics.labels: [read]}
    operations |= {topics.feedback: [read, write], topics.decisions: [read, write]}
    if settings.erasure.enabled:
        operations[topics.keys] = [read, write]
    else:
        del operations[topics.keys]
    if settings.state.snapshots is None:
        del operations[topics.snapshots]
    else:
        operations[topics.snapshots] = [read, write]
    if settings.feedback.keep is not None:
        operations[topics.feedback] = [read, write, AclOperation.DELETE]
    return Needs(operations, settings.group, read)


def of_monitor(settings: Settings, group: str) -> Needs:
    """What `tocsin monitor` does, with the name of its group."""
    topics = settings.topics
    read = (topics.telemetry, topics.decisions, topics.dead_letters)
    return Needs({name: [AclOperation.READ] for name in read}, group, AclOperation.DESCRIBE)


def require(kafka: KafkaSettings, needs: Needs) -> None:
    """Raise TransportError where a right is missing; the one line of its message names all that are.

    Topics that do not exist are passed over, and so is everything of which the broker does not tell.
    """
    lacking = missing(kafka, needs)
    if lacking:
        raise TransportError(f"{principal(kafka)} lacks {', '.join(lacking)} {where(kafka)}")


def missing(kafka: KafkaSettings, needs: Needs) -> list[str]:
    """The missing rights, each as "Read on topic 'events'". Raises TransportError."""
    connection = Connection(kafka, "tocsin-rights", Terms(_ANSWER_SECONDS))
    try:
        connection.partitions([])  # which says clearly what is wrong with the broker or the credentials
        return [*_of_topics(connection, needs), *_of_group(connection, needs)]
    finally:
        connection.close()


def principal(kafka: KafkaSettings) -> str:
    """Whom the broker knows this client as, as far as the settings tell."""
    security = kafka.security
    if security.protocol.startswith("sasl"):
        return f"User:{security.username}"
    if security.certificate is not None:
        return f"the user of certificate {security.certificate}"
    return "the anonymous user"


def where(kafka: KafkaSettings) -> str:
    """The end of a message about rights."""
    return f"[broker {kafka.bootstrap}; see kafka.security and Rights in docs/operations.md]"


def _of_topics(connection: Connection, needs: Needs) -> Iterable[str]:
    def ask(admin: AdminClient, names: Sequence[str]) -> dict[str, Future[_Described]]:
        return dict(
            admin.describe_topics(
                TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_ANSWER_SECONDS
            )
        )

    for topic, found in _answers(connection, list(needs.topics), ask).items():
        allowed: Sequence[AclOperation] | None
        if isinstance(found, KafkaError):
            allowed = [] if found.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else None
        else:
            allowed = found.authorized_operations or None
        for operation in needs.topics[topic]:
            if allowed is not None and operation not in allowed:
                yield f"{_NAMES[operation]} on topic {topic!r}"


def _of_group(connection: Connection, needs: Needs) -> Iterable[str]:
    def ask(admin: AdminClient, names: Sequence[str]) -> dict[str, Future[_Described]]:
        return dict(
            admin.describe_consumer_groups(
                list(names), include_authorized_operations=True, request_timeout=_ANSWER_SECONDS
            )
        )

    found = _answers(connection, [needs.group], ask)[needs.group]
    said = f"{_NAMES[needs.group_operation]} on group {needs.group!r}"
    if isinstance(found, KafkaError):
        if found.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            yield said
    elif found.authorized_operations and needs.group_operation not in found.authorized_operations:
        yield said


def _answers(
    connection: Connection,
    names: Sequence[str],
    ask: Callable[[AdminClient, Sequence[str]], dict[str, Future[_Described]]],
) -> dict[str, _Described | KafkaError]:
    """What the broker says of each name, or its error. What passes is asked again. Raises TransportError."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    answers: dict[str, _Described | KafkaError] = {}
    left = list(names)
    while left:
        for name, answer in ask(connection.admin, left).items():
            try:
                answers[name] = answer.result(_ANSWER_SECONDS + 1)
            except KafkaException as error:
                answers[name] = error.args[0]
        left = [name for name in left if _passes(answers[name])]
        if left and time.monotonic() > deadline:
            found = answers[left[0]]
            assert isinstance(found, KafkaError)
            raise connection.error(f"the rights on {left[0]!r} are not known", found)
        if left:
            time.sleep(0.2)
    return answers


def _passes(answer: _Described | KafkaError) -> bool:
    return (
        isinstance(answer, KafkaError)
        and (answer.code() in faults.PASSING or answer.retriable())
        and (answer.code() not in faults.MISSING)
    )
