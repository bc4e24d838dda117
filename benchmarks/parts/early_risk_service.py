"""Our side of the early-risk benchmark: the whole service, on a transport in memory, whose clock is the posts'."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from parts.threads import HOUR, OTHER, RUMOUR, Subject
from tocsin.config import Settings
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.worker import Worker

POOL: list[dict[str, Any]] = [
    {"kind": "linear-text", "name": "thread", "scope": "subject", "words": 0, "characters": 3, "r": 0.3}
]
"""An SS3 on character 3-grams beside it made no difference on the first part, but for six times the time."""


def settings(directory: Path, early_risk: Mapping[str, Any], pool: Sequence[Mapping[str, Any]]) -> Settings:
    values: dict[str, Any] = {
        "name": "rumours",
        "schema": {"text": "text"},
        "classes": [OTHER, RUMOUR],
        "experts": list(pool),
        "early_risk": {"classes": [RUMOUR], **early_risk},
        "explanation": {"level": "none"},
        "abstention": {"enabled": False},
        "bounds": {"pending_ttl_hours": 24.0 * 3_650, "subject_posts": 128},
        "state": {"directory": directory, "max_bytes": 8 * 1024**3},
        "monitor": {"interval_seconds": 3_600.0},
    }
    return Settings(**values)


class Heard(NamedTuple):
    """What the service said of every subject: its belief and accumulated excess by post, and its alert."""

    belief: dict[str, list[float]]
    excess: dict[str, list[float]]
    delay: dict[str, int]
    """How many posts were read until the alert was raised."""
    seconds: float
    """Per post of the second part, the whole path."""


class Service:
    """One worker on a transport in memory, whose clock is the posts'."""

    def __init__(self, config: Settings) -> None:
        self._settings = config
        self._now = 0
        self._broker = MemoryBroker(self._clock)
        for topic in config.topics.names():
            self._broker.create(topic)
        self._feeder = MemoryTransport(self._broker)
        self._told = MemoryTransport(self._broker, whole={Partition("decisions", 0): 0, Partition("alerts", 0): 0})
        self.heard = Heard({}, {}, {}, 0.0)
        self.worker = Worker(config, self._open, self._clock)

    def _clock(self) -> int:
        return self._now

    def _open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        return MemoryTransport(self._broker, shared=shared, whole=whole, group="benchmark", rebalance=rebalance)

    def post(self, subject: Subject, k: int) -> None:
        event = {
            "id": f"{subject.name}/{k}",
            "subject": subject.name,
            "time": subject.times[k],
            "text": subject.texts[k],
        }
        self._now = max(self._now, subject.times[k])
        self._feeder.produce("events", subject.name.encode(), orjson.dumps(event))

    def label(self, subject: Subject, at: int) -> None:
        label = {"subject": subject.name, "label": RUMOUR if subject.rumour else OTHER, "time": at}
        self._feeder.produce("labels", subject.name.encode(), orjson.dumps(label))

    def work(self) -> None:
        """Until there is nothing to do; what was told is taken down, and what was read is let go of."""
        while self.worker.step(0):
            pass
        while records := self._told.poll(10_000, 0):
            for record in records:
                self._take_down(record.topic, orjson.loads(record.value or b""))
        for topic in self._settings.topics.names():
            if topic != "events":
                self._broker.expire(
                    Partition(topic, 0), max(0, self._feeder.end_offsets(topic)[Partition(topic, 0)] - 10)
                )

    def _take_down(self, topic: str, told: Mapping[str, Any]) -> None:
        name = told["subject"]
        if topic == "alerts":
            self.heard.delay[name] = told["delay"]
            return
        risk = told["risk"]["risk"]
        uncertain = told["uncertainty"] / len(told["belief"])
        self.heard.belief.setdefault(name, []).append(told["belief"][RUMOUR] + uncertain)
        self.heard.excess.setdefault(name, []).append(risk.get(RUMOUR, 0.0) - risk.get(OTHER, 0.0))


def serve(
    known: Sequence[Subject], new: Sequence[Subject], early_risk: Mapping[str, Any], hours: float | None
) -> Heard:
    """Stream the first part thread by thread, each with its label, then the second by time; hours None: no labels."""
    with tempfile.TemporaryDirectory(prefix="tocsin-early-risk-") as directory:
        service = Service(settings(Path(directory), early_risk, POOL))
        with service.worker:
            for subject in known:
                for k in range(len(subject.texts)):
                    service.post(subject, k)
                service.work()
                service.label(subject, subject.times[-1])
                service.work()
            start = time.perf_counter()
            for post in stream(new, hours):
                post(service)
            service.work()
            seconds = time.perf_counter() - start
    return service.heard._replace(seconds=seconds / max(sum(len(subject.texts) for subject in new), 1))


def stream(new: Sequence[Subject], hours: float | None) -> Iterator[Callable[[Service], None]]:
    """Posts and labels in the order of time; the service works off what came before each label."""
    todo: list[tuple[int, int, int, int]] = []
    for s, subject in enumerate(new):
        todo += [(at, 0, s, k) for k, at in enumerate(subject.times)]
        if hours is not None:
            todo.append((subject.times[-1] + int(hours * HOUR), 1, s, 0))
    for n, (at, is_label, s, k) in enumerate(sorted(todo)):
        if is_label:
            yield lambda service, s=s, at=at: _teach(service, new[s], at)
        else:
            yield lambda service, s=s, k=k, n=n: _post(service, new[s], k, n)


def _post(service: Service, subject: Subject, k: int, n: int) -> None:
    service.post(subject, k)
    if n % 500 == 0:
        service.work()


def _teach(service: Service, subject: Subject, at: int) -> None:
    service.work()
    service.label(subject, at)
    service.work()
