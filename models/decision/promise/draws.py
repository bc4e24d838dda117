"""For which events quick labels are asked: by a draw of the id, which the label brings back."""

from __future__ import annotations

from zlib import crc32

from tocsin.kernels.common.draws import uniform

STREAM = 0x9C1C
"""Sets these draws apart from all others of the seed."""


def draw_of(seed: int, identity: str) -> float:
    """A number from 0 to 1 for the event of this id.

    >>> 0.0 <= draw_of(0, "e1") < 1.0, draw_of(0, "e1") == draw_of(0, "e1"), draw_of(0, "e1") == draw_of(1, "e1")
    (True, True, False)
    """
    return float(uniform(seed, STREAM, crc32(identity.encode("utf-8", "surrogatepass"))))
