"""Texts of ASCII to hashed words by blocks of 64 bytes: the fast path beside `unicode.tokenise`.

One bit for each byte says where words begin and end, and a word is hashed eight bytes at a step. It finds the words
that `tokenise` finds in the same texts, and a test holds the two together; breaks within sentences are left out, since
nobody asks for them here. What stands around a number that is not plain is read by the scanner of `tokenise`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.addresses import Address, address_of
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.ascii_words import (
    FIRST_EIGHT,
    FLAGS,
    LOWER,
    NO_WORD,
    NOT_LETTERS,
    SECOND_EIGHT,
    key_of_odd_word,
)
from tocsin.kernels.text.tokeniser.characters import NEWLINE, SPACE, STOP, Alphabet, Codes
from tocsin.kernels.text.tokeniser.hashing import BEGIN, NOTHING, Keys, step
from tocsin.kernels.text.tokeniser.numbers import mark_numbers
from tocsin.kernels.text.tokeniser.reference import SENTENCE
from tocsin.kernels.text.tokeniser.scan import WORDS, Output, Reader, scan, stretch_around
from tocsin.kernels.text.tokeniser.simd import BLOCK, are, eight, how_many, lower, lowest, words_in

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Places = NDArray[np.int32]

PORTION = 1 << 14
"""How many letters are read before their words are looked up, unless one text has more: their words stay in cache."""
_ONE, _LAST = np.uint64(1), np.uint64(63)
_NOWHERE = np.int32(0x7FFF_FFFF)
"""A place after all words."""
WIDENED = 2
"""The place in `Portion.used` of the text whose letters stand in `wide`."""


class Portion(NamedTuple):
    """Room for what is found in up to n letters of B texts."""

    low: Bytes
    """The letters in lower case, uint8 [n + 2 blocks]."""
    edges: Places
    """Where words begin and end in turn, from the first letter of the portion on, int32 [n + 2 blocks]."""
    cuts: Keys
    """One bit for each letter that ends a sentence, uint64 [n / 64 + 2]."""
    cut_before: Places
    """How many of these there are before each block, int32 [n / 64 + 2]."""
    keys: Keys
    """The hash of each word, uint64 [n / 2 + B + 8]."""
    places: Places
    """Where each word begins, or the stretch that was read again for it, int32 [n / 2 + B + 8]."""
    before: NDArray[np.uint8]
    """SENTENCE where a word is the first of a sentence, else 0."""
    bounds: Ints
    """Text b of the portion has the words bounds[b] to bounds[b + 1], int64 [B + 1]."""
    wide: NDArray[np.uint32]
    """The letters of a text of which a stretch is read again, as code points [n]."""
    marked: NDArray[np.uint32]
    """Scratch for this stretch, [6 n + 8]."""
    marked_too: NDArray[np.uint32]
    no_ends: Ints
    """[0], in the place of the ends of spelt words."""
    used: Ints
    """`Output.used`, and where the text begins whose letters stand in `wide` (-1: none), int64 [3]."""


@kernel
def new_portion(letters: int, texts: int) -> Portion:
    """Room for a portion in which nothing was found yet."""
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
        np.empty(letters, np.uint32),
        np.empty(6 * letters + 8, np.uint32),
        np.empty(6 * letters + 8, np.uint32),
        np.empty(0, np.int64),
        np.full(3, -1),
    )


@kernel
def _find_edges(address: Address, n: int, cut: bool, into: Portion) -> int:
    """Lower n letters, and find where words begin and end; returns how many such places there are."""
    low = address_of(into.low)
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
    edges[found] = _NOWHERE
    return found


class PortionText(NamedTuple):
    """One text of a portion."""

    letters: Bytes
    """The letters of all texts, uint8."""
    start: int
    """Where the portion begins in these."""
    lo: int
    hi: int
    """Where the text begins and ends in these."""
    cut: bool
    """Whether it is cut into sentences."""


@kernel
def _sentence(text: Codes, i: int, hi: int) -> tuple[int, int]:
    """The sentence of the text [0, hi) in which i lies."""
    begin, end = i, i
    while begin > 0 and text[begin - 1] != STOP and text[begin - 1] != NEWLINE:
        begin -= 1
    while end < hi and text[end] != STOP and text[end] != NEWLINE:
        end += 1
    return begin, end


@kernel
def _read_again(text: PortionText, safe: int, number: int, first: int, count: int, into: Portion) -> tuple[int, int]:
    """Read the stretch around a number that is not plain as `tokenise` does.

    `safe` is where the last such stretch of the text ended, `first` the first word of the text, and `count` says how
    many words there are. Returns how many there are then, and where to go on.
    """
    lo, wide, places, used = text.lo, into.wide, into.places, into.used
    if used[WIDENED] != lo:
        for k in range(text.hi - lo):
            wide[k] = text.letters[lo + k]
        used[WIDENED] = lo
    begin, end = _sentence(wide, number - lo, text.hi - lo) if text.cut else (0, text.hi - lo)
    back = number - lo
    while back > max(begin, safe - lo) and not FLAGS[wide[back - 1]] & SPACE:
        back -= 1
    a, b = stretch_around(wide, begin, back, number - lo, end, FLAGS)
    place = lo + a - text.start
    while count > first and places[count - 1] >= place:
        count -= 1
    n, second = mark_numbers(wide, a, b, FLAGS, into.marked, into.marked_too)
    used[WORDS] = count
    reader = Reader(Alphabet(FLAGS, LOWER), False, False, False, False)
    out = Output(into.keys, into.before, into.no_ends, into.marked, used)
    scan(into.marked_too if second else into.marked, 0, 0, n, 0, True, reader, out)
    places[count : used[WORDS]] = place
    return int(used[WORDS]), lo + b


@kernel
def _mark_sentences(into: Portion, texts: int) -> None:
    """Mark the words that are the first of a sentence."""
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
def read_portion(letters: Bytes, ends: Ints, b0: int, b1: int, cut: bool, into: Portion) -> int:
    """Read the words of the texts from b0 up to b1 into `into`; returns how many there are.

    `letters` and `ends` are those of `to_ascii.Flat`; `cut` says whether texts are cut into sentences.
    """
    start = ends[b0 - 1] + 1 if b0 > 0 else 0
    _find_edges(address_of(letters) + start, ends[b1 - 1] - start + 1, cut, into)
    edges, keys, places, bounds = into.edges, into.keys, into.places, into.bounds
    low, begin = address_of(into.low), address_of(letters)
    count = 0
    i = 0
    lo = start
    for b in range(b0, b1):
        end = ends[b] - start
        safe = lo
        first = count
        while edges[i] < end:
            at: int = edges[i]
            size = edges[i + 1] - at
            i += 2
            part = min(size, 16)
            one, two = eight(low + at) & FIRST_EIGHT[part], eight(low + at + 8) & SECOND_EIGHT[part]
            odd = (~one & FIRST_EIGHT[part] | ~two & SECOND_EIGHT[part]) & NOT_LETTERS
            if size > 16 or odd != NOTHING:
                key, kind = key_of_odd_word(low + at, begin + lo, begin + start + at, size, begin + ends[b], cut)
                if kind == NO_WORD:
                    continue
                if kind >= 0:
                    text = PortionText(letters, start, lo, ends[b], cut)
                    count, safe = _read_again(text, safe, lo + kind, first, count, into)
                    while edges[i] < safe - start:
                        i += 2
                    continue
            else:
                key = step(step(step(BEGIN, one), two), np.uint64(size))
            keys[count] = key
            places[count] = at
            count += 1
        bounds[b - b0 + 1] = count
        lo = ends[b] + 1
    if cut:
        _mark_sentences(into, b1 - b0)
    return count
