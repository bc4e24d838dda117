"""Text to words: pyss3's tokeniser and the hash of each word in one pass over code points.

Compatibility decomposition without marks, numbers as `nnbrr...`, lower case, words of `\\w+`, and breaks where a
sentence ends. `words` is the plain reference, `tokenise` the kernel, and a test holds them together.

Source: the behaviour of pyss3 0.6.5 (`Preproc.clean_and_ready` and the word pattern of `SS3.learn`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import kernel

Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]
Codes = NDArray[Any]


# ------------------------------------------------------------ words: reference

BREAK, SENTENCE = 1, 2
"""What may stand before a word: a break ends n-grams in learning, a sentence in classifying."""

_MARKED = (
    (re.compile(r"\d+(?:[.,]\d+)?\s*[CcFf](?=[^a-zA-Z])"), "nnbrrt"),
    (re.compile(r"\d+(?:[.,]\d+)?[-/\\]\d+(?:[.,]\d+)?[-/\\]\d+(?:[.,]\d+)?"), "nnbrrd"),
    (re.compile(r"\$\s*\d+(?:[.,]\d+)?"), "mnnbrr"),
    (re.compile(r"\d+(?:[.,]\d+)?\s*%"), "nnbrrp"),
    (re.compile(r"\d+(?:[.,]\d+)?"), "nnbrr"),
)
_CHAINED = re.compile(r"(#[a-zA-Z0-9]+)\s*(?=#)")
_DOTS = re.compile(r"[(),;:?!=\"/.|<>\[\]]+|#(?![a-zA-Z])")
_PIECES = re.compile(r"[\w\n]+|\.")
_CHARACTERS = re.compile(r"[0-9A-Za-z_]+|\w|[^\w]+")


def words(text: str, sentences: bool = False, characters: bool = False) -> list[tuple[str, int]]:
    """The words of a text, each with what stands before it: 0, BREAK, or BREAK | SENTENCE.

    With `sentences` the text is cut at full stops and line ends first, as pyss3 does when it classifies. With
    `characters` every word character outside ASCII is a word, and whatever is no word character is a break.

    >>> words("Call 0800 now! It's FREE")
    [('call', 3), ('nnbrr', 0), ('now', 0), ('its', 1), ('free', 0)]
    >>> words("3.14", sentences=True)
    [('nnbrr', 3), ('nnbrr', 3)]
    """
    found: list[tuple[str, int]] = []
    for part in re.split(r"[\n.]", text) if sentences else [text]:
        before = BREAK | SENTENCE
        for word in _pieces(part, characters):
            if word == ".":
                before |= BREAK
            else:
                found.append((word, before))
                before = 0
    return found


def _pieces(text: str, characters: bool) -> list[str]:
    """Words and "." for breaks."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    text = text.replace("'", "") + " "
    for pattern, marker in _MARKED:
        text = pattern.sub(marker, text)
    if characters:
        pieces = _CHARACTERS.findall(text)
        return [p.lower() if p[0] == "_" or p[0].isalnum() else "." for p in pieces]
    text = _DOTS.sub(".", _CHAINED.sub(r"\1.", text))
    return " ".join(_PIECES.findall(text)).lower().split()


# ------------------------------------------------------------ words: kernel

_WORD, _DIGIT, _SPACE, _DOT, _LETTER, _ALNUM, _DROP = 1, 2, 4, 8, 16, 32, 64
_MORE = _WORD | _DIGIT | _DROP
_HASH, _NEWLINE, _STOP, _COMMA, _DOLLAR, _PERCENT = 35, 10, 46, 44, 36, 37
_MINUS, _SLASH, _BACKSLASH, _BLANK = 45, 47, 92, 32
_SEED, _PRIME, TWIST = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0x2127599BF4325C37),
    np.uint64(0xD6E8FEB86659FD93),
)
_SHIFT = np.uint64(29)
_SIGMA = "Σ"


