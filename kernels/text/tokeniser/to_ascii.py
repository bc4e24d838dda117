"""Texts in one array of ASCII in which the same words are found.

Combining marks are dropped, and signs outside ASCII become a byte that parts words as they do. A text with letters
outside ASCII has no such form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.hashing import NOTHING
from tocsin.kernels.text.tokeniser.simd import (
    BLOCK,
    are,
    eight,
    lowest,
)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_PAD = b"\0" * (2 * BLOCK)
_ONE, _HIGH = np.uint64(1), np.uint64(0x8080_8080_8080_8080)
_SIGN = 1
"""The byte that stands for a sign outside ASCII, and for a zero byte within a text."""
_POOL = 1 << 13
"""Bytes for replacements; those of all Unicode take a sixth of them."""
_FOREIGN = -1

_OUTSIDE = re.compile(r"[^\x00-\x7f]")
_LETTER = re.compile(r"[^\W\x00-\x7f]|(?=[^\x00-\x7f])\s")


def replacement(character: str, sentences: bool) -> str | None:
    """The ASCII in which the same words are found as in a character outside ASCII; None where there is none.

    A character that can be decomposed keeps its letters and loses its marks. Characters may be replaced one by one,
    because decomposition changes the order of marks alone.

    >>> replacement("\u00e9", False), replacement("\u00a3", False), replacement("\u4e2d", False)
    ('e', '\\x01', None)
    """
    found = unicodedata.normalize("NFKD", character)
    # The stops that an ellipsis is decomposed to end no sentence.
    if _LETTER.search(found) or (sentences and "." in found):
        return None
    return _OUTSIDE.sub(lambda m: "" if unicodedata.category(m[0]) == "Mn" else chr(_SIGN), found)


class _Replacements:
    """The replacements of code points, each worked out once."""

    def __init__(self, sentences: bool) -> None:
        self._sentences = sentences
        self.place = np.zeros(0x110000, np.int32)
        """Where a code point's replacement stands in the pool; 0 where it is not known yet, `_FOREIGN` for none."""
        self.pool = np.zeros(_POOL, np.uint8)
        """Each replacement as its length and then its letters."""
        self._used = 1
        self._known: dict[str, int] = {}
        self._lock = Lock()

    def look_up(self, code: int) -> None:
        """Work out the replacement of a code point."""
        with self._lock:  # one table serves every model
            self._look_up(code)

    def _look_up(self, code: int) -> None:
        found = replacement(chr(code), self._sentences)
        if found is None:
            self.place[code] = _FOREIGN
            return
        if found not in self._known:
            entry = bytes([len(found)]) + found.encode("ascii")
            self.pool[self._used : self._used + len(entry)] = np.frombuffer(entry, np.uint8)
            self._known[found], self._used = self._used, self._used + len(entry)
        self.place[code] = self._known[found]


_REPLACEMENTS = _Replacements(False), _Replacements(True)


class Flat(NamedTuple):
    """B texts as one array of ASCII."""

    letters: Bytes
    """ASCII, uint8: each text ends with a zero byte, and the array with `2 * BLOCK` more."""
    ends: Ints
    """The place of each text's zero byte, int64 [B]."""
    longest: int
    """How many letters the longest text has."""
    foreign: Ints
    """The texts that are left empty because they have letters outside ASCII: int64, ascending."""


def flatten(texts: Sequence[str], sentences: bool) -> Flat:
    """B texts in one array; with `sentences` no full stop is lost or added.

    >>> found = flatten(["caf\u00e9 \u2013 5 \u00a3", "\u4e2d", "tea"], False)
    >>> bytes(found.letters[: found.ends[-1]]), found.foreign.tolist()
    (b'cafe \\x01 5 \\x01\\x00\\x00tea', [1])
    """
    if not texts:
        return Flat(np.frombuffer(_PAD, np.uint8), np.empty(0, np.int64), 0, np.empty(0, np.int64))
    text = "\0".join(texts)
    letters, starts = _letters(text, sentences)
    ends, longest, more = close_texts(letters, len(texts))
    if more:
        return flatten([text.replace("\0", chr(_SIGN)) for text in texts], sentences)
    return Flat(letters, ends, longest, np.searchsorted(ends, starts))


