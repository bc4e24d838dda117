"""The mark of a bootstrapped feedback record: which history it is of, and its number there, in a header of the record.

A bootstrap keeps its place in what it wrote, so that it goes on where it was interrupted and nothing is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.control import is_control

HEADER = "__tocsin.bootstrap"
HEADER_BYTES = 100
"""The most bytes of the header as a broker counts them."""
_FORM = re.compile(rb"([0-9a-f]{16})/([0-9]{1,19})(/last)?")


class Mark(NamedTuple):
    """What the header of one record says."""

    history: str
    """Sixteen hex digits over all events and labels of the history, in their order."""
    number: int
    """Which of them the record is of, counted from 0 in the order in which they are written."""
    last: bool = False
    """Whether no record of the history follows."""

    @property
    def header(self) -> tuple[str, bytes]:
        """The header of the record."""
        return HEADER, f"{self.history}/{self.number}{'/last' if self.last else ''}".encode()


def mark_of(record: Record) -> Mark | None:
    """The mark of a feedback record; None where a worker wrote it, or somebody else."""
    for name, value in record.headers:
        if name == HEADER and (found := _FORM.fullmatch(value)):
            return Mark(found[1].decode(), int(found[2]), found[3] is not None)
    return None


class Places(NamedTuple):
    """How far a feedback topic holds histories, and what else it holds."""

    reached: dict[str, Mark]
    """By history, the mark of its last record."""
    others: int
    """Records without a mark."""


def places(records: Iterable[Record]) -> Places:
    """What the records of a feedback topic say. Control records are passed over."""
    reached: dict[str, Mark] = {}
    others = 0
    for record in records:
        if is_control(record.value):
            continue
        mark = mark_of(record)
        if mark is None:
            others += 1
        elif mark.history not in reached or mark.number > reached[mark.history].number:
            reached[mark.history] = mark
    return Places(reached, others)
