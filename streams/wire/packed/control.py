"""Control records of the feedback topic: what happens to the models of all workers at one offset.

They stand in the feedback, so that their order is that of learning. A record begins with two bytes, the mark and the
version; a msgpack map follows.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CONTROL_MARK = b"\xc1\x02"
"""A byte that neither JSON nor msgpack uses, and what tells a control record from feedback."""

Reason = Literal["promote", "rollback", "taken-back", "forgotten"]


class Control(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What somebody asked of the models.

    `decide-by`: from its offset on the model of the config `config` decides.

    `leave-out`: from its offset on every model is what it would be had some earlier feedback records never been
    written. These are the ones at `offsets`, and those with first <= offset < end, or of these only what `source` said.
    """

    kind: Literal["decide-by", "leave-out"]
    reason: Reason
    time: int
    """Epoch milliseconds."""
    by: str = ""
    """Who asked for it."""
    config: str = ""
    """A config digest, as `model.settings` of decisions."""
    before: str = ""
    """That of the config which decided until then, as whoever asked knew it: what a rollback goes back to."""
    first: int = 0
    end: int = 0
    source: str | msgspec.UnsetType | None = msgspec.UNSET
    """A source of labels, None for labels without one; where it is missing, all sources are meant."""
    offsets: list[int] = []
    keys: list[str] = []
    """Ids of keys, hexadecimal, that are deleted because subjects are forgotten. What a worker that had not read this
    record yet sealed under one of them stands behind it, and no model learns it."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Control)


def packed_control(control: Control) -> bytes:
    """The bytes of a record.

    >>> read_control(packed_control(Control(kind="decide-by", reason="promote", time=0, config="ab"))).config
    'ab'
    """
    return CONTROL_MARK + _ENCODER.encode(control)


def is_control(value: bytes | None) -> bool:
    """Whether the value of a record of the feedback topic is a control record."""
    return value is not None and value.startswith(CONTROL_MARK)


def read_control(value: bytes) -> Control:
    """The control record of these bytes. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value[len(CONTROL_MARK) :])
