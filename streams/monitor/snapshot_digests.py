"""Whether the workers hold the same model: what each tells of its snapshots, and where two of them disagree.

All workers of one config fold the same feedback in the same order. So the digests of their models are equal at equal
feedback offsets, and two that differ there decide equal events differently.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from tocsin.streams.monitor.shown_name import beginning
from tocsin.streams.wire.records import Telemetry

SNAPSHOTS = 64
"""Snapshots of one worker that are remembered: another one may come to their offsets later."""
NAMED = 3
"""Workers of one digest, and digests, that a sentence names."""
_CHARACTERS = 64
"""Characters of a config or a digest that are compared; no worker writes longer ones."""


class Place(NamedTuple):
    """Where the digests of two workers must agree."""

    offset: int
    """The feedback offset."""
    config: str
    """The model digest."""


class ToldSnapshots:
    """The latest snapshots of one worker since it was started."""

    def __init__(self) -> None:
        self._run: tuple[int, str] | None = None
        """When the worker was started, and its config."""
        self.by_place: OrderedDict[Place, str] = OrderedDict()
        """The SHA-256 of the arrays, the place told last at the end."""

    def note(self, telemetry: Telemetry) -> None:
        """Take in a report. What the worker told before it was started anew is forgotten: its model may be mended."""
        run = (telemetry.started_at, telemetry.config[:_CHARACTERS])
        if run != self._run:
            self._run = run
            self.by_place.clear()
        offset, sha256 = telemetry.snapshot_offset, telemetry.snapshot_sha256
        if offset is None or sha256 is None:
            return
        place = Place(offset, run[1])
        self.by_place[place] = sha256[:_CHARACTERS]
        self.by_place.move_to_end(place)
        if len(self.by_place) > SNAPSHOTS:
            self.by_place.popitem(last=False)


class Disagreement(NamedTuple):
    """Workers of one config whose models differ at one snapshot offset."""

    place: Place
    workers: dict[str, list[str]]
    """By SHA-256, the workers that told it."""


def disagreements(told: Mapping[str, ToldSnapshots]) -> list[Disagreement]:
    """Where workers disagree, by what each of them has told; the latest offset first."""
    found: dict[Place, dict[str, list[str]]] = {}
    for worker, snapshots in told.items():
        for place, sha256 in snapshots.by_place.items():
            found.setdefault(place, {}).setdefault(sha256, []).append(worker)
    return [Disagreement(place, found[place]) for place in sorted(found, reverse=True) if len(found[place]) > 1]


def in_words(disagreement: Disagreement) -> str:
    """A disagreement as one sentence, which is short and safe to show."""
    place = disagreement.place
    sides = [
        f"{_first(list(map(beginning, names)), ', ')} ({beginning(sha256[:12])})"
        for sha256, names in disagreement.workers.items()
    ]
    return (
        f"The models of {_first(sides, ' and ')} differ at feedback offset {place.offset:,}, "
        f"though their config is {beginning(place.config)}."
    )


def _first(names: list[str], between: str) -> str:
    """The first of many names, with how many more there are."""
    return between.join([*names[:NAMED], *([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])])
