"""Whether the chains of decisions are whole: nothing was changed in a record, and none is gone from the midst.

Two decisions may have one predecessor: under at-least-once an event is decided again after a crash. Whoever can write
to the topic can also write a chain that is whole, so that decisions at its end can be taken away unseen, or all from
some point on be written anew: a head of the chain that is kept elsewhere (`heads`) shows that, and what is written anew
must still be what the events and the models give.
"""

from __future__ import annotations

from typing import Any

import orjson

from tocsin.streams.replay.past.decisions import PastDecision, PastDecisions
from tocsin.streams.replay.verify.report import ChainFound, ChainPlace, HeadsFound
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.kinds.link import Link
from tocsin.streams.worker.outputs.chain import CLOCKS_APART_MS


class HeadsError(Exception):
    """A file of heads cannot be read."""


def check_chain(past: PastDecisions) -> ChainFound:
    """How the chains stand."""
    found = ChainFound()
    for record in past.unreadable:
        found.note(ChainPlace("changed", _name(record), None, None, None))
    there: set[tuple[int, str]] = {(one.link.partition, one.link.sha256) for one in past.decisions if one.link}
    passage = _Passage(past)
    for one in past.decisions:
        link = one.link
        if link is None:
            continue
        if not one.whole:
            found.note(_place("changed", one))
        found.again += passage.is_again(link)
        if (link.partition, link.before) in there:
            found.links += 1
        elif passage.is_first(link) if not link.before else passage.explains(link):
            found.begun += 1
        else:
            found.note(_place("missing", one))
        passage.passed(one, link)
    return found


class _Passage:
    """One passage through the decisions in their order; tells which predecessors retention may have deleted.

    The decisions on one partition of the events lie in any partition of their topic, in their order. So a predecessor
    can have been deleted from the beginning of one alone in which no decision is left that is earlier than its
    successor. It was made after the last decision before it that is left, and is not later than what is left there.
    """

    def __init__(self, past: PastDecisions) -> None:
        latest = past.trimmed_before
        self._trimmed = {at: latest if time is None else time for at, time in past.trimmed.items()}
        self._first: dict[tuple[int, int], int] = {}
        """By partition of the topic and of the events, the first offset of an event whose decision is left."""
        for one in past.decisions:
            if one.link is not None:
                self._first.setdefault((one.record.partition, one.link.partition), one.link.offset)
        self._last: tuple[Link, int] | None = None
        """The last decision that was passed, and the latest time of one before it on its partition of the events."""
        self._time: int | None = None

    def passed(self, one: PastDecision, link: Link) -> None:
        """The next decisions come behind this one."""
        self._time = self._time_before(link)
        self._last = link, one.record.timestamp

    def is_again(self, link: Link) -> bool:
        """Whether the event of a decision, which comes behind all that were passed, was decided before."""
        last = None if self._last is None else self._last[0]
        return last is not None and (last.partition, last.offset) == (link.partition, link.offset)

    def is_first(self, link: Link) -> bool:
        """Whether no decision that is left on its partition of the events comes before it."""
        return self._time_before(link) is None

    def explains(self, link: Link) -> bool:
        """Whether its predecessor may have been deleted with the beginning of a partition of the topic."""
        time = self._time_before(link)
        return any(
            self._first.get((at, link.partition), link.offset) >= link.offset
            and (time is None or (first is not None and time <= first + CLOCKS_APART_MS))
            for at, first in self._trimmed.items()
        )

    def _time_before(self, link: Link) -> int | None:
        """The timestamp of the last decision before one on its partition of the events; None where none is left."""
        if self._last is None or self._last[0].partition != link.partition:
            return None
        return self._last[1] if self._last[0].offset < link.offset else self._time


def heads_of(past: PastDecisions) -> list[dict[str, Any]]:
    """The last decision on each partition of the events: `partition`, `offset`, `sha256`, `decided_at`."""
    heads = {one.link.partition: one for one in past.decisions if one.link is not None}
    return [
        {
            "partition": partition,
            "offset": one.link.offset,
            "sha256": one.link.sha256,
            "decided_at": one.head.decided_at,
        }
        for partition, one in sorted(heads.items())
        if one.link is not None
    ]


def written_heads(past: PastDecisions) -> bytes:
    """What `--export-heads` writes: JSON."""
    return orjson.dumps({"heads": heads_of(past)}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def check_heads(past: PastDecisions, written: bytes) -> HeadsFound:
    """Whether heads that were written earlier still stand in the log. Raises HeadsError."""
    there = {(one.link.partition, one.link.offset, one.link.sha256): one for one in past.decisions if one.link}
    found = HeadsFound()
    for head in read_heads(written):
        one = there.get((head["partition"], head["offset"], head["sha256"]))
        if one is not None and one.whole:
            found.found += 1
        elif one is None and past.trimmed_before is not None and head["decided_at"] <= past.trimmed_before:
            found.expired += 1
        else:
            found.missing.append(head)
    return found


def read_heads(written: bytes) -> list[dict[str, Any]]:
    """The heads in a file that `written_heads` gave; at least one. Raises HeadsError."""
    try:
        heads: list[dict[str, Any]] = orjson.loads(written)["heads"]
        read = [
            {name: kind(head[name]) for name, kind in (("partition", int), ("offset", int), ("sha256", str))}
            | {"decided_at": int(head["decided_at"])}
            for head in heads
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise HeadsError(f"no heads can be read from it: {error!r}") from error
    if not read:
        raise HeadsError("it holds no head")
    return read


def _place(what: str, one: PastDecision) -> ChainPlace:
    link = one.link
    assert link is not None
    return ChainPlace(what, _name(one.record), one.head.event, link.partition, link.offset)


def _name(record: Record) -> str:
    return f"{record.topic}-{record.partition}, offset {record.offset}"
