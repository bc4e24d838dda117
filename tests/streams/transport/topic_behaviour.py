"""The part of the behaviour suite about topics: how large records may be, and what happens if a topic is replaced."""

from __future__ import annotations

import os
import time
import uuid

import pytest

from tocsin.streams.transport.base import TopicReplacedError, Transport, TransportError, record_size

from .stage import Stage, numbers, values


class TopicBehaviour:
    """Inherited by `TransportBehaviour`."""

    # How large a record may be

    def test_a_record_of_a_topics_limit_is_delivered(self, stage: Stage) -> None:
        topic = stage.topic(limit=3_000)
        transport = stage.open(whole=[topic])
        assert transport.limit(topic) == 3_000
        headers = [("trace", bytes(200)), ("more", b"")]
        room = 3_000 - record_size(b"key", b"", headers)
        value = os.urandom(room)
        assert record_size(b"key", value, headers) == 3_000
        transport.produce(topic, b"key", value, headers)
        transport.flush()
        assert values(stage.drain(transport, 1)) == [value]

    def test_small_records_do_not_add_up_to_a_batch_that_their_topic_refuses(self, stage: Stage) -> None:
        small, large = stage.topic(limit=3_000), stage.topic()
        transport = stage.open(whole=[small, large])
        sent = [os.urandom(500) for _ in range(100)]
        for value in sent:
            transport.produce(small, None, value)
            transport.produce(large, None, value)
        transport.flush()
        records = stage.drain(transport, 200)
        assert values([r for r in records if r.topic == small]) == sent
        assert values([r for r in records if r.topic == large]) == sent

    def test_the_limit_of_a_missing_topic_is_an_error_that_names_it(self, stage: Stage) -> None:
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TransportError, match=missing):
            stage.open().limit(missing)

    # Topics that are deleted or made anew

    def test_a_kept_topic_that_is_made_anew_ends_the_reading(self, stage: Stage) -> None:
        topic, other = stage.topic(), stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic, other], kept=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        time.sleep(1.0)  # Kafka deletes in the background
        stage.create(topic, 1, None)
        with pytest.raises(TopicReplacedError, match=rf"{topic}.*deleted, or made anew"):
            self.poll_on(stage, transport)

    def test_a_kept_topic_that_is_deleted_ends_the_reading(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic], kept=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        with pytest.raises(TopicReplacedError, match=topic):
            self.poll_on(stage, transport)

    def test_any_other_topic_that_is_made_anew_is_read_from_its_new_beginning(self, stage: Stage) -> None:
        topic = stage.topic()
        stage.fill(topic, 5)
        transport = stage.open(whole=[topic])
        assert len(stage.drain(transport, 5)) == 5
        stage.delete(topic)
        time.sleep(1.0)
        stage.create(topic, 1, None)
        time.sleep(1.0)
        stage.fill(topic, 3, start=100)
        assert values(stage.drain(transport, 3)) == numbers(100, 103)

    def poll_on(self, stage: Stage, transport: Transport) -> None:
        deadline = time.monotonic() + stage.patience + 10
        while time.monotonic() < deadline:
            transport.poll(10, 0.1)
