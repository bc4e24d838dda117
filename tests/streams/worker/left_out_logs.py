"""Feedback logs with control records, for tests: the log without what they leave out, and models folded from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import digest
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.control import Control, is_control
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.worker.worker import Worker

from ..support import Service, drain, running, settings, stream

EVERY = 10


def going(directory: Path, worker: str = "first", **changes: object) -> Settings:
    """A service that takes a snapshot at every tenth record, for one worker with a state of its own."""
    more = changes.pop("state", {})
    assert isinstance(more, dict)
    state = {"directory": directory / worker, "max_bytes": 64 * 1024 * 1024, "snapshot_every": EVERY, **more}
    return settings(directory, state=state, **changes)


def teach(service: Service, n: int, start: int = 0, sources: Iterable[str] = (), *workers: Worker) -> None:
    """Events with their labels, one after the other; the sources take turns."""
    names = list(sources)
    for i, (event, label) in enumerate(stream(n, start)):
        service.send(event)
        service.tell(label | ({"source": names[i % len(names)]} if names else {}))
        drain(*workers)


def rollback(first: int, end: int, **more: object) -> Control:
    """A control record of `tocsin rollback`."""
    return Control(kind="leave-out", reason="rollback", time=0, first=first, end=end, **more)  # type: ignore[arg-type]


def sha256(worker: Worker) -> str:
    """The digest of a worker's model, as its snapshots have it."""
    return digest(worker.classifier.state_dict())


def never_had(service: Service, left_out: Iterable[int], directory: Path, config: Settings | None = None) -> str:
    """The digest of a model folded over the same feedback without these records and without any control record."""
    kept = [
        record
        for record in service.records(service.topics.feedback)
        if record.offset not in set(left_out) and not is_control(record.value)
    ]
    return folded(kept, config or going(directory, "never"))


def folded(records: Iterable[Record], config: Settings) -> str:
    """The digest of the model of a worker whose feedback holds these records alone."""
    other = Service(config)
    for record in records:
        other.broker.append(other.topics.feedback, record.key, record.value, record.headers)
    with running(other) as worker:
        return sha256(worker)


def of_source(service: Service, source: str | None, first: int = 0) -> list[int]:
    """The offsets of the feedback records of a source, from an offset on."""
    return [
        record.offset
        for record in service.records(service.topics.feedback)
        if record.offset >= first and not is_control(record.value) and read_feedback(record).source == source
    ]
