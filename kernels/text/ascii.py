"""Texts of ASCII to hashed words, by blocks: where words begin and end from a bit a letter, and their hash by eights.

What it finds is what `tokenise` finds in the same texts, but for breaks within sentences, which nothing that is read
asks for; a test holds the two together. What stands around a number that is not plain is read as `tokens` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.block import (
    BLOCK,
    are,
    byte,
    eight,
    how_many,
    lower,
    lowest,
    words_in,
)
from tocsin.kernels.text.flat import Flat, flatten
from tocsin.kernels.text.keys import (
    BEGIN,
    NOTHING,
    Keys,
    close,
    put,
    step,
    word_key,
)
from tocsin.kernels.text.letters import (
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
    Codes,
    Flags,
    alphabet,
)
from tocsin.kernels.text.numbers import prepare
from tocsin.kernels.text.tokens import scan, stretch
from tocsin.kernels.text.words import SENTENCE

Ints = NDArray[np.int64]
Places = NDArray[np.int32]

PORTION = 1 << 14
"""Letters that are read before their words are looked up, unless one text has more: what is kept of them stays near."""

_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_OTHER = np.uint64(0x4040_4040_4040_4040)
"""The bit that every letter and the underscore have, and no digit or apostrophe."""
_FIRST = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(17)], np.uint64)
_SECOND = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(17)], np.uint64)
"""Which bits of a word's first and second eight letters are its own, by its length."""
_ONE, _LAST = np.uint64(1), np.uint64(63)
_EACH, _HIGH = np.uint64(0x0101_0101_0101_0101), np.uint64(0x8080_8080_8080_8080)
_APOSTROPHES = np.uint64(0x2727_2727_2727_2727)
_TENS, _DIGITS = np.uint64(0xF0F0_F0F0_F0F0_F0F0), np.uint64(0x3030_3030_3030_3030)
_NUMBER = np.uint64(word_key("nnbrr"))


class Portion(NamedTuple):
    """Room for what is found in up to n letters of B texts."""

    low: NDArray[np.uint8]
    """The letters in lower case, uint8 [n + 2 blocks]."""
    edges: Places
    """Where words begin and end in turn, from the portion's first letter, int32 [n + 2 blocks]."""
    cuts: Keys
    """A bit for each letter that ends a sentence, uint64 [n / 64 + 2]."""
    cut_before: Places
    """How many there are before each block."""
    keys: Keys
    """uint64 [n / 2 + B + 8]."""
    places: Places
    """Where each word begins, or the stretch that was read again for it, int32."""
    before: Flags
    """SENTENCE where a word is the first of one, else 0."""
    bounds: Ints
    """Text b of the portion has the words bounds[b] to bounds[b + 1], int64 [B + 1]."""
    marked: NDArray[np.uint32]
    """Scratch for what is read again."""
    marked_too: NDArray[np.uint32]
    no_ends: Ints


@kernel
def portion(letters: int, texts: int) -> Portion:
    """Nothing found yet."""
    blocks, words = letters // BLOCK + 2, letters // 2 + texts + 8
    return Portion(
        np.empty(blocks * BLOCK, np.uint8),
        np.empty(blocks * BLOCK, np.int32),
        np.empty(blocks, np.uint64),
        np.empty(blocks, np.int32),
        np.empty(words, np.uint64),
        np.empty(words, np.int32),
        np.empty(words, np.uint8),
        np.zeros(texts + 1, np.int64),
        np.empty(6 * letters + 8, np.uint32),
        np.empty(6 * letters + 8, np.uint32),
        np.empty(0, np.int64),
    )


@kernel
def _find_edges(address: Any, n: int, cut: bool, into: Portion) -> int:
    """Lower n letters and find where words begin and end; how many such places there are."""
    low = np.int64(into.low.ctypes.data)
    edges, cuts, cut_before = into.edges, into.cuts, into.cut_before
    carry = NOTHING
    found = 0
    passed = 0
    for base in range(0, n, BLOCK):
        at = address + base
        lower(at, low + base)
        inside = words_in(at)
        if n - base < BLOCK:
            inside &= (_ONE << np.uint64(n - base)) - _ONE
        turns = inside ^ ((inside << _ONE) | carry)
        carry = inside >> _LAST
        while turns != NOTHING:
            edges[found] = base + lowest(turns)
            turns &= turns - _ONE
            found += 1
        if cut:
            block = base // BLOCK
            ends = are(at, np.uint8(STOP)) | are(at, np.uint8(NEWLINE))
            cuts[block], cut_before[block] = ends, passed
            passed += how_many(ends)
    return found


