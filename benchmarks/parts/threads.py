"""Threads of posts by many, split by time, and the order in which they stream."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

RUMOUR, OTHER = "rumour", "not_rumour"
CHINA = timezone(timedelta(hours=8))
"""Posts carry the local time."""
HOUR = 3_600_000
"""Milliseconds."""


class Subject(NamedTuple):
    """One thread: texts, times (epoch ms, growing) and whether it is a rumour."""

    name: str
    texts: list[str]
    times: list[int]
    rumour: bool


class Split(NamedTuple):
    """The first part in time, which is known, and the second, which streams."""

    first: list[Subject]
    """Of the known: what settings are tried after."""
    fifth: list[Subject]
    """The last fifth of the known: what settings are chosen on."""
    new: list[Subject]

    @property
    def known(self) -> list[Subject]:
        return [*self.first, *self.fifth]

    @property
    def told(self) -> list[bool]:
        return [subject.rumour for subject in self.new]


def split(found: Sequence[Subject]) -> Split:
    cut = int(0.7 * len(found))
    return Split(list(found[: int(0.8 * cut)]), list(found[int(0.8 * cut) : cut]), list(found[cut:]))


def subjects(path: Path) -> list[Subject]:
    """The subjects with a known posting time, in its order."""
    found = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["posted"] > 0:
                found.append((row["posted"], row))
    return [_subject(row) for _, row in sorted(found, key=lambda pair: pair[0])]


def _subject(row: Mapping[str, Any]) -> Subject:
    times = [row["posted"] * 1000]
    for post in row["posts"][1:]:
        then = datetime.strptime(post["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        times.append(max(times[-1], int(then.astimezone(UTC).timestamp() * 1000)))
    return Subject(row["subject"], [post["text"] for post in row["posts"]], times, row["label"] == RUMOUR)
