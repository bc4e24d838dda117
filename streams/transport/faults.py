"""What librdkafka's errors mean: which of them pass, which never will, and which setting has to do with each."""

from __future__ import annotations

from confluent_kafka import KafkaError

from tocsin.streams.transport.base import BrokerAwayError, PartitionLostError, TransportError

LOST = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
    }
)
"""The partitions of this member may belong to another one by now."""
REPLACED = frozenset({KafkaError.FENCED_INSTANCE_ID})
"""Another process has taken this member's place in the group, `kafka.instance`. This one must not take it back."""
REBALANCING = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.STALE_MEMBER_EPOCH,
    }
)
"""Those that also come while the group divides its partitions anew and this member keeps its own."""
PASSING = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
"""These may succeed when they are tried again."""
AWAY = PASSING - {KafkaError._MAX_POLL_EXCEEDED} | {KafkaError._MSG_TIMED_OUT}
"""The broker does not answer, or not yet."""
MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
"""A topic or partition that is not there."""
REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._SSL,
    }
)
"""The broker rejects the credentials or certificates; another try changes nothing."""
FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The user lacks a permission."""
FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
"""Another producer has the transactional id by now, or the time of the transaction was over."""
UNSUPPORTED = frozenset({KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION})
"""The broker has no transactions."""
PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
"""The transaction of a record has failed. The next call of the producer says why, and cannot commit it."""
NEVER = FORBIDDEN | MISSING | REFUSED | {KafkaError.MSG_SIZE_TOO_LARGE}
"""A record that was not delivered for such a reason is not delivered in another transaction either."""


def error(doing: str, found: KafkaError, bootstrap: str) -> TransportError:
    """The exception to raise for an error that came while `doing` something with the broker at `bootstrap`."""
    if found.code() in REPLACED:
        doing = f"another process has taken this worker's place in the group, so this one must end: {doing}"
    kind = PartitionLostError if found.code() in LOST else BrokerAwayError if found.code() in AWAY else TransportError
    return kind(f"{doing}: {found.str()} ({found.name()}) {where(bootstrap, setting(found.code()))}")


def where(bootstrap: str, named: str = "kafka.bootstrap") -> str:
    """The end of every message: which broker, and which setting to look at."""
    variable = "TOCSIN_" + named.upper().replace(".", "__")
    return f"[broker {bootstrap}; see {named}, {variable}]"


def setting(code: int) -> str:
    """The setting that most likely has to do with an error."""
    if code in REPLACED:
        return "kafka.instance"
    if code in MISSING:
        return "topics"
    if code in REFUSED or code in FORBIDDEN:
        return "kafka.security"
    if code == KafkaError.INCONSISTENT_GROUP_PROTOCOL:
        return "kafka.assignor"
    if code in UNSUPPORTED:
        return "kafka.guarantee"
    if code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
        return "kafka.transaction_timeout_ms"
    if code == KafkaError._MSG_TIMED_OUT:
        return "kafka.delivery_timeout_ms"
    return "kafka.bootstrap"
