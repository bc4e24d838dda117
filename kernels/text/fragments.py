"""Texts that are put together from fragments: many at once, without an object for each of their parts.

The fragments stand in one array of bytes, one after the other or anywhere; a text is a row of their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
NOTHING = -1
"""In the place of a fragment's number: no fragment."""


@kernel
def fill_ends(parts: Ints, bounds: Ints, ends: Ints) -> None:
    """Fill in where each text ends, [B], for the fragments `parts` [B, P] with the `bounds` [M, 2]."""
    end = 0
    for b in range(parts.shape[0]):
        for p in range(parts.shape[1]):
            part = parts[b, p]
            if part >= 0:
                end += bounds[part, 1] - bounds[part, 0]
        ends[b] = end


@kernel
def fill_texts(parts: Ints, bounds: Ints, fragments: Bytes, out: Bytes) -> None:
    """Copy the fragments `parts` [B, P] to `out`, one after the other."""
    end = 0
    for b in range(parts.shape[0]):
        for p in range(parts.shape[1]):
            part = parts[b, p]
            if part >= 0:
                for at in range(bounds[part, 0], bounds[part, 1]):
                    out[end] = fragments[at]
                    end += 1


def joined(parts: Ints, bounds: Ints, fragments: Bytes) -> list[bytes]:
    """B texts, each of the fragments whose numbers stand in its row of `parts` int64 [B, P], `NOTHING` for none.

    `bounds` int64 [M, 2] says where each fragment begins and ends in `fragments` uint8.
    """
    parts, bounds = np.ascontiguousarray(parts, np.int64), np.ascontiguousarray(bounds, np.int64)
    ends = np.empty(len(parts), np.int64)
    fill_ends(parts, bounds, ends)
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    fill_texts(parts, bounds, fragments, out)
    data, start, texts = out.tobytes(), 0, []
    for end in ends.tolist():
        texts.append(data[start:end])
        start = end
    return texts


def reference_joined(parts: Ints, fragments: Sequence[bytes]) -> list[bytes]:
    """The plain form of `joined`, for fragments that are objects."""
    return [b"".join(fragments[part] for part in row if part != NOTHING) for row in parts.tolist()]


@kernel
def fill_string_ends(text: Bytes, ends: Ints) -> None:
    """Fill in where each string ends in a JSON array of strings: the place after its closing quotation mark."""
    n, at = 0, 1
    while n < ends.shape[0]:
        at += 1  # the opening quotation mark
        while text[at] != 34:
            at += 2 if text[at] == 92 else 1
        at += 1
        ends[n] = at
        n += 1
        at += 1  # the comma
