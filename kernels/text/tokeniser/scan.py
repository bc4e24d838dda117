"""The scanner: from code points to hashed words and the marks before them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.characters import (
    ALNUM,
    ALONE,
    DIGIT,
    DOLLAR,
    DOT,
    DROP,
    HASH,
    LETTER,
    MORE,
    PERCENT,
    SPACE,
    WORD,
    Alphabet,
    Codes,
    Flags,
)
from tocsin.kernels.text.tokeniser.hashing import BEGIN, NOTHING, Keys, close, put
from tocsin.kernels.text.tokeniser.numbers import end_of_plain_number, is_degree
from tocsin.kernels.text.tokeniser.reference import BREAK


class Reader(NamedTuple):
    """How texts are read."""

    alphabet: Alphabet
    cut_stop: bool
    """Whether a full stop ends a sentence."""
    cut_line: bool
    """Whether a line end does."""
    characters: bool
    """Whether every word character outside ASCII is a word of its own, and everything else a break."""
    spell: bool
    """Whether the letters of words are written, besides their hashes."""


LETTERS, WORDS = range(2)
"""The places of `Output.used`."""
MARKER = np.array([110, 110, 98, 114, 114], np.uint32)
"""`nnbrr`, which stands for a number."""


class Output(NamedTuple):
    """The words that were found, in arrays with room for more; see `unicode.Words`."""

    keys: Keys
    before: Flags
    ends: NDArray[np.int64]
    letters: NDArray[np.uint32]
    used: NDArray[np.int64]
    """How many letters and how many words there are, int64 [2]."""


@kernel
def is_break(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> bool:
    """Whether a hash sign at i breaks n-grams: no letter follows it, or it is chained to a hashtag before it."""
    after = i + 1
    while after < hi and flags[text[after]] & DROP:
        after += 1
    if after >= hi or not flags[text[after]] & (LETTER | DIGIT):
        return True
    before = i - 1
    while before >= lo and flags[text[before]] & (SPACE | DROP):
        before -= 1
    end = before
    while before >= lo and flags[text[before]] & (ALNUM | DROP):
        before -= 1
    return before < end and before >= lo and text[before] == HASH


@kernel
def scan(
    text: Codes, lo: int, start: int, hi: int, pending: int, marked: bool, reader: Reader, out: Output
) -> tuple[int, int, int]:
    """Append the words of the piece [lo, hi) of a text to `out`, from `start` on; `pending` is the mark before them.

    Returns the mark before the next word, and -1 twice. Unless numbers are `marked` already, a number that is not plain
    ends the scan: then `out` ends at the last white space, whose mark and place are returned, and the number's place.
    """
    flags, lower = reader.alphabet
    characters, spell = reader.characters, reader.spell
    keys, before, ends, letters, used = out
    position, count, i = used[LETTERS], used[WORDS], start
    safe, safe_position, safe_count, safe_pending = start, position, count, pending
    while i < hi:
        c = text[i]
        f = flags[c]
        if not f & WORD:
            if f & DOT or (characters and not f & DROP) or (c == HASH and is_break(text, lo, i, hi, flags)):
                pending |= BREAK
            i += 1
            if f & SPACE:
                safe, safe_position, safe_count, safe_pending = i, position, count, pending
            continue
        before[count], pending = pending, 0
        key, chunk, size, first, alone = BEGIN, NOTHING, NOTHING, i, f & ALONE != 0 or (characters and c > 127)
        while i < hi:
            c = text[i]
            f = flags[c]
            if not f & MORE or (i > first and (alone or f & ALONE or (characters and c > 127 and f & WORD))):
                break
            end = i + 1
            if f & DIGIT and not marked:
                end = end_of_plain_number(text, lo, i, hi, flags)
                if end < 0:
                    used[LETTERS], used[WORDS] = safe_position, safe_count
                    return safe_pending, safe, i
                for low in MARKER:
                    key, chunk, size = put(key, chunk, size, np.uint64(low))
                    if spell:
                        letters[position], position = low, position + 1
            elif f & WORD:
                key, chunk, size = put(key, chunk, size, np.uint64(lower[c]))
                if spell:
                    letters[position], position = lower[c], position + 1
            i = end
        keys[count], count = close(key, chunk, size), count + 1
        if spell:
            ends[count - 1] = position
    used[LETTERS], used[WORDS] = position, count
    return pending, -1, -1


@kernel
def can_part_at(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> bool:
    """Whether neither a word nor a number that is replaced reaches over i, so that both sides can be read apart."""
    if i <= lo or i >= hi:
        return True
    c = text[i]
    if not flags[text[i - 1]] & SPACE or flags[c] & (SPACE | DROP):
        return False
    if is_degree(c) or c == PERCENT:
        return False
    i -= 1
    while i >= lo and flags[text[i]] & (SPACE | DROP):
        i -= 1
    return i < lo or text[i] != DOLLAR


@kernel
def stretch_around(text: Codes, lo: int, safe: int, i: int, hi: int, flags: Flags) -> tuple[int, int]:
    """The stretch of the piece [lo, hi) that must be read anew for a number at i: from where to where.

    It begins at `safe` where the text can be parted there; else it is the whole piece.
    """
    if not can_part_at(text, lo, safe, hi, flags):
        return lo, hi
    end = i + 1
    while not can_part_at(text, lo, end, hi, flags):
        end += 1
    for k in range(safe, end):
        if text[k] == HASH:  # whether it breaks n-grams depends on what stands before it
            return lo, hi
    return safe, end
