"""A Bloom filter of n-grams: most n-grams that were never admitted cost one look at a bit, and no search.

Source: Bloom 1970, "Space/time trade-offs in hash coding with allowable errors", CACM 13; one bit per key.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.characters import Codes
from tocsin.kernels.text.tokeniser.hashing import (
    BEGIN,
    NOTHING,
    TWIST,
    Keys,
    close,
    put,
    step,
)

_LOW, _SIX, _LAST, _ONE = np.uint64(11), np.uint64(6), np.uint64(63), np.uint64(1)
BITS = 16
"""Bits per n-gram that is entered: about one in 16 of the unknown n-grams is taken for a known one and searched for."""


def empty_filter(room: int) -> Keys:
    """A filter that holds nothing, with bits for so many entries (n-grams and their prefixes)."""
    return np.zeros(max(1, (1 << max(6, (BITS * room - 1).bit_length())) // 64), np.uint64)


def filled(bits: Keys, entered: int) -> bool:
    """Whether so many entries are more than the filter was made for."""
    return BITS * entered > 64 * len(bits)


@kernel
def enter_key(bits: Keys, key: np.uint64) -> None:
    """Enter a key into the filter."""
    i = (key >> _LOW) & np.uint64(64 * len(bits) - 1)
    bits[i >> _SIX] |= _ONE << (i & _LAST)


@kernel
def may_hold(bits: Keys, key: np.uint64) -> bool:
    """Whether the key may have been entered; False only where it never was."""
    i = (key >> _LOW) & np.uint64(64 * len(bits) - 1)
    return bool((bits[i >> _SIX] >> (i & _LAST)) & _ONE)


def enter_names(bits: Keys, names: Sequence[str]) -> None:
    """Enter n-grams of several words, and their prefixes; words are in lower case and apart by one space."""
    many = [name for name in names if " " in name]
    if many:
        text = "\n".join(many) + "\n"
        _enter_spelt(bits, np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))


@kernel
def _enter_spelt(bits: Keys, text: Codes) -> None:
    """Enter the n-grams of a text, code points uint32, in which each n-gram ends with a line feed."""
    key, chunk, size = BEGIN, NOTHING, NOTHING
    gram, first = NOTHING, True
    for i in range(len(text)):
        code = text[i]
        if code != 32 and code != 10:
            key, chunk, size = put(key, chunk, size, np.uint64(code))
            continue
        word = close(key, chunk, size)
        gram = word if first else step(step(gram, TWIST), word)
        enter_key(bits, gram)
        first = code == 10
        key, chunk, size = BEGIN, NOTHING, NOTHING
