"""The keys of single words of ASCII, read from memory eight bytes at a time."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.addresses import Address, address_of
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.characters import (
    BACKSLASH,
    COMMA,
    DIGIT,
    DOLLAR,
    DROP,
    MINUS,
    NEWLINE,
    PERCENT,
    SLASH,
    SPACE,
    STOP,
    alphabet,
)
from tocsin.kernels.text.tokeniser.hashing import BEGIN, NOTHING, close, put, step, word_key
from tocsin.kernels.text.tokeniser.numbers import is_degree
from tocsin.kernels.text.tokeniser.scan import MARKER
from tocsin.kernels.text.tokeniser.simd import byte, eight, lowest

FLAGS, LOWER = alphabet(128)
FIRST_EIGHT = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(17)], np.uint64)
SECOND_EIGHT = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(17)], np.uint64)
"""Which bits of a word's first and second eight bytes belong to the word, by its length."""
NOT_LETTERS = np.uint64(0x4040_4040_4040_4040)
"""The bit that every letter and the underscore have, and no digit or apostrophe."""
A_WORD, NO_WORD = -1, -2
"""What comes with a key: whether there is a word at all. A number that is not plain has its place there."""

_ONE = np.uint64(1)
_EACH, _HIGH = np.uint64(0x0101_0101_0101_0101), np.uint64(0x8080_8080_8080_8080)
_APOSTROPHES = np.uint64(0x2727_2727_2727_2727)
_TENS, _DIGITS = np.uint64(0xF0F0_F0F0_F0F0_F0F0), np.uint64(0x3030_3030_3030_3030)
_NUMBER = np.uint64(word_key("nnbrr"))


@kernel
def without_apostrophes(letters: np.uint64, size: int) -> tuple[np.uint64, int]:
    """Up to eight letters without the apostrophes among them, and how many are left."""
    while True:
        there = letters ^ _APOSTROPHES
        there = (there - _EACH) & ~there & _HIGH
        if there == NOTHING:
            return letters, size
        below = (_ONE << np.uint64(lowest(there) & 56)) - _ONE
        letters = (letters & below) | ((letters >> np.uint64(8)) & ~below)
        size -= 1


@kernel
def key_of_long_word(address: Address, size: int) -> tuple[np.uint64, bool]:
    """The key of a word of more than 16 letters, and whether it is nothing but letters."""
    key = BEGIN
    pure = True
    for at in range(0, size, 8):
        own = FIRST_EIGHT[min(size - at, 8)]
        letters = eight(address + at) & own
        pure = pure and ~letters & NOT_LETTERS & own == NOTHING
        key = step(key, letters)
    return step(key, np.uint64(size)), pure


@kernel
def ends_sentence(letter: int, cut: bool) -> bool:
    """Whether a letter ends a sentence of a text that is cut there."""
    return cut and (letter in (STOP, NEWLINE))


@kernel
def is_plain_number(lo: Address, first: Address, last: Address, hi: Address, cut: bool) -> bool:
    """Whether the digits [first, last) of the text [lo, hi) are a plain number; all four are addresses.

    It is `numbers.end_of_plain_number` on memory. `cut` says whether sentences are read apart.
    """
    flags = address_of(FLAGS)
    back = first - 1
    if back >= lo:
        c = byte(back)
        if c in (MINUS, SLASH, BACKSLASH):
            return False
        while byte(flags + c) & SPACE and not ends_sentence(c, cut):
            back -= 1
            if back < lo:
                break
            c = byte(back)
        if back >= lo and (c == DOLLAR or byte(flags + c) & DROP):
            return False
    if last >= hi:
        return True
    c = byte(last)
    if c in (MINUS, SLASH, BACKSLASH):
        return False
    if (c == COMMA or (c == STOP and not cut)) and last + 1 < hi and byte(flags + byte(last + 1)) & (DIGIT | DROP):
        return False
    while byte(flags + c) & SPACE and not ends_sentence(c, cut):
        last += 1
        if last >= hi:
            return True
        c = byte(last)
    return not (is_degree(c) or c == PERCENT or byte(flags + c) & DROP)


@kernel
def key_of_mixed_word(lo: Address, first: Address, last: Address, hi: Address, cut: bool) -> tuple[np.uint64, int]:
    """The key of the word [first, last) with numbers or apostrophes in it, and A_WORD or NO_WORD.

    Where a number is not plain there is no key, and the number's place from `lo` on comes instead.
    """
    flags = address_of(FLAGS)
    key, chunk, size = BEGIN, NOTHING, NOTHING
    i = first
    while i < last:
        c = byte(i)
        f = byte(flags + c)
        if f & DIGIT:
            after = i + 1
            while after < last and byte(flags + byte(after)) & DIGIT:
                after += 1
            if not is_plain_number(lo, i, after, hi, cut):
                return key, i - lo
            for low in MARKER:
                key, chunk, size = put(key, chunk, size, np.uint64(low))
            i = after
            continue
        if not f & DROP:
            key, chunk, size = put(key, chunk, size, np.uint64(c + 32 if 65 <= c <= 90 else c))
        i += 1
    return (close(key, chunk, size), A_WORD) if size > NOTHING else (key, NO_WORD)


@kernel
def key_of_odd_word(
    low: Address, lo: Address, first: Address, size: int, hi: Address, cut: bool
) -> tuple[np.uint64, int]:
    """`key_of_mixed_word` of a word that is long or not of letters alone, the frequent kinds by short cuts.

    The word begins at `first` in the text [lo, hi), and in lower case at `low`.
    """
    if size > 16:
        key, pure = key_of_long_word(low, size)
        return (key, A_WORD) if pure else key_of_mixed_word(lo, first, first + size, hi, cut)
    one, two = eight(low) & FIRST_EIGHT[size], eight(low + 8) & SECOND_EIGHT[size]
    if size <= 8 and ~one & NOT_LETTERS & FIRST_EIGHT[size] & (one << np.uint64(2)) == NOTHING:
        one, size = without_apostrophes(one, size)
        return step(step(step(BEGIN, one), NOTHING), np.uint64(size)), A_WORD if size > 0 else NO_WORD
    if one & _TENS == _DIGITS & FIRST_EIGHT[size] and two & _TENS == _DIGITS & SECOND_EIGHT[size]:
        return _NUMBER, A_WORD if is_plain_number(lo, first, first + size, hi, cut) else first - lo
    return key_of_mixed_word(lo, first, first + size, hi, cut)