def _flags_of(character: str) -> int:
    ascii_letter = character.isascii() and character.isalpha()
    return (
        _WORD * (character.isalnum() or character == "_")
        + _DIGIT * character.isdecimal()
        + _SPACE * character.isspace()
        + _DOT * (character in '(),;:?!="/.|<>[]')
        + _LETTER * ascii_letter
        + _ALNUM * (ascii_letter or character in "0123456789")
        + _DROP * (character == "'" or unicodedata.category(character) == "Mn")
    )


@cache
def alphabet(size: int = 0x110000) -> tuple[Flags, NDArray[np.uint32]]:
    """What each code point below `size` is (flags, uint8) and its lower case (uint32)."""
    characters = [chr(i) for i in range(size)]
    flags = np.array([_flags_of(c) for c in characters], np.uint8)
    lower = np.array([ord(low) if len(low := c.lower()) == 1 else i for i, c in enumerate(characters)], np.uint32)
    return flags, lower


@kernel
def _number(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a number that begins at i ends; i where none does."""
    j = i
    while j < n and flags[text[j]] & _DIGIT:
        j += 1
    if j > i and j + 1 < n and (text[j] == _STOP or text[j] == _COMMA) and flags[text[j + 1]] & _DIGIT:
        j += 1
        while j < n and flags[text[j]] & _DIGIT:
            j += 1
    return j


@kernel
def _spaces(text: Codes, i: int, n: int, flags: Flags) -> int:
    while i < n and flags[text[i]] & _SPACE:
        i += 1
    return i


@kernel
def _temperature(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = _spaces(text, j, n, flags)
    if j + 1 >= n or flags[text[j + 1]] & _LETTER:
        return i
    c = text[j]
    return j + 1 if c == 67 or c == 99 or c == 70 or c == 102 else i


@kernel
def _date(text: Codes, i: int, n: int, flags: Flags) -> int:
    start = i
    for part in range(3):
        j = _number(text, i, n, flags)
        if j == i:
            return start
        i = j
        if part < 2:
            if i >= n or (text[i] != _MINUS and text[i] != _SLASH and text[i] != _BACKSLASH):
                return start
            i += 1
    return i


@kernel
def _money(text: Codes, i: int, n: int, flags: Flags) -> int:
    if text[i] != _DOLLAR:
        return i
    j = _spaces(text, i + 1, n, flags)
    k = _number(text, j, n, flags)
    return k if k > j else i


@kernel
def _percent(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = _spaces(text, j, n, flags)
    return j + 1 if j < n and text[j] == _PERCENT else i


@kernel
def _mark(kind: int, text: Codes, n: int, flags: Flags, out: Codes) -> int:
    """One substitution over a text: what is of this kind becomes its marker. Returns the new length."""
    i = 0
    m = 0
    while i < n:
        if kind == 0:
            j = _temperature(text, i, n, flags)
        elif kind == 1:
            j = _date(text, i, n, flags)
        elif kind == 2:
            j = _money(text, i, n, flags)
        elif kind == 3:
            j = _percent(text, i, n, flags)
        else:
            j = _number(text, i, n, flags)
        if j > i:
            if kind == 2:
                out[m] = 109
                m += 1
            out[m], out[m + 1], out[m + 2], out[m + 3], out[m + 4] = 110, 110, 98, 114, 114
            m += 5
            if kind == 0 or kind == 1 or kind == 3:
                out[m] = 116 if kind == 0 else (100 if kind == 1 else 112)
                m += 1
            i = j
            continue
        digits = flags[text[i]] & _DIGIT
        out[m] = text[i]
        m += 1
        i += 1
        while digits and i < n and flags[text[i]] & _DIGIT:
            out[m] = text[i]
            m += 1
            i += 1
    return m


@kernel
def _prepare(text: Codes, lo: int, hi: int, flags: Flags, a: Codes, b: Codes) -> tuple[int, bool]:
    """A piece of text with its numbers marked: its length, and whether it is in `b` rather than in `a`.

    Only the substitutions that something in the piece calls for are made.
    """
    n = 0
    last = 0
    dash, money, percent, temperature = False, False, False, False
    for i in range(lo, hi):
        c = text[i]
        f = flags[c]
        if f & _DROP:
            continue
        a[n] = c
        n += 1
        if last & _DIGIT and (c == 67 or c == 99 or c == 70 or c == 102):
            temperature = True
        dash = dash or c in (_MINUS, _SLASH, _BACKSLASH)
        money = money or c == _DOLLAR
        percent = percent or c == _PERCENT
        if not f & _SPACE:
            last = f
    a[n] = _BLANK
    n += 1
    second = False
    for kind in range(5):
        if (temperature, dash, money, percent, True)[kind]:
            n = _mark(kind, b, n, flags, a) if second else _mark(kind, a, n, flags, b)
            second = not second
    return n, second


@kernel
def step(key: np.uint64, code: np.uint64) -> np.uint64:
    """One step of the hash of a word, or of an n-gram from the key of its prefix and of its last word."""
    key = (key ^ code) * _PRIME
    return key ^ (key >> _SHIFT)


@kernel
def _chained(text: Codes, lo: int, i: int, flags: Flags) -> bool:
    """Whether a hashtag and nothing but spaces stand before i."""
    i -= 1
    while i >= lo and flags[text[i]] & (_SPACE | _DROP):
        i -= 1
    end = i
    while i >= lo and flags[text[i]] & (_ALNUM | _DROP):
        i -= 1
    return i < end and i >= lo and text[i] == _HASH


@kernel
def _opens(text: Codes, i: int, hi: int, flags: Flags) -> bool:
    """Whether a letter follows i."""
    i += 1
    while i < hi and flags[text[i]] & _DROP:
        i += 1
    return i < hi and flags[text[i]] & (_LETTER | _DIGIT) != 0


@kernel
def _plain(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> int:
    """Where a whole ASCII number at i ends; -1 where what is around it may make it something else."""
    back = i - 1
    if back >= lo:
        c = text[back]
        if c in (_MINUS, _SLASH, _BACKSLASH):
            return -1
        while back >= lo and flags[text[back]] & _SPACE:
            back -= 1
        if back >= lo and (text[back] == _DOLLAR or flags[text[back]] & _DROP):
            return -1
    while i < hi and flags[text[i]] & _DIGIT:
        if text[i] > 127:
            return -1
        i += 1
    end = i
    if i < hi:
        c = text[i]
        if c in (_MINUS, _SLASH, _BACKSLASH):
            return -1
        if (c in (_STOP, _COMMA)) and i + 1 < hi and flags[text[i + 1]] & (_DIGIT | _DROP):
            return -1
        i = _spaces(text, i, hi, flags)
        if i < hi:
            c = text[i]
            if c == 67 or c == 99 or c == 70 or c == 102 or c == _PERCENT or flags[c] & _DROP:
                return -1
    return end


@kernel
def _scan(
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
        if f & _WORD:
            key = _SEED
            before[count] = pending
            pending = 0
            alone = characters and c > 127
            while True:
                if quick:  # the common case, by itself: letters of which only the hash is asked for
                    while f & _MORE == _WORD:
                        key = step(key, np.uint64(lower[c]))
                        i += 1
                        if i >= hi:
                            break
                        c = text[i]
                        f = flags[c]
                    if i >= hi:
                        break
                if f & _WORD:
                    if f & _DIGIT and not prepared:
                        end = _plain(text, lo, i, hi, flags)
                        if end < 0:
                            return safe_position, safe_count, safe_pending, safe, i
                        for low in (110, 110, 98, 114, 114):
                            if spell:
                                out[position] = low
                                position += 1
                            key = step(key, np.uint64(low))
                        i = end
                        if i >= hi:
                            break
                        c = text[i]
                        f = flags[c]
                        if characters and c > 127 and f & _WORD:
                            break
                        continue
                    low = lower[c]
                    if spell:
                        out[position] = low
                        position += 1
                    key = step(key, np.uint64(low))
                elif not f & _DROP:
                    break
                i += 1
                if i >= hi or alone:
                    break
                c = text[i]
                f = flags[c]
                if characters and c > 127 and f & _WORD:
                    break
            keys[count] = key
            if spell:
                ends[count] = position
            count += 1
            continue
        if f & _DOT or (c == _HASH and (not _opens(text, i, hi, flags) or _chained(text, lo, i, flags))):
            pending |= BREAK
        if characters and not f & _DROP:
            pending |= BREAK
        i += 1
        if f & _SPACE:
            safe, safe_position, safe_count, safe_pending = i, position, count, pending
    return position, count, pending, -1, -1


@kernel
def _apart(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> bool:
    """Whether no number that is marked reaches over i, and no word: what stands on both sides can be read apart."""
    if i <= lo or i >= hi:
        return True
    c = text[i]
    if not flags[text[i - 1]] & _SPACE or flags[c] & (_SPACE | _DROP):
        return False
    if c == 67 or c == 99 or c == 70 or c == 102 or c == _PERCENT:
        return False
    i -= 1
    while i >= lo and flags[text[i]] & (_SPACE | _DROP):
        i -= 1
    return i < lo or text[i] != _DOLLAR


@kernel
def _stretch(text: Codes, lo: int, safe: int, i: int, hi: int, flags: Flags) -> tuple[int, int]:
    """What to prepare for a number at i: from where to where; (lo, hi) where it cannot be told apart."""
    if not _apart(text, lo, safe, hi, flags):
        return lo, hi
    end = i + 1
    while not _apart(text, lo, end, hi, flags):
        end += 1
    for k in range(safe, end):
        if text[k] == _HASH:  # whether it is a break depends on what stands before
            return lo, hi
    return safe, end


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
            if flags[text[i]] & _DIGIT:
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
        lo = offsets[b]
        while lo < offsets[b + 1]:
            hi = lo
            if cut_stop or cut_line:
                while hi < offsets[b + 1]:
                    if (cut_line and text[hi] == _NEWLINE) or (cut_stop and text[hi] == _STOP):
                        break
                    hi += 1
            else:
                hi = offsets[b + 1]
            first_position, first_count = position, count
            start, pending = lo, BREAK | SENTENCE
            while start < hi:
                position, count, pending, safe, number = _scan(
                    text, lo, start, hi, pending, False, flags, lower, characters, spell,
                    out, position, keys, before, ends, count,
                )  # fmt: skip
                if number < 0:
                    break
                start, end = _stretch(text, lo, safe, number, hi, flags)
                if start == lo:
                    position, count, pending = first_position, first_count, BREAK | SENTENCE
                n, second = _prepare(text, start, end, flags, a, b_)
                position, count, pending, _, _ = _scan(
                    b_ if second else a, 0, 0, n, pending, True, flags, lower, characters, spell,
                    out, position, keys, before, ends, count,
                )  # fmt: skip
                start = end
            lo = hi + 1
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
    if any(_SIGMA in text for text in texts):
        return _respell([words(text, sentences, characters) for text in texts])
    cut = [text.replace(".", "\n") if sentences else text for text in texts]
    normal = [t if p else unicodedata.normalize("NFKD", t) for t, p in zip(cut, plain, strict=True)]
    if any(_SIGMA in text for text in normal):
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


def word_key(word: str) -> int:
    """The hash of one word, as `tokenise` gives it."""
    key = int(_SEED)
    for code in map(ord, word):
        key = plain_step(key, code)
    return key


def ngram_key(spelt: Sequence[str]) -> int:
    """The hash of an n-gram of one or more words."""
    key = word_key(spelt[0])
    for word in spelt[1:]:
        key = plain_step(plain_step(key, int(TWIST)), word_key(word))
    return key


def plain_step(key: int, code: int) -> int:
    """`step` in plain Python: the reference."""
    key = ((key ^ code) * int(_PRIME)) & 0xFFFF_FFFF_FFFF_FFFF
    return key ^ (key >> int(_SHIFT))


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
