"""Workers that are taught, run through a stream or crash: what tests of the worker share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tocsin.streams.worker.worker import Worker

from ..support import START, Service, crash, drain, running, stream


def taught(service: Service, worker: Any) -> None:
    for i in range(2):
        service.tell({"event": f"s{i}", "label": "spam", "time": START, "text": "win prize now"})
        service.tell({"event": f"h{i}", "label": "ham", "time": START, "text": "see you at lunch"})
    drain(worker)


def spam(i: int, text: str = "win prize now") -> dict[str, Any]:
    return {"id": f"m{i}", "subject": "u", "time": START + i, "text": text}


@contextmanager
def worker_that_crashes(worker: Worker) -> Iterator[None]:
    """Ends as if the process were killed."""
    worker.__enter__()
    try:
        yield
    finally:
        crash(worker)


def run_through(service: Service, n: int, start: int = 0) -> None:
    with running(service) as worker:
        for raw, truth in stream(n, start):
            service.send(raw)
            service.tell(truth)
            worker.step(0)
        drain(worker)
