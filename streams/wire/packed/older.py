"""Records that earlier versions wrote, where a key has another name by now. They are read, and written no more.

What is read is renewed at once: a struct of this module would be written with its old keys.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import field

from tocsin.streams.wire.records import Context, Feedback, Figure

Record = TypeVar("Record", bound=msgspec.Struct)


class ContextOfOld(Context, frozen=True, omit_defaults=True):
    """`Context` as it was until 0.1.0."""

    nonconformity: list[Figure] | None = field(default=None, name="strangeness")


class FeedbackOfOld(Feedback, frozen=True):
    """`Feedback` as it was until 0.1.0."""

    context: ContextOfOld | None = field(name="saw")


def renewed(kind: type[Record], older: Record) -> Record:
    """A record of `kind` with the values of an older form of it."""
    values = {name: getattr(older, name) for name in kind.__struct_fields__}
    context = values.get("context")
    if isinstance(context, ContextOfOld):
        values["context"] = renewed(Context, context)
    return kind(**values)
