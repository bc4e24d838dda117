"""Texts to hashed n-grams: of words, and of characters for languages without spaces and for spellings nobody lists.

An n-gram is a bucket, its hash to so many bits, and is listed once a text however often it is there: what is said
counts, not how often. `reference_ngrams` is the plain form of it, and a test holds the two together.

Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning", ICML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text import BREAK, Words, step

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Codes = NDArray[np.uint32]
Flags = NDArray[np.uint8]

TWIST = np.uint64(0xD6E8FEB86659FD93)
"""Joins the words of an n-gram, as `tocsin.kernels.text` does."""
SPELT = np.uint64(0xA0761D6478BD642F)
"""Where the hash of an n-gram of characters begins, so that none is taken for a word."""
LOW = np.uint64(20)
"""The hash's lowest bits, the least mixed ones, are left out."""


_NO_WORDS = Words(
    np.empty(0, np.uint64),
    np.empty(0, np.uint8),
    np.empty(0, np.int64),
    np.empty(0, np.uint32),
    np.zeros(1, np.int64),
)


class Ngrams(NamedTuple):
    """The distinct n-grams of B texts, in the order in which each text has them first."""

    buckets: Ints
    """int64 [T]"""
    bounds: Ints
    """Text b has buckets[bounds[b] : bounds[b + 1]], int64 [B + 1]."""


@kernel
def enter(slots: Ints, bucket: int) -> bool:
    """Put a bucket into a set (open addressing, a power of two, -1 for empty); whether it is new there."""
    mask = len(slots) - 1
    i = bucket & mask
    while slots[i] >= 0:
        if slots[i] == bucket:
            return False
        i = (i + 1) & mask
    slots[i] = bucket
    return True


@kernel
def bucket_of(key: np.uint64, bits: int) -> int:
    """The bucket of a hash."""
    return int(np.int64((key >> LOW) & np.uint64((1 << bits) - 1)))


@kernel
def add_words(keys: Keys, before: Flags, order: int, bits: int, slots: Ints, out: Ints, where: Ints, at: int) -> int:
    """The n-grams of up to `order` words that cross no break; returns where `out` ends."""
    T = len(keys)
    for t in range(T):
        key = keys[t]
        for n in range(order):
            if n > 0:
                if t + n >= T or before[t + n] & BREAK:
                    break
                key = step(step(key, TWIST), keys[t + n])
            bucket = bucket_of(key, bits)
            if enter(slots, bucket):
                out[at] = bucket
                if len(where):
                    where[at, 0], where[at, 1] = t, n + 1
                at += 1
    return at


@kernel
def add_characters(codes: Codes, order: int, bits: int, slots: Ints, out: Ints, where: Ints, at: int) -> int:
    """The n-grams of up to `order` characters; returns where `out` ends."""
    T = len(codes)
    for t in range(T):
        key = SPELT
        for n in range(min(order, T - t)):
            key = step(key, np.uint64(codes[t + n]))
            bucket = bucket_of(key, bits)
            if enter(slots, bucket):
                out[at] = bucket
                if len(where):
                    where[at, 0], where[at, 1] = t, -n - 1
                at += 1
    return at


@kernel
def collect(
    keys: Keys,
    before: Flags,
    words_end: Ints,
    codes: Codes,
    codes_end: Ints,
    words: int,
    characters: int,
    bits: int,
    where: Ints,
) -> tuple[Ints, Ints]:
    """The buckets of B texts, and where each text's end: `words_end` and `codes_end` [B + 1] part the texts.

    `where` [T, 2] takes where each n-gram begins and its length, negative for characters; [0, 2] where nobody asks.
    """
    B = len(words_end) - 1
    out = np.empty(len(keys) * words + len(codes) * characters, np.int64)
    bounds = np.zeros(B + 1, np.int64)
    at = 0
    for b in range(B):
        w0, w1, c0, c1 = words_end[b], words_end[b + 1], codes_end[b], codes_end[b + 1]
        room = 4
        while room < 2 * ((w1 - w0) * words + (c1 - c0) * characters):
            room *= 2
        slots = np.full(room, -1, np.int64)
        at = add_words(keys[w0:w1], before[w0:w1], words, bits, slots, out, where, at)
        at = add_characters(codes[c0:c1], characters, bits, slots, out, where, at)
        bounds[b + 1] = at
    return out[:at], bounds


