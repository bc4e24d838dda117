"""The past of a service in memory, put on a broker for commands that read it there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.transport.kafka import KafkaTransport

from ..support import Service, drain, running, settings, stream

COPIED = ("configs", "events", "feedback", "decisions")


def copied(service: Service, config: Settings, change: Mapping[bytes, bytes]) -> None:
    """The logs of a service in memory, in the topics of a broker; some values are replaced."""
    transport = KafkaTransport(config.kafka, group=config.group, client_id="test")
    for role in COPIED:
        topic = service.topics.by_role()[role]
        for record in service.records(topic):
            value = record.value or b""
            transport.produce(topic, record.key, change.get(value, value))
    transport.flush()
    transport.close()


def on_broker(service: Service, bootstrap: str, directory: Path, change: Mapping[bytes, bytes]) -> Path:
    """The config of another machine, which finds the logs of the service on a broker."""
    kafka = service.settings.kafka.model_copy(update={"bootstrap": bootstrap})
    config = service.settings.model_copy(update={"kafka": kafka})
    topics.create(config)
    copied(service, config, change)
    path, tree = directory / "config.yaml", config.shared()
    path.write_text(yaml.safe_dump({**tree, "state": {**tree["state"], "directory": str(directory / "none")}}))
    return path


def decided(directory: Path) -> Service:
    """A service that has decided sixty events and learnt from forty, on topics of its own."""
    mark = uuid.uuid4().hex[:8]
    names: dict[str, Any] = {role: f"{role.replace('_', '-')}-{mark}" for role in settings(directory).topics.by_role()}
    service = Service(settings(directory, topics={**names, "partitions": 1}))
    with running(service) as worker:
        pairs = list(stream(60))
        for start in (0, 20, 40):
            portion = pairs[start : start + 20]
            service.send(*(event for event, _ in portion))
            drain(worker)
            service.tell(*(label for _, label in portion))
            drain(worker)
    return service
