"""The ids of topics, and who notices by them that a topic was deleted, or made anew under its name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription

from tocsin.streams.transport import faults
from tocsin.streams.transport.base import TopicReplacedError
from tocsin.streams.transport.kafka.connection import Connection

_ASK_SECONDS = 2.0
"""Time between two questions for the topics."""
_ANSWER_SECONDS = 5.0
_MISSING_ANSWERS = 2
"""So many answers in a row must say that a topic is missing: a broker that has just started may not know it yet."""


class KeptTopics:
    """Compares the ids of topics with those they had at the start. Asks in the background; never waits."""

    def __init__(self, admin: AdminClient, topics: Sequence[str]) -> None:
        self._admin = admin
        self._ids: dict[str, Uuid | None] = dict.fromkeys(topics)
        """None until the broker has said the id."""
        self._missing = dict.fromkeys(topics, 0)
        self._asked: dict[str, Future[TopicDescription]] = {}
        self._asked_at = float("-inf")

    def check(self) -> None:
        """Raise TopicReplacedError where a topic is another one than at the start."""
        if self._asked:
            for topic in [topic for topic, answer in self._asked.items() if answer.done()]:
                self._examine(topic, self._asked.pop(topic))
        elif self._ids and time.monotonic() >= self._asked_at + _ASK_SECONDS:
            self._asked_at = time.monotonic()
            names = TopicCollection(list(self._ids))
            self._asked = dict(self._admin.describe_topics(names, request_timeout=_ANSWER_SECONDS))

    def _examine(self, topic: str, answer: Future[TopicDescription]) -> None:
        try:
            found = answer.result(0).topic_id
        except KafkaException as error:
            # Any other error says nothing of the topic.
            self._missing[topic] += error.args[0].code() in faults.MISSING
            if self._missing[topic] >= _MISSING_ANSWERS:
                raise TopicReplacedError(topic) from error
            return
        self._missing[topic] = 0
        known = self._ids[topic]
        if known is None:
            self._ids[topic] = found
        elif str(found) != str(known):
            raise TopicReplacedError(topic)


def read_topic_ids(connection: Connection, topics: Sequence[str]) -> dict[str, str]:
    """The ids of topics, without those that the broker does not tell. Raises TransportError."""

    def ask() -> dict[str, str]:
        answers = connection.admin.describe_topics(TopicCollection(list(topics)), request_timeout=_ANSWER_SECONDS)
        ids: dict[str, str] = {}
        for topic, answer in answers.items():
            try:
                found = answer.result().topic_id
            except KafkaException as error:
                if error.args[0].code() in faults.PASSING or error.args[0].retriable():
                    raise
                continue  # an old broker has no ids; whether the topic may be read shows where it is read
            # A broker that has no ids may answer with one of zeros.
            if found is not None and (found.get_most_significant_bits() or found.get_least_significant_bits()):
                ids[topic] = str(found)
        return ids

    return connection.retry("the ids of the topics are not known", ask) if topics else {}
