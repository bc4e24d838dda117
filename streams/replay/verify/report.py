"""What a verification found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

MOST = 100
"""Differences, and places in the chain, that are named."""
VALUES = 10
"""Members of one difference whose values are told."""
ERASED = "erased"
"""Why decisions on what a person sent cannot be checked where that person was forgotten: that is no fault."""
ERASED_FEEDBACK = "erased-feedback"
"""Why decisions of a model cannot be checked that had learnt of a person who was forgotten: no fault, either."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that is not what its event and its model give."""

    event: str
    what: list[str]
    """The members that differ, by their paths."""
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Of the first of them, by path, the value in the record and the one that was made again."""

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"event": self.event, "what": self.what, "values": {path: [*both] for path, both in self.values.items()}}

    @classmethod
    def of(cls, event: str, found: Mapping[str, tuple[Any, Any]]) -> Difference:
        """A decision of which these members differ."""
        return cls(event, list(found), dict(islice(found.items(), VALUES)))


@dataclass(frozen=True, slots=True)
class ChainPlace:
    """A place where the chain is broken."""

    what: str
    """`changed` for a record whose bytes are not those of its digest, `missing` for one whose predecessor is gone."""
    record: str
    """Topic, partition and offset of the record."""
    event: str | None
    partition: int | None
    """Of the events; None where the record cannot be read."""
    offset: int | None
    """Of the event."""

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {name: getattr(self, name) for name in ("what", "record", "event", "partition", "offset")}


@dataclass(slots=True)
class ChainFound:
    """How the chains of all partitions of the events stand."""

    links: int = 0
    """Decisions whose predecessor is there."""
    begun: int = 0
    """Decisions that have none, or whose predecessor was deleted with the beginning of the topic."""
    again: int = 0
    """Decisions on an event that was decided before: after a crash under at-least-once, or a record that was copied."""
    missing: int = 0
    """Decisions whose predecessor is gone from the midst of the log, or which name none though they are not the first
    on their partition of the events."""
    changed: int = 0
    """Records whose bytes are not those of their digest."""
    places: list[ChainPlace] = field(default_factory=list)
    """The first of these."""

    @property
    def whole(self) -> bool:
        """Whether nothing was changed and nothing is missing."""
        return not (self.missing or self.changed)

    def note(self, place: ChainPlace) -> None:
        """Count a broken place."""
        self.missing += place.what == "missing"
        self.changed += place.what == "changed"
        if len(self.places) < MOST:
            self.places.append(place)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        counts = {name: getattr(self, name) for name in ("links", "begun", "again", "missing", "changed")}
        return counts | {"places": [place.as_json() for place in self.places]}


@dataclass(slots=True)
class HeadsFound:
    """How heads of chains that were kept elsewhere stand in the log."""

    found: int = 0
    expired: int = 0
    """Heads that are older than what the topic of the decisions still holds."""
    missing: list[dict[str, Any]] = field(default_factory=list)
    """Heads that stand in the log no more."""

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"found": self.found, "expired": self.expired, "missing": self.missing}


@dataclass(slots=True)
class VerifyReport:
    """The whole."""

    reproduced: int = 0
    to_the_byte: int = 0
    """Of these, the ones whose bytes are the same; of the others numbers differ by less than a millionth."""
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first of these."""
    not_checkable: Counter[str] = field(default_factory=Counter)
    """By reason."""
    chain: ChainFound = field(default_factory=ChainFound)
    heads: HeadsFound | None = None
    """None where none were asked for."""

    @property
    def checked(self) -> int:
        """Decisions that were made again."""
        return self.reproduced + self.different

    @property
    def good(self) -> bool:
        """Whether all is as it should be: what was erased is the only thing that could not be checked."""
        rest = self.not_checkable.total() - self.not_checkable[ERASED] - self.not_checkable[ERASED_FEEDBACK]
        heads = self.heads is None or not self.heads.missing
        return not self.different and not rest and self.chain.whole and heads

    def note(self, difference: Difference) -> None:
        """Count a decision that differs."""
        self.different += 1
        if len(self.differences) < MOST:
            self.differences.append(difference)

    def as_json(self) -> dict[str, Any]:
        """What `--report json` prints."""
        found: dict[str, Any] = {name: getattr(self, name) for name in ("checked", "reproduced", "to_the_byte")}
        found |= {"different": self.different, "differences": [one.as_json() for one in self.differences]}
        found |= {"not_checkable": dict(sorted(self.not_checkable.items())), "chain": self.chain.as_json()}
        return found if self.heads is None else found | {"heads": self.heads.as_json()}
