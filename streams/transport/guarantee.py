"""Which guarantee a worker gives on its broker: exactly-once where there are transactions, else at-least-once."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaException
from confluent_kafka.admin._config import ConfigResource

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.terms import Terms

_log = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0


def is_exactly_once(settings: KafkaSettings) -> bool:
    """Whether a worker writes in transactions.

    Raises TransportError where `kafka.guarantee` asks for exactly-once and the broker cannot give it, or where the
    broker does not answer. Where nothing is asked for, such a broker gets at-least-once, and the log says so.
    """
    if settings.guarantee == "at-least-once":
        return False
    if _hides_what_is_aborted(settings):
        return True
    lacks = "this broker shows the records of aborted transactions to everybody, as the embedded one does"
    if settings.guarantee == "exactly-once":
        raise TransportError(
            f"kafka.guarantee: exactly-once is not possible, because {lacks}: set it to at-least-once, or use Apache "
            f"Kafka {faults.where(settings.bootstrap, 'kafka.guarantee')}"
        )
    _log.warning(
        "kafka.guarantee is at-least-once here, because %s: after a crash some events are decided twice", lacks
    )
    return False


def _hides_what_is_aborted(settings: KafkaSettings) -> bool:
    """Whether readers of committed records do not see what was aborted.

    The broker does not say so itself. Tansu, which the embedded broker is, takes transactions and shows what was
    aborted; it is known by naming no settings of its own, not even an error.
    """
    connection = Connection(settings, "tocsin-guarantee", Terms(_ANSWER_SECONDS))
    try:
        connection.partitions([])  # which says clearly what is wrong with the broker or the credentials
        brokers = connection.admin.list_topics(timeout=_ANSWER_SECONDS).brokers
        resource = ConfigResource(ConfigResource.Type.BROKER, str(min(brokers)))
        asked = connection.admin.describe_configs([resource], request_timeout=_ANSWER_SECONDS)
        return bool(asked[resource].result(_ANSWER_SECONDS + 1))
    except (KafkaException, TimeoutError):
        return True  # a user may lack the right to ask
    finally:
        connection.close()
