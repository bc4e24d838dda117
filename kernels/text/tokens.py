"""Texts to hashed words and breaks in one pass over code points: the kernel beside `words`, held to it by a test."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.keys import (
    BEGIN,
    NOTHING,
    Keys,
    close,
    put,
    word_key,
)
from tocsin.kernels.text.letters import (
    ALNUM,
    DIGIT,
    DOLLAR,
    DOT,
    DROP,
    HASH,
    LETTER,
    MORE,
    NEWLINE,
    PERCENT,
    SIGMA,
    SPACE,
    STOP,
    WORD,
    Codes,
    Flags,
    alphabet,
)
from tocsin.kernels.text.numbers import plain, prepare
from tocsin.kernels.text.words import BREAK, SENTENCE, words


@kernel
def _chained(text: Codes, lo: int, i: int, flags: Flags) -> bool:
    """Whether a hashtag and nothing but spaces stand before i."""
    i -= 1
    while i >= lo and flags[text[i]] & (SPACE | DROP):
        i -= 1
    end = i
    while i >= lo and flags[text[i]] & (ALNUM | DROP):
        i -= 1
    return i < end and i >= lo and text[i] == HASH


@kernel
def _opens(text: Codes, i: int, hi: int, flags: Flags) -> bool:
    """Whether a letter follows i."""
    i += 1
    while i < hi and flags[text[i]] & DROP:
        i += 1
    return i < hi and flags[text[i]] & (LETTER | DIGIT) != 0


@kernel
def scan(
    text: Codes,
    lo: int,
    start: int,
    hi: int,
    pending: int,
    prepared: bool,
    flags: Flags,
    lower: Codes,
    characters: bool,
    spell: bool,
    out: Codes,
    position: int,
    keys: Keys,
    before: Flags,
    ends: NDArray[np.int64],
    count: int,
) -> tuple[int, int, int, int, int]:
    """The words of one piece [lo, hi) from `start` on; `position` and `count` say how much of the outputs is in use.

    Returns position, count, what is pending before the next word, and -1 twice. Unless the piece is prepared, a number
    that is not plain ends it: then the first three are those of a place before it where words part, and that place and
    the number's follow.
    """
    quick = not spell and not characters
    safe, safe_position, safe_count, safe_pending = start, position, count, pending
    i = start
    while i < hi:
        c = text[i]
        f = flags[c]
        if f & WORD:
            key, chunk, size = BEGIN, NOTHING, NOTHING
            before[count] = pending
            pending = 0
            alone = characters and c > 127
            while True:
                if quick:  # the common case, by itself: letters of which only the hash is asked for
                    while f & MORE == WORD:
                        key, chunk, size = put(key, chunk, size, np.uint64(lower[c]))
                        i += 1
                        if i >= hi:
                            break
                        c = text[i]
                        f = flags[c]
                    if i >= hi:
                        break
                if f & WORD:
                    if f & DIGIT and not prepared:
                        end = plain(text, lo, i, hi, flags)
                        if end < 0:
                            return safe_position, safe_count, safe_pending, safe, i
                        for low in (110, 110, 98, 114, 114):
                            if spell:
                                out[position] = low
                                position += 1
                            key, chunk, size = put(key, chunk, size, np.uint64(low))
                        i = end
                        if i >= hi:
                            break
                        c = text[i]
                        f = flags[c]
                        if characters and c > 127 and f & WORD:
                            break
                        continue
                    low = lower[c]
                    if spell:
                        out[position] = low
                        position += 1
                    key, chunk, size = put(key, chunk, size, np.uint64(low))
                elif not f & DROP:
                    break
                i += 1
                if i >= hi or alone:
                    break
                c = text[i]
                f = flags[c]
                if characters and c > 127 and f & WORD:
                    break
            keys[count] = close(key, chunk, size)
            if spell:
                ends[count] = position
            count += 1
            continue
        if f & DOT or (c == HASH and (not _opens(text, i, hi, flags) or _chained(text, lo, i, flags))):
            pending |= BREAK
        if characters and not f & DROP:
            pending |= BREAK
        i += 1
        if f & SPACE:
            safe, safe_position, safe_count, safe_pending = i, position, count, pending
    return position, count, pending, -1, -1


@kernel
def _apart(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> bool:
    """Whether no number that is marked reaches over i, and no word: what stands on both sides can be read apart."""
    if i <= lo or i >= hi:
        return True
    c = text[i]
    if not flags[text[i - 1]] & SPACE or flags[c] & (SPACE | DROP):
        return False
    if c == 67 or c == 99 or c == 70 or c == 102 or c == PERCENT:
        return False
    i -= 1
    while i >= lo and flags[text[i]] & (SPACE | DROP):
        i -= 1
    return i < lo or text[i] != DOLLAR


@kernel
def stretch(text: Codes, lo: int, safe: int, i: int, hi: int, flags: Flags) -> tuple[int, int]:
    """What to prepare for a number at i: from where to where; (lo, hi) where it cannot be told apart."""
    if not _apart(text, lo, safe, hi, flags):
        return lo, hi
    end = i + 1
    while not _apart(text, lo, end, hi, flags):
        end += 1
    for k in range(safe, end):
        if text[k] == HASH:  # whether it is a break depends on what stands before
            return lo, hi
    return safe, end


@kernel
def read_text(
    text: Codes,
    lo: int,
    last: int,
    flags: Flags,
    lower: Codes,
    cut_stop: bool,
    cut_line: bool,
    characters: bool,
    spell: bool,
    a: Codes,
    b: Codes,
    out: Codes,
    position: int,
    keys: Keys,
    before: Flags,
    ends: NDArray[np.int64],
    count: int,
) -> tuple[int, int]:
    """The words of the text [lo, last); `position` and `count` say how much of the outputs is in use, then as well.

    `a` and `b` are scratch, 6 code points for each of the text's and 8 more.
    """
    while lo < last:
        hi = lo
        if cut_stop or cut_line:
            while hi < last:
                if (cut_line and text[hi] == NEWLINE) or (cut_stop and text[hi] == STOP):
                    break
                hi += 1
        else:
            hi = last
        first_position, first_count = position, count
        start, pending = lo, BREAK | SENTENCE
        while start < hi:
            position, count, pending, safe, number = scan(
                text, lo, start, hi, pending, False, flags, lower, characters, spell,
                out, position, keys, before, ends, count,
            )  # fmt: skip
            if number < 0:
                break
            start, end = stretch(text, lo, safe, number, hi, flags)
            if start == lo:
                position, count, pending = first_position, first_count, BREAK | SENTENCE
            n, second = prepare(text, start, end, flags, a, b)
            position, count, pending, _, _ = scan(
                b if second else a, 0, 0, n, pending, True, flags, lower, characters, spell,
                out, position, keys, before, ends, count,
            )  # fmt: skip
            start = end
        lo = hi + 1
    return position, count


@kernel
def _tokenise(
    text: Codes,
    offsets: NDArray[np.int64],
    flags: Flags,
    lower: Codes,
    cut_stop: bool,
    cut_line: bool,
    characters: bool,
    spell: bool,
) -> tuple[Keys, Flags, NDArray[np.int64], Codes, NDArray[np.int64]]:
    total = len(text)
    longest = 0
    for b in range(len(offsets) - 1):
        longest = max(longest, offsets[b + 1] - offsets[b])
    a = np.empty(6 * longest + 8, np.uint32)
    b_ = np.empty(6 * longest + 8, np.uint32)
    letters = 0  # a number of one digit becomes a marker of six letters
    if spell:
        letters = total + 8
        for i in range(total):
            if flags[text[i]] & DIGIT:
                letters += 6
    most = total + 8 if characters else total // 2 + len(offsets) + 8  # a word, and what parts it from the next
    keys = np.empty(most, np.uint64)
    before = np.empty(most, np.uint8)
    ends = np.empty(most if spell else 0, np.int64)
    out = np.empty(letters, np.uint32)
    bounds = np.zeros(len(offsets), np.int64)
    position = 0
    count = 0
    for b in range(len(offsets) - 1):
        position, count = read_text(
            text, offsets[b], offsets[b + 1], flags, lower, cut_stop, cut_line, characters, spell,
            a, b_, out, position, keys, before, ends, count,
        )  # fmt: skip
        bounds[b + 1] = count
    return keys[:count], before[:count], ends[: count if spell else 0], out[:position], bounds


class Words(NamedTuple):
    """The words of B texts, one after the other."""

    keys: Keys
    """Hash of each word, uint64 [T]."""
    before: Flags
    """What stands before each word: 0, BREAK, or BREAK | SENTENCE; uint8 [T]."""
    ends: NDArray[np.int64]
    """Where each word ends in `letters`, int64 [T]; it begins where the one before it ends."""
    letters: NDArray[np.uint32]
    """The code points of all words, uint32."""
    bounds: NDArray[np.int64]
    """Text b has the words bounds[b] to bounds[b + 1], int64 [B + 1]."""

    def spelt(self, first: int, last: int) -> str:
        """The words first to last (not included), with one space between them."""
        return " ".join(self._word(t) for t in range(first, last))

    def _word(self, t: int) -> str:
        begin = int(self.ends[t - 1]) if t else 0
        return self.letters[begin : int(self.ends[t])].tobytes().decode("utf-32-le", "surrogatepass")


def tokenise(texts: Sequence[str], sentences: bool = False, characters: bool = False, spell: bool = True) -> Words:
    """The words of several texts, hashed; the same words and breaks as `words` gives.

    Without `spell` there are only keys and breaks: `ends` and `letters` are empty or not to be used.

    >>> found = tokenise(["Call 0800 now!", "It's FREE"])
    >>> found.spelt(0, 3), found.spelt(3, 5), found.bounds.tolist()
    ('call nnbrr now', 'its free', [0, 3, 5])
    """
    plain = [text.isascii() for text in texts]
    if all(plain):
        return _tokenise_ascii(texts, sentences, characters, spell)
    if any(SIGMA in text for text in texts):
        return _respell([words(text, sentences, characters) for text in texts])
    cut = [text.replace(".", "\n") if sentences else text for text in texts]
    normal = [t if p else unicodedata.normalize("NFKD", t) for t, p in zip(cut, plain, strict=True)]
    if any(SIGMA in text for text in normal):
        return _respell([words(text, sentences, characters) for text in texts])
    codes = np.frombuffer("".join(normal).encode("utf-32-le", "surrogatepass"), np.uint32)
    flags, lower = alphabet()
    return Words(*_tokenise(codes, _offsets(normal), flags, lower, False, sentences, characters, spell))


def _tokenise_ascii(texts: Sequence[str], sentences: bool, characters: bool, spell: bool) -> Words:
    codes = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    flags, lower = alphabet(128)
    return Words(*_tokenise(codes, _offsets(texts), flags, lower, sentences, sentences, characters, spell))


def _offsets(texts: Sequence[str]) -> NDArray[np.int64]:
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    return offsets


def _respell(texts: Sequence[Sequence[tuple[str, int]]]) -> Words:
    """Words found by the reference in the kernel's form: for texts whose lower case depends on context."""
    flat = [entry for text in texts for entry in text]
    return Words(
        np.array([word_key(word) for word, _ in flat], np.uint64),
        np.array([before for _, before in flat], np.uint8),
        np.cumsum([len(word) for word, _ in flat], dtype=np.int64),
        np.frombuffer("".join(w for w, _ in flat).encode("utf-32-le", "surrogatepass"), np.uint32),
        np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)]).astype(np.int64),
    )
