"""The hash of a word, eight bytes of its UTF-8 at a step, and the hash of an n-gram from the hashes of its words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Keys = NDArray[np.uint64]

BEGIN, PRIME, TWIST = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0x2127599BF4325C37),
    np.uint64(0xD6E8FEB86659FD93),
)
NOTHING = np.uint64(0)
_SHIFT = np.uint64(29)
_ONE, _THREE, _SEVEN, _EIGHT = np.uint64(1), np.uint64(3), np.uint64(7), np.uint64(8)
_SIX, _TWELVE, _EIGHTEEN, _LOW = np.uint64(6), np.uint64(12), np.uint64(18), np.uint64(0x3F)
_NEXT, _TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = np.uint64(0x80), np.uint64(0xC0), np.uint64(0xE0), np.uint64(0xF0)


@kernel
def step(key: np.uint64, code: np.uint64) -> np.uint64:
    """One step of a hash. The key of an n-gram is step(step(key of its prefix, TWIST), key of its last word)."""
    key = (key ^ code) * PRIME
    return key ^ (key >> _SHIFT)


@kernel
def _put_byte(
    key: np.uint64, chunk: np.uint64, size: np.uint64, byte: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Take one more byte of a word into its chunk, and every eighth byte into its key."""
    chunk |= byte << ((size & _SEVEN) << _THREE)
    size += _ONE
    if size & _SEVEN == NOTHING:
        return step(key, chunk), NOTHING, size
    return key, chunk, size


@kernel
def put(key: np.uint64, chunk: np.uint64, size: np.uint64, code: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Take one more code point of a word into (key, chunk, size), which begin as BEGIN, NOTHING, NOTHING."""
    if code < _NEXT:
        return _put_byte(key, chunk, size, code)
    if code < np.uint64(0x800):
        key, chunk, size = _put_byte(key, chunk, size, _TWO_BYTES | (code >> _SIX))
    else:
        if code < np.uint64(0x10000):
            key, chunk, size = _put_byte(key, chunk, size, _THREE_BYTES | (code >> _TWELVE))
        else:
            key, chunk, size = _put_byte(key, chunk, size, _FOUR_BYTES | (code >> _EIGHTEEN))
            key, chunk, size = _put_byte(key, chunk, size, _NEXT | ((code >> _TWELVE) & _LOW))
        key, chunk, size = _put_byte(key, chunk, size, _NEXT | ((code >> _SIX) & _LOW))
    return _put_byte(key, chunk, size, _NEXT | (code & _LOW))


@kernel
def close(key: np.uint64, chunk: np.uint64, size: np.uint64) -> np.uint64:
    """The key of a word, all code points of which have been taken in by `put`."""
    if size & _SEVEN != NOTHING:
        key = step(key, chunk)
    if size <= _EIGHT:
        key = step(key, NOTHING)
    return step(key, size)


def word_key(word: str) -> int:
    """The hash of one word in plain Python: its UTF-8 by eight bytes, at least sixteen of them, and then its length."""
    letters = word.encode("utf-8", "surrogatepass")
    padded = letters.ljust(max(16, -(-len(letters) // 8) * 8), b"\0")
    key = int(BEGIN)
    for i in range(0, len(padded), 8):
        key = plain_step(key, int.from_bytes(padded[i : i + 8], "little"))
    return plain_step(key, len(letters))


def ngram_key(spelt: Sequence[str]) -> int:
    """The hash of an n-gram of one or more words in plain Python."""
    key = word_key(spelt[0])
    for word in spelt[1:]:
        key = plain_step(plain_step(key, int(TWIST)), word_key(word))
    return key


def plain_step(key: int, code: int) -> int:
    """`step` in plain Python, the reference."""
    key = ((key ^ code) * int(PRIME)) & 0xFFFF_FFFF_FFFF_FFFF
    return key ^ (key >> int(_SHIFT))
