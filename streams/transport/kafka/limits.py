"""How large a record each topic takes, as its broker says."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from tocsin.streams.transport.base import MOST_RECORD_BYTES

_log = logging.getLogger(__name__)

BROKER_DEFAULT = 1_048_588
"""`max.message.bytes` of a topic for which nobody set another value."""
_ANSWER_SECONDS = 10.0


class Limits:
    """The most bytes that a record of each topic may have; asked of the broker once a topic."""

    def __init__(self, admin: AdminClient, assumed: dict[str, int]) -> None:
        """`assumed` holds the limits of topics of which the broker does not say it. What is learnt is noted there."""
        self._admin = admin
        self._assumed = assumed
        self._known: dict[str, int] = {}

    def __call__(self, topic: str) -> int:
        """The limit of a topic that exists."""
        if topic not in self._known:
            told = self._ask(topic)
            assumed = self._assumed.get(topic, BROKER_DEFAULT)
            self._known[topic] = min(assumed if told is None else told, MOST_RECORD_BYTES)
        return self._known[topic]

    def refused(self, topic: str, size: int) -> None:
        """Note that the topic refused a record of a size that had seemed to fit: somebody has lowered its limit.

        Where the broker does not say the limit, half of what was refused is assumed from now on.
        """
        self._assumed[topic] = min(self._assumed.get(topic, BROKER_DEFAULT), max(size // 2, 1))

    def _ask(self, topic: str) -> int | None:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            asked = self._admin.describe_configs([resource], request_timeout=_ANSWER_SECONDS)
            entry = asked[resource].result(_ANSWER_SECONDS + 1).get("max.message.bytes")
        except (KafkaException, TimeoutError) as error:
            _log.warning(
                "how large a record topic %s takes is not known (DescribeConfigs on the topic: %s): %d bytes are "
                "assumed; topics.options can say another max.message.bytes",
                topic, error, self._assumed.get(topic, BROKER_DEFAULT),
            )  # fmt: skip
            return None
        return None if entry is None or entry.value is None else int(entry.value)
