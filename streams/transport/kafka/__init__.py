"""The transport on Kafka, through librdkafka (`confluent-kafka`)."""

from tocsin.streams.transport.kafka.terms import Terms
from tocsin.streams.transport.kafka.transactions import Transactional, TransactionalId
from tocsin.streams.transport.kafka.transport import KafkaTransport

__all__ = ["KafkaTransport", "Terms", "Transactional", "TransactionalId"]