def _letters(text: str, sentences: bool) -> tuple[Bytes, Ints]:
    """The ASCII of texts that are joined by zero bytes, and where the texts begin that were left empty."""
    raw = np.frombuffer(text.encode("utf-8", "surrogatepass") + _PAD, np.uint8)
    if text.isascii():
        return raw, np.empty(0, np.int64)
    known = _REPLACEMENTS[sentences]
    out = np.empty(2 * len(raw), np.uint8)
    starts = np.empty(len(raw) - len(text) - len(_PAD), np.int64)
    at = size = emptied = 0
    while True:
        at, size, emptied, unknown = _flatten(raw, at, known.place, known.pool, out, size, starts, emptied)
        if unknown < 0:
            # `np.frombuffer` above gives such an array, too, and so kernels are compiled for one kind of array only.
            out.flags.writeable = False
            return out[:size], starts[:emptied]
        known.look_up(unknown)


@kernel
def _code_point(raw: Bytes, at: int) -> tuple[int, int]:
    """The code point whose two to four bytes of UTF-8 begin at a place, and the number of these bytes."""
    first = np.int64(raw[at])
    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    code = first & (0xFF >> (width + 1))
    for i in range(at + 1, at + width):
        code = code << 6 | (np.int64(raw[i]) & 0x3F)
    return int(code), width


@kernel
def _next_outside(raw: Bytes, at: int) -> int:
    """The first byte outside ASCII from a place on, or the middle of the padding after the texts."""
    address, last = np.int64(raw.ctypes.data), len(raw) - BLOCK
    while at < last:
        high = eight(address + at) & _HIGH
        if high != NOTHING:
            return int(min(at + lowest(high) // 8, last))
        at += 8
    return last


@kernel
def _flatten(
    raw: Bytes, at: int, place: NDArray[np.int32], pool: Bytes, out: Bytes, size: int, starts: Ints, emptied: int
) -> tuple[int, int, int, int]:
    """Go on flattening UTF-8 from `at`, with `size` bytes written and so many texts left empty.

    Returns these three numbers, and the code point that must be looked up first, or -1 at the end.
    """
    last = len(raw) - BLOCK
    while True:
        outside = _next_outside(raw, at)
        out[size : size + outside - at] = raw[at:outside]
        size += outside - at
        at = outside
        if at == last:
            out[size : size + BLOCK] = 0
            return at, size + BLOCK, emptied, -1
        code, width = _code_point(raw, at)
        entry = place[code]
        if entry == 0:
            return at, size, emptied, code
        if entry > 0:
            length = int(pool[entry])
            out[size : size + length] = pool[entry + 1 : entry + 1 + length]
            size += length
            at += width
            continue
        while size > 0 and out[size - 1] != 0:
            size -= 1
        starts[emptied] = size
        emptied += 1
        while raw[at] != 0:
            at += 1


@kernel
def close_texts(text: Bytes, texts: int) -> tuple[Ints, int, int]:
    """Where each of so many texts ends [B], the length of the longest, and how many zero bytes there are too many."""
    ends = np.empty(texts, np.int64)
    found, longest, start = 0, 0, 0
    n = len(text) - 2 * BLOCK + 1
    address = np.int64(text.ctypes.data)
    for base in range(0, n, BLOCK):
        zeros = are(address + base, np.uint8(0))
        if n - base < BLOCK:
            zeros &= (_ONE << np.uint64(n - base)) - _ONE
        while zeros != NOTHING:
            end = base + lowest(zeros)
            zeros &= zeros - _ONE
            if found < texts:
                ends[found] = end
                longest = max(longest, end - start)
                start = end + 1
            found += 1
    return ends, longest, found - texts
