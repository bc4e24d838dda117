"""What a second model saw of an event: it is kept with the event, and its feedback carries it.

A shadow scores events beside the model that decides. What it saw of them at their own time is what it is to learn from,
in every worker, or it would be another model than it is when it decides alone. The names of features are those of the
event's own layout, and are not repeated.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tocsin.models.data.batch import Floats
from tocsin.streams.wire.packed.layout import Layout, read_layout


class SeenBeside(msgspec.Struct, frozen=True, array_like=True):
    """What one more model saw of an event."""

    layout: bytes
    """`Layout.packed` of a layout without the names and kinds of features."""
    numbers: bytes
    """A row of float64 by the layout with them, in little-endian bytes."""


def beside_of(layout: Layout, rows: Floats) -> list[SeenBeside]:
    """What a model saw of B events, whose numbers [B, layout.width] are these."""
    bare = msgspec.structs.replace(layout, features=(), kinds=(), keys=(), said=0).packed
    numbers, size = rows.astype("<f8", copy=False).tobytes(), 8 * layout.width
    return [SeenBeside(bare, numbers[start : start + size]) for start in range(0, len(numbers), size)]


@lru_cache(maxsize=64)
def layout_beside(bare: bytes, of: Layout) -> Layout:
    """The layout of what was seen beside an event whose own layout is `of`. Raises msgspec.MsgspecError."""
    return msgspec.structs.replace(read_layout(bare), features=of.features, kinds=of.kinds, keys=of.keys, said=of.said)
