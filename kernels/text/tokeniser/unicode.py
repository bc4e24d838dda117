"""Texts of any Unicode to hashed words and breaks: the kernel beside `reference.words`."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.characters import DIGIT, NEWLINE, SIGMA, STOP, Alphabet, Codes, Flags, alphabet
from tocsin.kernels.text.tokeniser.hashing import Keys, word_key
from tocsin.kernels.text.tokeniser.numbers import mark_numbers
from tocsin.kernels.text.tokeniser.reference import BREAK, SENTENCE, words
from tocsin.kernels.text.tokeniser.scan import LETTERS, WORDS, Output, Reader, scan, stretch_around

Ints = NDArray[np.int64]


@kernel
def read_text(text: Codes, lo: int, last: int, reader: Reader, out: Output, a: Codes, b: Codes) -> None:
    """Append the words of the text [lo, last) to `out`.

    `a` and `b` are scratch, 6 code points for each of the text's and 8 more.
    """
    while lo < last:
        hi = lo
        while hi < last and not ((reader.cut_line and text[hi] == NEWLINE) or (reader.cut_stop and text[hi] == STOP)):
            hi += 1
        letters, count = out.used[LETTERS], out.used[WORDS]
        start, pending = lo, BREAK | SENTENCE
        while start < hi:
            pending, safe, number = scan(text, lo, start, hi, pending, False, reader, out)
            if number < 0:
                break
            start, end = stretch_around(text, lo, safe, number, hi, reader.alphabet.flags)
            if start == lo:
                out.used[LETTERS], out.used[WORDS] = letters, count
                pending = BREAK | SENTENCE
            n, second = mark_numbers(text, start, end, reader.alphabet.flags, a, b)
            pending, _, _ = scan(b if second else a, 0, 0, n, pending, True, reader, out)
            start = end
        lo = hi + 1


@kernel
def read_texts(
    text: Codes,
    offsets: Ints,
    flags: Flags,
    lower: Codes,
    cut_stop: bool,
    cut_line: bool,
    characters: bool,
    spell: bool,
) -> tuple[Keys, Flags, Ints, Codes, Ints]:
    """The words of B texts, text b at [offsets[b], offsets[b + 1]), as the fields of `Words`; see `Reader`."""
    reader = Reader(Alphabet(flags, lower), cut_stop, cut_line, characters, spell)
    total, longest = len(text), 0
    for b in range(len(offsets) - 1):
        longest = max(longest, offsets[b + 1] - offsets[b])
    room = 0
    if spell:
        room = total + 8
        for i in range(total):
            if flags[text[i]] & DIGIT:
                room += 6  # a number of one digit becomes a marker of six letters
    # A word has at least one character, and may be followed by the next one at once.
    most = total + 8
    keys, before, ends = np.empty(most, np.uint64), np.empty(most, np.uint8), np.empty(most if spell else 0, np.int64)
    out = Output(keys, before, ends, np.empty(room, np.uint32), np.zeros(2, np.int64))
    bounds = np.zeros(len(offsets), np.int64)
    marked, marked_too = np.empty(6 * longest + 8, np.uint32), np.empty(6 * longest + 8, np.uint32)
    for b in range(len(offsets) - 1):
        read_text(text, offsets[b], offsets[b + 1], reader, out, marked, marked_too)
        bounds[b + 1] = out.used[WORDS]
    count = out.used[WORDS]
    return keys[:count], before[:count], ends[:count], out.letters[: out.used[LETTERS]], bounds


class Words(NamedTuple):
    """The words of B texts, one after the other."""

    keys: Keys
    """The hash of each word, uint64 [T]."""
    before: Flags
    """The mark before each word: 0, BREAK, or BREAK | SENTENCE; uint8 [T]."""
    ends: Ints
    """Where each word ends in `letters`, int64 [T]; it begins where the word before it ends."""
    letters: NDArray[np.uint32]
    """The code points of all words, uint32."""
    bounds: Ints
    """Text b has the words bounds[b] to bounds[b + 1], int64 [B + 1]."""

    def spelt(self, first: int, last: int) -> str:
        """The words from `first` up to `last`, with one space between them."""
        return " ".join(self._word(t) for t in range(first, last))

    def all_spelt(self, firsts: Ints, lengths: Ints) -> list[str]:
        """The n-grams that begin at the words `firsts` [n] and have so many words, `lengths` [n]."""
        if not len(firsts):
            return []
        # A code point is one character of a str, so words are slices of the whole.
        whole = self.letters.tobytes().decode("utf-32-le", "surrogatepass")
        ends = self.ends.tolist()
        begins = [0, *ends]
        return [
            " ".join([whole[begins[t] : ends[t]] for t in range(first, first + length)])
            for first, length in zip(firsts.tolist(), lengths.tolist(), strict=True)
        ]

    def _word(self, t: int) -> str:
        begin = int(self.ends[t - 1]) if t else 0
        return self.letters[begin : int(self.ends[t])].tobytes().decode("utf-32-le", "surrogatepass")


def tokenise(texts: Sequence[str], sentences: bool = False, characters: bool = False, spell: bool = True) -> Words:
    """The words of several texts, hashed: the same words and breaks as `words` gives.

    Without `spell` there are only keys and breaks, and `ends` and `letters` are empty.

    >>> found = tokenise(["Call 0800 now!", "It's FREE"])
    >>> found.spelt(0, 3), found.spelt(3, 5), found.bounds.tolist()
    ('call nnbrr now', 'its free', [0, 3, 5])
    """
    if all(text.isascii() for text in texts):
        return _read(texts, alphabet(128), sentences, sentences, characters, spell)
    # Texts are cut at their own stops, before decomposition makes more of them: of an ellipsis, for one.
    cut = [text.replace(".", "\n") if sentences else text for text in texts]
    normal = [text if text.isascii() else unicodedata.normalize("NFKD", text) for text in cut]
    by_context = [SIGMA in text or SIGMA in whole for text, whole in zip(texts, normal, strict=True)]
    if not any(by_context):
        return _read(normal, alphabet(), False, sentences, characters, spell)
    parts = []
    for greek, rows in groupby(range(len(texts)), by_context.__getitem__):
        run = list(rows)
        if greek:
            parts.append(_respelt([words(texts[i], sentences, characters) for i in run], spell))
        else:
            parts.append(_read([normal[i] for i in run], alphabet(), False, sentences, characters, spell))
    return _joined(parts)


def _read(texts: Sequence[str], letters: Alphabet, *how: bool) -> Words:
    """The words of texts whose code points the alphabet has; `how` as in `read_texts`."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    # A bytearray can be written to, and so the scanner is compiled for one kind of array only.
    codes = np.frombuffer(bytearray("".join(texts), "utf-32-le", "surrogatepass"), np.uint32)
    return Words(*read_texts(codes, offsets, *letters, *how))


def _joined(parts: Sequence[Words]) -> Words:
    """The words of several runs of texts as those of one."""
    letters = np.cumsum([0, *(len(part.letters) for part in parts)])
    words_before = np.cumsum([0, *(len(part.keys) for part in parts)])
    return Words(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.before for part in parts]),
        np.concatenate([part.ends + first for part, first in zip(parts, letters, strict=False)]),
        np.concatenate([part.letters for part in parts]),
        np.concatenate([[0], *(part.bounds[1:] + first for part, first in zip(parts, words_before, strict=False))]),
    )


def _respelt(texts: Sequence[Sequence[tuple[str, int]]], spell: bool) -> Words:
    """Words that the reference found, in the form of the kernel: of texts whose lower case depends on context."""
    flat = [entry for text in texts for entry in text]
    told = flat if spell else []
    return Words(
        np.array([word_key(word) for word, _ in flat], np.uint64),
        np.array([before for _, before in flat], np.uint8),
        np.cumsum([len(word) for word, _ in told], dtype=np.int64),
        np.frombuffer("".join(w for w, _ in told).encode("utf-32-le", "surrogatepass"), np.uint32),
        np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)]).astype(np.int64),
    )
