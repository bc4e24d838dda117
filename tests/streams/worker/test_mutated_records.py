"""Whatever is sent, each record is accounted for: decided, joined, waiting, known already, or a dead letter."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.control import is_control, read_control
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.worker.joining.join import DUPLICATE, LEFT, WAITING, Joined
from tocsin.streams.worker.worker import Worker

from ...mutations import Mutations
from ..support import START, Service, settings

BATCH = 250
"""Events, and as many labels, that are sent at a time."""
OUTCOMES = ("joined", "contradicting", DUPLICATE, "self-contained", WAITING)
OTHERS = ("decisions", "feedback", "telemetry")
NUMBER = "tocsintest-number"
"""The header that says which record it is."""


TREE = {"classes": (), "experts": [{"kind": "tree"}, {"kind": "persistence", "by": "subject"}]}
"""No class is named, so that whatever labels say becomes one; and an expert that grows by what features hold."""


def service_settings(directory: Path, **changes: Any) -> Settings:
    """All kinds of features, a text, a text expert, and bounds that this test reaches."""
    features = [{"name": "a"}, {"name": "b", "required": False}, {"name": "c", "kind": "category", "required": False}]
    values: dict[str, Any] = {
        "schema": {"features": features, "text": "text"},
        "experts": [{"kind": "linear"}, {"kind": "persistence", "by": "subject"}, {"kind": "ss3"}],
        "bounds": {
            "pending_events": 2_000,
            "waiting_labels": 1_000,
            "subjects": 500,
            "vocabulary": 3_000,
            "record_bytes": 65_536,
        },
        "batching": {"max_events": 100_000},
        "state": {"directory": directory, "max_bytes": 256 * 1024 * 1024, "snapshot_every": 1_000_000_000},
    }
    return settings(directory, **{**values, **changes})


class Sender:
    """Sends mutated events and labels, and some records of other topics."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._random = random.Random(11)
        self._mutations = Mutations(12)
        self._sent = 0
        self._latest: list[bytes | None] = [b"{}"]
        self.others: list[dict[str, Any]] = []
        """Records of other topics, which a producer may confuse with ours."""

    def send(self, count: int) -> None:
        for _ in range(count):
            self._sent += 1
            number = self._sent
            # Some ids come again, and some labels come before their event.
            event, label = self.event(number - self._random.choice((0, 0, 0, 0, 1, 50))), self.label(number + 3)
            if self._random.random() < 0.05:
                event, label = label, event
            headers = [(NUMBER, b"%d" % number)]
            for topic, one in ((self._service.topics.events, event), (self._service.topics.labels, label)):
                key = self._random.choice((None, b"", b"\xff", b"s%d" % (number % 90)))
                if self.others and self._random.random() < 0.03:
                    one = self._random.choice(self.others)
                value = self._mutations.of(one)
                if self._random.random() < 0.03:  # the same once more, or the record of the other topic
                    value = self._random.choice(self._latest)
                self._latest = [*self._latest[-99:], value]
                self._service.broker.append(topic, key, value, headers)

    def event(self, number: int) -> dict[str, Any]:
        draw = self._random
        return {
            "id": f"e{number}",
            "subject": f"s{number % 90}",
            "time": START + number,
            "features": {"a": draw.random(), "b": draw.choice((None, 3, -2.5)), "c": draw.choice(("x", "y", "zażółć"))},
            "text": draw.choice(("good day to you", "free money now", "你好 世界", "")),
        }

    def label(self, number: int) -> dict[str, Any]:
        draw = self._random
        label: dict[str, Any] = {
            "event": f"e{number - draw.choice((3, 3, 4, 300))}",
            "label": draw.choice(("yes", "no")),
        }
        label |= {
            "time": START + number + 60_000,
            "source": draw.choice((None, "anna", "bob")),
            "weight": draw.choice((None, 1, 0.5)),
        }
        if draw.random() < 0.1:
            del label["event"]
            label["subject"] = f"s{number % 90}"
        if draw.random() < 0.1:
            label |= {"features": {"a": draw.random()}, "text": "free money"}
        return label


