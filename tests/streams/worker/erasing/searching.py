"""A service that keeps all it can keep of an event, and a search for what one subject sent in all that it wrote."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...support import START, Service, settings

SECRET = "a secret that only the tests know"
TEXT = "zyzzyva quokkaberry"
NUMBERS = (1234.56789012, 8765.43210987)
OTHERS = 40
ON = {"enabled": True, "secret": SECRET}
EXPERTS = [
    {"kind": "linear"},
    {"kind": "neighbours", "name": "near"},
    {"kind": "ss3", "name": "words"},
    {"kind": "persistence", "by": "subject"},
]


def keeping(directory: Path, partitions: int = 1, **changes: Any) -> Service:
    """A service with features, texts, profiles, early risk, traffic, novel groups and full explanations."""
    values: dict[str, Any] = {
        "schema": {
            "features": [{"name": "a"}, {"name": "b", "required": False}, {"name": "shop", "kind": "category"}],
            "text": "text",
            "profiles": [{"key": "subject", "windows": ["3 events"]}],
        },
        "experts": EXPERTS,
        "early_risk": {"classes": ["yes"]},
        "abstention": {"cold_start": 5, "novelty_by": "traffic"},
        "review": {"cold_start": True},
        "explanation": {"level": "full"},
        "state": {
            "directory": directory / "state",
            "max_bytes": 64 * 1024 * 1024,
            "snapshots": str(directory / "shared"),
            "snapshot_every": 10,
        },
        "bounds": {"waiting_ttl_seconds": 100},
    }
    return Service(settings(directory, **{**values, **changes}), partitions)


def event_of(subject: str, i: int, **more: Any) -> dict[str, Any]:
    """The event number i of a subject; those of `anna` say what nobody else says."""
    if subject == "anna":
        features = {"a": NUMBERS[0], "b": NUMBERS[1], "shop": "pelargonium-shop"}
        text = f"{TEXT} once more"
    else:
        features = {"a": (i * 37 % 101) / 101, "b": (i * 53 % 89) / 89, "shop": f"shop{i % 3}"}
        text = f"word{i % 7} word{i % 5}"
    one = {"id": f"{subject}-{i}", "subject": subject, "time": START + i, "features": features, "text": text}
    return {**one, **more}


def label_of(subject: str, i: int) -> dict[str, Any]:
    truth = "yes" if subject == "anna" or i * 37 % 101 / 101 > i * 53 % 89 / 89 else "no"
    return {"event": f"{subject}-{i}", "label": truth, "time": START + i + 60_000}


def traffic_of(subjects: Sequence[str], start: int, n: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Events with their labels, one subject after the other."""
    return [
        (event_of(subjects[i % len(subjects)], i), label_of(subjects[i % len(subjects)], i))
        for i in range(start, start + n)
    ]


def needles() -> dict[str, bytes]:
    """What `anna` sent, in every form in which a file or a record may hold it."""
    found = {word: word.encode() for word in (*TEXT.split(), "pelargonium-shop")}
    for number in NUMBERS:
        found[f"{number} as text"] = str(number)[:9].encode()
        found[f"{number} as float64"] = struct.pack("<d", number)
    return found


def places(service: Service) -> Iterator[tuple[str, bytes]]:
    """All bytes that the service wrote, by where they are: records of its topics, files of state and snapshots."""
    for topic in service.topics.names():
        if topic in (service.topics.events, service.topics.labels):
            continue
        for record in service.records(topic):
            headers = [part for name, value in record.headers for part in (name.encode(), value)]
            yield f"{topic} {record.offset}", b"\0".join([record.key or b"", record.value or b"", *headers])
    base = service.settings.state.directory.parent
    for path in sorted(base.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(base)), path.read_bytes()


def found_in(service: Service) -> set[str]:
    """Where anything that `anna` sent is found, with what."""
    there = set()
    for place, content in places(service):
        for what, needle in needles().items():
            if needle in content or base64.b85encode(needle)[:-2] in content:
                there.add(f"{what} in {place}")
    return there
