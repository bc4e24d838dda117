"""Texts to hashed n-grams: of words, and of characters for languages without spaces and for unusual spellings.

An n-gram is hashed to one of 2^bits buckets, and a text lists each bucket once, however often the n-gram occurs.
`reference_ngrams` does the same in plain Python, and a test holds the two together.

Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning", ICML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.hashing import TWIST, ngram_key, plain_step, step
from tocsin.kernels.text.tokeniser.reference import BREAK, words
from tocsin.kernels.text.tokeniser.unicode import Words, tokenise

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Codes = NDArray[np.uint32]
Flags = NDArray[np.uint8]

SPELT = np.uint64(0xA0761D6478BD642F)
"""With what the hash of an n-gram of characters begins, so that it is not that of a word."""
LOW = np.uint64(20)
"""How many of a hash's lowest bits are left out, since they are the least mixed ones."""

_NO_WORDS = Words(
    np.empty(0, np.uint64),
    np.empty(0, np.uint8),
    np.empty(0, np.int64),
    np.empty(0, np.uint32),
    np.zeros(1, np.int64),
)


class Ngrams(NamedTuple):
    """The distinct n-grams of B texts, in the order of their first occurrence in each text."""

    buckets: Ints
    """int64 [T]"""
    bounds: Ints
    """Text b has buckets[bounds[b] : bounds[b + 1]], int64 [B + 1]."""


class Lengths(NamedTuple):
    """Which n-grams are listed."""

    words: int
    """The most words of an n-gram, 0 for none of words."""
    characters: int
    """The most characters of an n-gram, 0 for none of characters."""
    bits: int
    """There are 2^bits buckets."""


@kernel
def enter(slots: Ints, bucket: int) -> bool:
    """Put a bucket into a set (open addressing, a power of two, -1 for empty); returns whether it is new."""
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
    """Append the n-grams of up to `order` words that cross no break to `out`, from `at` on; returns where it ends."""
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
    """Append the n-grams of up to `order` characters to `out`, from `at` on; returns where it ends."""
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
    keys: Keys, before: Flags, words_end: Ints, codes: Codes, codes_end: Ints, lengths: Lengths, where: Ints
) -> tuple[Ints, Ints]:
    """The buckets [T] of B texts, and where each text's buckets end [B + 1].

    `words_end` and `codes_end` [B + 1] say where each text's words (keys, and the marks before them) and characters
    (codes) end. `where` [T, 2] takes where each n-gram begins and its length, negative for characters; [0, 2] where
    nobody asks.
    """
    words, characters, bits = lengths
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

    Characters are taken in lower case, with one blank for every stretch of white space.

    >>> found = ngrams(["now now", "", "now"], 1, 0, 18)
    >>> found.bounds.tolist(), bool(found.buckets[0] == found.buckets[1])
    ([0, 1, 1, 2], True)
    """
    tokens = tokenise(texts, spell=False) if words else _NO_WORDS
    squeezed = [_squeezed(text) for text in texts] if characters else []
    return Ngrams(*_collect(tokens, squeezed, len(texts), Lengths(words, characters, bits), np.empty((0, 2), np.int64)))


def spelt(text: str, words: int, characters: int, bits: int) -> tuple[Ints, Callable[[int], str]]:
    """The buckets of one text as `ngrams` gives them, and a function that spells the i-th; characters are quoted."""
    tokens = tokenise([text]) if words else _NO_WORDS
    squeezed = _squeezed(text) if characters else ""
    where = np.empty((max(len(tokens.keys) * words + len(squeezed) * characters, 1), 2), np.int64)
    buckets, _ = _collect(tokens, [squeezed], 1, Lengths(words, characters, bits), where)

    def spell(i: int) -> str:
        start, length = int(where[i, 0]), int(where[i, 1])
        return tokens.spelt(start, start + length) if length > 0 else f"'{squeezed[start : start - length]}'"

    return buckets, spell


def _collect(tokens: Words, squeezed: Sequence[str], texts: int, lengths: Lengths, where: Ints) -> tuple[Ints, Ints]:
    codes = np.frombuffer("".join(squeezed).encode("utf-32-le", "surrogatepass"), np.uint32)
    codes_end = np.zeros(texts + 1, np.int64)
    if lengths.characters:
        np.cumsum(np.fromiter(map(len, squeezed), np.int64, texts), out=codes_end[1:])
    words_end = tokens.bounds if lengths.words else np.zeros(texts + 1, np.int64)
    return collect(tokens.keys, tokens.before, words_end, codes, codes_end, lengths, where)


def _squeezed(text: str) -> str:
    return " ".join(text.lower().split())


def reference_ngrams(text: str, longest: int, characters: int, bits: int) -> dict[str, int]:
    """Every n-gram of one text as `spelt` spells it, with its bucket, each bucket once: the reference.

    `longest` is the most words of an n-gram, `characters` the most characters.

    >>> list(reference_ngrams("now now", 1, 0, 18).values()) == ngrams(["now now"], 1, 0, 18).buckets.tolist()
    True
    """
    found: dict[int, str] = {}
    tokens = words(text) if longest else []
    for t in range(len(tokens)):
        for n in range(1, longest + 1):
            if t + n > len(tokens) or any(before & BREAK for _, before in tokens[t + 1 : t + n]):
                break
            these = [word for word, _ in tokens[t : t + n]]
            found.setdefault(_bucket(ngram_key(these), bits), " ".join(these))
    squeezed = _squeezed(text) if characters else ""
    for t in range(len(squeezed)):
        key = int(SPELT)
        for n in range(1, min(characters, len(squeezed) - t) + 1):
            key = plain_step(key, ord(squeezed[t + n - 1]))
            found.setdefault(_bucket(key, bits), f"'{squeezed[t : t + n]}'")
    return {ngram: bucket for bucket, ngram in found.items()}


def _bucket(key: int, bits: int) -> int:
    return (key >> int(LOW)) & ((1 << bits) - 1)