@kernel
def _squeezed(letters: np.uint64, size: int) -> tuple[np.uint64, int]:
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
def _long(address: int, size: int) -> tuple[np.uint64, bool]:
    """The key of a word of more than 16 letters, and whether it is nothing but letters."""
    key = BEGIN
    pure = True
    for at in range(0, size, 8):
        own = _FIRST[min(size - at, 8)]
        letters = eight(address + at) & own
        pure = pure and ~letters & _OTHER & own == NOTHING
        key = step(key, letters)
    return step(key, np.uint64(size)), pure


@kernel
def _ends_sentence(letter: int, cut: bool) -> bool:
    return cut and (letter in (STOP, NEWLINE))


@kernel
def _is_plain(lo: int, first: int, last: int, hi: int, cut: bool, flags: int) -> bool:
    """`numbers.plain` of the digits [first, last) in the text [lo, hi), all addresses, cut where sentences are."""
    back = first - 1
    if back >= lo:
        c = byte(back)
        if c in (MINUS, SLASH, BACKSLASH):
            return False
        while byte(flags + c) & SPACE and not _ends_sentence(c, cut):
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
    while byte(flags + c) & SPACE and not _ends_sentence(c, cut):
        last += 1
        if last >= hi:
            return True
        c = byte(last)
    return not (c == 67 or c == 99 or c == 70 or c == 102 or c == PERCENT or byte(flags + c) & DROP)


@kernel
def _spelt(lo: int, first: int, last: int, hi: int, cut: bool, flags: int) -> tuple[np.uint64, int]:
    """The key of the word [first, last), all addresses, with numbers or apostrophes in it, and -1; where no letter is
    left, -2; where a number is not plain, its place from `lo` on."""
    key, chunk, size = BEGIN, NOTHING, NOTHING
    i = first
    while i < last:
        c = byte(i)
        f = byte(flags + c)
        if f & DIGIT:
            after = i + 1
            while after < last and byte(flags + byte(after)) & DIGIT:
                after += 1
            if not _is_plain(lo, i, after, hi, cut, flags):
                return key, i - lo
            for code in (110, 110, 98, 114, 114):
                key, chunk, size = put(key, chunk, size, np.uint64(code))
            i = after
            continue
        if not f & DROP:
            key, chunk, size = put(key, chunk, size, np.uint64(c + 32 if 65 <= c <= 90 else c))
        i += 1
    return (close(key, chunk, size), -1) if size > NOTHING else (key, -2)


@kernel
def _sentence(text: Codes, lo: int, i: int, hi: int) -> tuple[int, int]:
    """The sentence of [lo, hi) in which i lies."""
    begin, end = i, i
    while begin > lo and text[begin - 1] != STOP and text[begin - 1] != NEWLINE:
        begin -= 1
    while end < hi and text[end] != STOP and text[end] != NEWLINE:
        end += 1
    return begin, end


@kernel
def _odd(low: Any, lo: Any, first: Any, size: int, hi: int, cut: bool, flags: Any) -> tuple[np.uint64, int]:
    """`_spelt` of a word that is long or not of letters alone: the frequent kinds at once. `low` is its lower case."""
    if size > 16:
        key, pure = _long(low, size)
        return (key, -1) if pure else _spelt(lo, first, first + size, hi, cut, flags)
    one, two = eight(low) & _FIRST[size], eight(low + 8) & _SECOND[size]
    if size <= 8 and ~one & _OTHER & _FIRST[size] & (one << np.uint64(2)) == NOTHING:
        one, size = _squeezed(one, size)
        return step(step(step(BEGIN, one), NOTHING), np.uint64(size)), -1 if size > 0 else -2
    if one & _TENS == _DIGITS & _FIRST[size] and two & _TENS == _DIGITS & _SECOND[size]:
        return _NUMBER, -1 if _is_plain(lo, first, first + size, hi, cut, flags) else first - lo
    return _spelt(lo, first, first + size, hi, cut, flags)


