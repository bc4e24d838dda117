"""No batch takes longer than it may, whatever the model costs and however large the records are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import BatchFailedError, Record
from tocsin.streams.worker.overload.batch_size import FIRST_UNITS, BoundedTime, FixedSize
from tocsin.streams.worker.worker import Worker

from ...support import Service, drain, settings, stream

SHORT, LONG = b"x" * 150, b"x" * 250_000


def of(value: bytes, count: int) -> list[Record]:
    return [Record("events", 0, offset, 0, None, value) for offset in range(count)]


def work_off(size: BoundedTime, value: bytes, cost: Callable[[Record], float], polls: int) -> list[tuple[int, float]]:
    """Poll a log without an end so often; returns the number of records of each batch and how long it took."""
    done = []
    for _ in range(polls):
        for batch in size.batches(of(value, size.most)):
            seconds = sum(map(cost, batch))
            size.took(batch, seconds)
            done.append((len(batch), seconds))
    return done


def test_the_first_batch_is_small_and_the_next_ones_grow_to_the_most() -> None:
    done = work_off(BoundedTime(5_000, 2.0), SHORT, lambda _: 1e-5, 12)
    sizes = [count for count, _ in done]
    assert sizes[0] <= FIRST_UNITS
    assert sizes[1:] == sorted(sizes[1:])
    assert sizes[-1] == 5_000


@pytest.mark.parametrize("cost", [1e-4, 1e-3, 1e-2, 0.1, 1.0])
def test_a_slow_model_gets_batches_that_end_in_time(cost: float) -> None:
    done = work_off(BoundedTime(5_000, 2.0), SHORT, lambda _: cost, 60)
    assert all(seconds <= 2.0 + cost for _, seconds in done[5:])
    assert done[-1][0] >= min(5_000, 0.4 * 2.0 / cost), "nor are they smaller than they need be"


def test_long_records_are_cut_before_anybody_knows_what_they_cost() -> None:
    size = BoundedTime(5_000, 2.0)
    work_off(size, SHORT, lambda _: 1e-4, 20)
    assert size.most == 5_000
    of_bytes = work_off(size, LONG, lambda record: 1e-7 * len(record.value or b""), 3)
    assert max(seconds for _, seconds in of_bytes) <= 2.0
    assert sum(count for count, _ in of_bytes) > 5_000, "all that was polled is worked off, in several batches"
    assert size.most < 100, "and then fewer are polled"


def test_one_that_becomes_slow_all_at_once_is_too_long_once() -> None:
    size = BoundedTime(5_000, 2.0)
    work_off(size, SHORT, lambda _: 1e-5, 20)
    done = work_off(size, SHORT, lambda _: 1e-2, 5)
    assert [seconds > 2.1 for _, seconds in done[:5]] == [True, False, False, False, False]
    again = work_off(size, SHORT, lambda _: 1e-5, 20)
    assert again[-1][0] == 5_000, "and it grows again"


def test_a_record_that_takes_longer_than_a_batch_may_is_alone_in_it() -> None:
    done = work_off(BoundedTime(5_000, 2.0), SHORT, lambda _: 30.0, 10)
    assert done[-1][0] == 1


def test_the_time_of_a_batch_is_well_within_that_of_a_transaction_and_between_two_polls() -> None:
    def seconds(**kafka: int) -> float:
        return BoundedTime.of(Settings(schema={"text": "t"}, kafka=kafka)).seconds

    assert seconds() == 2.0
    assert seconds(transaction_timeout_ms=2_000) == 0.5
    assert seconds(poll_interval_ms=10_000) == 1.0
    assert BoundedTime.of(Settings(schema={"text": "t"}, batching={"max_seconds": 0.3})).seconds == 0.3


class Slow(FixedSize):
    """Two records a batch; it notes what it is told, and asks to stop after the first batch."""

    def __init__(self) -> None:
        super().__init__(6)
        self.seen: list[int] = []
        self.stop = False

    def batches(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        for start in range(0, len(records), 2):
            yield records[start : start + 2]

    def took(self, records: Sequence[Record], seconds: float) -> None:
        assert seconds > 0
        self.seen.append(len(records))
        self.stop = True


def worker_of(service: Service, size: FixedSize) -> Worker:
    return Worker(service.settings, service.open, service.clock, ticks=service.clock, batch_size=size)


def test_a_worker_that_is_told_to_stop_ends_after_the_batch_in_hand_and_loses_nothing(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    service.send(*[event for event, _ in stream(10)])
    size = Slow()
    with worker_of(service, size) as worker:
        worker.run(lambda: size.stop)
        assert len(service.decisions) == 2
    assert service.broker.commits(service.settings.group)
    with service.worker() as worker:
        drain(worker)
    assert [decision["event"] for decision in service.decisions] == [f"e{i}" for i in range(10)]


def test_a_batch_that_fails_counts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(settings(tmp_path))
    size = Slow()
    with worker_of(service, size) as worker:
        drain(worker)
        service.send(*[event for event, _ in stream(4)])

        def fail(*_: object) -> None:
            raise BatchFailedError("took too long")

        with monkeypatch.context() as patch:
            patch.setattr(worker, "_commit", fail)
            with pytest.raises(BatchFailedError):
                worker.step(0)
        assert size.seen == [2], "so that it is smaller when it comes again"


def test_how_batches_are_cut_changes_no_decision(tmp_path: Path) -> None:
    def decisions(directory: Path, size: FixedSize | BoundedTime) -> list[object]:
        service = Service(settings(directory))
        service.send(*[event for event, _ in stream(600)])
        worker = Worker(service.settings, service.open, service.clock, ticks=service.clock, batch_size=size)
        with worker:
            drain(worker)
        return [(d["event"], d["belief"], d["status"], d["model"]) for d in service.decisions]

    assert decisions(tmp_path / "a", FixedSize(5_000)) == decisions(tmp_path / "b", BoundedTime(5_000, 2.0))