class Account:
    """What became of each record, by its number."""

    def __init__(self, service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self._service = service
        self._worker = worker
        self._labels: dict[int, str] = {}
        self.totals: Counter[str] = Counter()
        self.last: list[dict[str, Any]] = []
        """A record of each topic that the worker wrote last."""
        join = worker._pipeline._join
        real = join.labels

        def labels(decoded: Sequence[Any], *rest: Any) -> Iterator[Joined]:
            for one, joined in zip(decoded, real(decoded, *rest), strict=True):
                self._labels[number_of(one.record)] = joined.outcome
                yield joined

        monkeypatch.setattr(join, "labels", labels)  # which watches, and changes nothing

    def settle(self, numbers: range) -> None:
        """Account for the records with these numbers, and forget what lies in the topics."""
        topics, counts = self._service.topics, self._worker.counts
        decided = Counter(map(number_of, self._taken(topics.decisions)))
        letters: dict[str, Counter[int]] = {topics.events: Counter(), topics.labels: Counter()}
        for letter in self._taken(topics.dead_letters):
            origin = dict(letter.headers)["__streams.errors.topic"].decode()
            letters[origin][number_of(letter)] += 1
        again = [n for n in numbers if decided[n] + letters[topics.events][n] == 0]
        assert all(decided[n] + letters[topics.events][n] <= 1 for n in numbers)
        # An event that was decided already is counted, and nothing is said of it.
        assert len(again) == counts.duplicates - self.totals["duplicates"]
        self.totals["duplicates"] = counts.duplicates
        self.last = []
        for n in numbers:
            outcome = self._labels.pop(n, None)
            letter = letters[topics.labels][n]
            assert (outcome is None or outcome == "refused") == (letter > 0), (n, outcome, letter)
            assert outcome != LEFT, "there is one worker, which owns every label"
            self.totals[outcome or "malformed"] += 1
        self.totals["decided"] += sum(decided.values())
        self.totals["dead events"] += sum(letters[topics.events].values())
        for topic in topics.names():
            if topic in OTHERS and (found := list(self._taken(topic))):
                written = found[-1].value or b"null"
                if topic == topics.feedback:
                    written = encode(read_control(written) if is_control(written) else read_feedback(found[-1]))
                self.last.append(orjson.loads(written))
            self._forget(topic)

    def _taken(self, topic: str) -> Iterator[Record]:
        for stored in self._service.broker.stored_partitions(topic):
            yield from stored.records

    def _forget(self, topic: str) -> None:
        for index, stored in enumerate(self._service.broker.stored_partitions(topic)):
            self._service.broker.expire(Partition(topic, index), stored.end)


def number_of(record: Record) -> int:
    return int(dict(record.headers)[NUMBER])


def run(
    records: int, directory: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> tuple[Account, list[float], list[int]]:
    """Send so many records through a worker; returns the account, and of each batch CPU seconds and bytes of memory."""
    service = Service(service_settings(directory, **changes), partitions=2)
    sender, seconds, memory = Sender(service), [], []
    with service.worker() as worker:
        while worker.step(0) or not worker._ownership.duties.of(Partition(service.topics.labels, 0)):
            pass
        account = Account(service, worker, monkeypatch)
        for start in range(1, records // 2, BATCH):
            sender.send(BATCH)
            began = time.thread_time()
            while worker.step(0):
                pass
            seconds.append(time.thread_time() - began)
            memory.append(anonymous_bytes())
            account.settle(range(start, start + BATCH))
            sender.others = sender.others[-20:] + account.last
            service.clock.move(0.5)
    return account, seconds, memory


def anonymous_bytes() -> int:
    """Memory of this process that is no file's."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(("records", "changes"), [(5_000, {}), (8_000, TREE)], ids=["text", "tree, no class named"])
def test_every_mutated_record_is_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int, changes: dict[str, Any]
) -> None:
    account, _, _ = run(records, tmp_path, monkeypatch, **changes)
    totals = account.totals
    assert totals["decided"] > 300
    for outcome in (*OUTCOMES, "dead events", "duplicates", "malformed"):
        assert totals[outcome] > 5, (outcome, totals)


@pytest.mark.proof
@pytest.mark.timeout(3_000)
def test_200_000_mutated_records_leave_no_trace_in_time_or_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, seconds, memory = run(200_000, tmp_path, monkeypatch)
    assert account.totals["decided"] > 10_000
    warm = len(seconds) // 4
    assert max(seconds[warm:]) <= 5 * median(seconds[warm:])
    assert max(memory[-warm:]) <= 1.05 * max(memory[warm : 2 * warm])