def ngrams(texts: Sequence[str], words: int, characters: int, bits: int) -> Ngrams:
    """The distinct n-grams of B texts, up to `words` words and up to `characters` characters long, in 2^bits buckets.

    Characters are in lower case, with one blank for every stretch of white space.

    >>> found = ngrams(["now now", "", "now"], 1, 0, 18)
    >>> found.bounds.tolist(), bool(found.buckets[0] == found.buckets[1])
    ([0, 1, 1, 2], True)
    """
    tokens = text.tokenise(texts, spell=False) if words else _NO_WORDS
    squeezed = [_squeezed(t) for t in texts] if characters else []
    nowhere = np.empty((0, 2), np.int64)
    return Ngrams(*_collect(tokens, squeezed, len(texts), words, characters, bits, nowhere))


def spelt(written: str, words: int, characters: int, bits: int) -> tuple[Ints, Callable[[int], str]]:
    """The buckets of one text as `ngrams` gives them, and what spells the i-th: characters stand in quotes."""
    tokens = text.tokenise([written]) if words else _NO_WORDS
    squeezed = _squeezed(written) if characters else ""
    where = np.empty((max(len(tokens.keys) * words + len(squeezed) * characters, 1), 2), np.int64)
    buckets, _ = _collect(tokens, [squeezed], 1, words, characters, bits, where)

    def spell(i: int) -> str:
        start, length = int(where[i, 0]), int(where[i, 1])
        return tokens.spelt(start, start + length) if length > 0 else f"'{squeezed[start : start - length]}'"

    return buckets, spell


def _collect(
    tokens: Words, squeezed: Sequence[str], texts: int, words: int, characters: int, bits: int, where: Ints
) -> tuple[Ints, Ints]:
    codes = np.frombuffer("".join(squeezed).encode("utf-32-le", "surrogatepass"), np.uint32)
    codes_end = np.zeros(texts + 1, np.int64)
    if characters:
        np.cumsum(np.fromiter(map(len, squeezed), np.int64, texts), out=codes_end[1:])
    words_end = tokens.bounds if words else np.zeros(texts + 1, np.int64)
    return collect(tokens.keys, tokens.before, words_end, codes, codes_end, words, characters, bits, where)


def _squeezed(written: str) -> str:
    return " ".join(written.lower().split())


def reference_ngrams(written: str, words: int, characters: int, bits: int) -> dict[str, int]:
    """Every n-gram of one text as `spelt` spells it, with its bucket, each bucket once.

    >>> list(reference_ngrams("now now", 1, 0, 18).values()) == ngrams(["now now"], 1, 0, 18).buckets.tolist()
    True
    """
    found: dict[int, str] = {}
    tokens = text.words(written) if words else []
    for t in range(len(tokens)):
        for n in range(1, words + 1):
            if t + n > len(tokens) or any(before & BREAK for _, before in tokens[t + 1 : t + n]):
                break
            these = [word for word, _ in tokens[t : t + n]]
            found.setdefault(_bucket(text.ngram_key(these), bits), " ".join(these))
    squeezed = _squeezed(written) if characters else ""
    for t in range(len(squeezed)):
        key = int(SPELT)
        for n in range(1, min(characters, len(squeezed) - t) + 1):
            key = text.plain_step(key, ord(squeezed[t + n - 1]))
            found.setdefault(_bucket(key, bits), f"'{squeezed[t : t + n]}'")
    return {ngram: bucket for bucket, ngram in found.items()}


def _bucket(key: int, bits: int) -> int:
    return (key >> int(LOW)) & ((1 << bits) - 1)
