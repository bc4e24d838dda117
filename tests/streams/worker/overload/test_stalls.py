"""A partition that stands still while there is more to read is told of, in the log and in telemetry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from tocsin.streams.transport.base import Partition, Progress
from tocsin.streams.worker.overload.stalls import Stalls

from ...support import event
from ..test_service import Topics, running, wait_for

ONE, TWO = Partition("events", 1), Partition("events", 2)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO):
        yield caplog


def test_a_partition_that_stands_still_is_told_once_and_so_is_that_it_goes_on(said: pytest.LogCaptureFixture) -> None:
    stalls = Stalls(30)
    for second in range(30):
        assert stalls.see({ONE: Progress(5, 9 + second), TWO: Progress(second, 100)}, 1_000 * second) == {}
    assert stalls.see({ONE: Progress(5, 40), TWO: Progress(31, 100)}, 31_000) == {ONE: 31.0}
    assert stalls.see({ONE: Progress(5, 41), TWO: Progress(32, 100)}, 32_000) == {ONE: 32.0}
    assert [r.getMessage() for r in said.records if "has stood still" in r.getMessage()] == [
        "events-1 has stood still at offset 5 for 31 s, although it ends at offset 40; see whether it has a leader, "
        "and whether an open transaction holds its records back"
    ]
    assert stalls.see({ONE: Progress(6, 41), TWO: Progress(33, 100)}, 33_000) == {}
    assert said.records[-1].getMessage() == "events-1, which stood still, advances again"
    assert stalls.see({ONE: Progress(6, 41), TWO: Progress(34, 100)}, 62_000) == {}
    assert stalls.see({ONE: Progress(6, 41), TWO: Progress(35, 100)}, 63_000) == {ONE: 30.0}
    assert stalls.see({TWO: Progress(36, 100)}, 64_000) == {}
    assert said.records[-1].getMessage() == "events-1, which stood still, is another's now"


def test_a_partition_without_records_to_read_stands_still_as_long_as_it_likes() -> None:
    stalls = Stalls(1)
    for second in range(100):
        assert stalls.see({ONE: Progress(7, 7), TWO: Progress(0, 0)}, 1_000 * second) == {}
    assert stalls.see({ONE: Progress(7, 8)}, 100_000) == {}, "the time counts from when there was something to read"


def test_a_partition_from_which_nothing_can_be_fetched_is_no_silence(said: pytest.LogCaptureFixture) -> None:
    stalls = Stalls(30)
    assert stalls.see({ONE: Progress(0, None)}, 0) == {}
    assert stalls.see({ONE: Progress(0, None)}, 40_000) == {ONE: 40.0}
    assert "nothing could be fetched from it" in said.text


@pytest.mark.broker
@pytest.mark.acceptance
def test_a_partition_that_an_open_transaction_holds_up_is_told_and_goes_on(
    apache: str, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    topics = Topics(apache, tmp_path)
    topics.settings = topics.settings.model_copy(
        update={"monitor": topics.settings.monitor.model_copy(update={"stalled_seconds": 2.0})}
    )
    producer = Producer({"bootstrap.servers": apache, "transactional.id": topics.names.events})
    producer.init_transactions(30)

    def told(text: str) -> bool:
        return any(text in record.getMessage() for record in said.records)

    with running(topics.settings) as worker:
        wait_for(lambda: told("ready: "), worker)
        producer.begin_transaction()
        producer.produce(topics.names.events, orjson.dumps(event("held")), b"s")
        producer.flush(30)
        topics.send(topics.names.events, event("behind"))
        wait_for(lambda: told("has stood still"), worker)
        assert topics.records(topics.names.decisions) == []
        wait_for(lambda: _stalled(topics) == {topics.names.events: ["0"]}, worker)
        producer.commit_transaction(30)
        wait_for(lambda: told("advances again"), worker)
        wait_for(lambda: len(topics.records(topics.names.decisions)) == 2, worker)
        wait_for(lambda: _stalled(topics) == {}, worker)
    producer.close()


def _stalled(topics: Topics) -> dict[str, list[str]]:
    last = orjson.loads(topics.records(topics.names.telemetry)[-1].value or b"")
    return {topic: list(found) for topic, found in last["stalled"].items()}