@kernel
def _read_again(
    text: NDArray[np.uint8],
    start: int,
    lo: int,
    safe: int,
    i: int,
    hi: int,
    cut: bool,
    flags: Flags,
    lower_case: Codes,
    first: int,
    count: int,
    into: Portion,
) -> tuple[int, int]:
    """Read what stands around the number at i, which is not plain, as `tokens` does: how many words there are then, and
    where to go on.

    `safe` is where the last such stretch of the text [lo, hi) ended, `first` the text's first word.
    """
    begin, end = _sentence(text, lo, i, hi) if cut else (lo, hi)
    back = i
    while back > max(begin, safe) and not flags[text[back - 1]] & SPACE:
        back -= 1
    a, b = stretch(text, begin, back, i, end, flags)
    while count > first and into.places[count - 1] >= a - start:
        count -= 1
    n, second = prepare(text, a, b, flags, into.marked, into.marked_too)
    _, more, _, _, _ = scan(
        into.marked_too if second else into.marked, 0, 0, n, 0, True, flags, lower_case, False, False,
        into.marked, 0, into.keys, into.before, into.no_ends, count,
    )  # fmt: skip
    into.places[count:more] = a - start
    return more, b


@kernel
def _mark_sentences(into: Portion, texts: int) -> None:
    """Say which words are the first of a sentence."""
    cuts, cut_before, places, before = into.cuts, into.cut_before, into.places, into.before
    for b in range(texts):
        last = np.int64(-1)
        for t in range(into.bounds[b], into.bounds[b + 1]):
            at = np.int64(places[t])
            block = at // BLOCK
            passed = cut_before[block] + how_many(cuts[block] & ((_ONE << np.uint64(at & 63)) - _ONE))
            before[t] = SENTENCE if passed != last else 0
            last = np.int64(passed)


@kernel
def read_portion(
    text: NDArray[np.uint8], ends: Ints, b0: int, b1: int, cut: bool, flags: Flags, lower_case: Codes, into: Portion
) -> int:
    """The words of the texts b0 to b1 (not included), in `into`; how many."""
    start = ends[b0 - 1] + 1 if b0 > 0 else 0
    letters, classes = np.int64(text.ctypes.data), np.int64(flags.ctypes.data)
    found = _find_edges(letters + start, ends[b1 - 1] - start + 1, cut, into)
    edges, keys, places = into.edges, into.keys, into.places
    edges[found] = np.int32(0x7FFF_FFFF)
    low = np.int64(into.low.ctypes.data)
    count = 0
    i = 0
    lo = start
    for b in range(b0, b1):
        end = ends[b] - start
        safe = lo
        first = count
        while edges[i] < end:
            at = np.int64(edges[i])
            size = edges[i + 1] - at
            i += 2
            part = min(size, 16)
            one, two = eight(low + at) & _FIRST[part], eight(low + at + 8) & _SECOND[part]
            odd = (~one & _FIRST[part] | ~two & _SECOND[part]) & _OTHER
            if size > 16 or odd != NOTHING:
                key, kind = _odd(low + at, letters + lo, letters + start + at, size, letters + ends[b], cut, classes)
                if kind == -2:
                    continue
                if kind >= 0:
                    count, safe = _read_again(
                        text, start, lo, safe, lo + kind, ends[b], cut, flags, lower_case, first, count, into
                    )
                    while edges[i] < safe - start:
                        i += 2
                    continue
            else:
                key = step(step(step(BEGIN, one), two), np.uint64(size))
            keys[count] = key
            places[count] = at
            count += 1
        into.bounds[b - b0 + 1] = count
        lo = ends[b] + 1
    if cut:
        _mark_sentences(into, b1 - b0)
    return count


def read_ascii(texts: Sequence[str], sentences: bool = False) -> tuple[Keys, Flags, Ints]:
    """The words of B texts of ASCII without zero bytes: keys [T], breaks [T] and bounds [B + 1], as `tokenise` gives
    them; breaks within sentences are left out. Raises ValueError for other texts.

    >>> keys, _, bounds = read_ascii(["Call 0800 now!", "It's FREE"])
    >>> len(keys), bounds.tolist()
    (5, [0, 3, 5])
    """
    if not all(text.isascii() and "\0" not in text for text in texts):
        raise ValueError("a text is not ASCII, or has a zero byte")
    return read_flat(flatten(texts, sentences), sentences)


def read_flat(flat: Flat, sentences: bool) -> tuple[Keys, Flags, Ints]:
    """The words of texts that are flat, as `read_ascii` gives them; a text that was left empty has none."""
    return _read_all(flat.letters, flat.ends, sentences, *alphabet(128))


@kernel
def _read_all(
    text: NDArray[np.uint8], ends: Ints, cut: bool, flags: Flags, lower_case: Codes
) -> tuple[Keys, Flags, Ints]:
    room = portion(len(text), len(ends))
    count = read_portion(text, ends, 0, len(ends), cut, flags, lower_case, room)
    return room.keys[:count], room.before[:count], room.bounds
