"""Text to words and words to values: tokenise and hash, count, and value words as SS3 does.

The tokeniser is pyss3's (`Preproc.clean_and_ready` and the word pattern of `SS3.learn`) in one pass over code
points: compatibility decomposition without marks, numbers as `nnbrr...`, lower case, words of `\\w+`, and
breaks where a sentence ends. `words` is the plain reference, `tokenise` the kernel, and a test holds them
together.

Sources: Burdisso, Errecalde, Montes-y-Gomez 2019, "A text classification framework for simple and effective
early depression detection over social media streams", Expert Systems with Applications 133; the same authors
2020, "t-SS3: a text classifier with dynamic n-grams for early risk detection over text streams", Pattern
Recognition Letters 138; and the behaviour of pyss3 0.6.5.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]
Codes = NDArray[Any]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _kernel(function: Kernel) -> Kernel:
    # A cached kernel names its module, and a test run that collects this file by its path knows it by
    # another name than a later run does.
    function.__module__ = "tocsin.kernels.text"
    return cast(Kernel, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


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
_SEED, _PRIME, _TWIST = (
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


@_kernel
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


@_kernel
def _spaces(text: Codes, i: int, n: int, flags: Flags) -> int:
    while i < n and flags[text[i]] & _SPACE:
        i += 1
    return i


@_kernel
def _temperature(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = _spaces(text, j, n, flags)
    if j + 1 >= n or flags[text[j + 1]] & _LETTER:
        return i
    c = text[j]
    return j + 1 if c == 67 or c == 99 or c == 70 or c == 102 else i


@_kernel
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


@_kernel
def _money(text: Codes, i: int, n: int, flags: Flags) -> int:
    if text[i] != _DOLLAR:
        return i
    j = _spaces(text, i + 1, n, flags)
    k = _number(text, j, n, flags)
    return k if k > j else i


@_kernel
def _percent(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = _spaces(text, j, n, flags)
    return j + 1 if j < n and text[j] == _PERCENT else i


@_kernel
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


@_kernel
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


@_kernel
def step(key: np.uint64, code: np.uint64) -> np.uint64:
    """One step of the hash of a word, or of an n-gram from the key of its prefix and of its last word."""
    key = (key ^ code) * _PRIME
    return key ^ (key >> _SHIFT)


@_kernel
def _chained(text: Codes, lo: int, i: int, flags: Flags) -> bool:
    """Whether a hashtag and nothing but spaces stand before i."""
    i -= 1
    while i >= lo and flags[text[i]] & (_SPACE | _DROP):
        i -= 1
    end = i
    while i >= lo and flags[text[i]] & (_ALNUM | _DROP):
        i -= 1
    return i < end and i >= lo and text[i] == _HASH


@_kernel
def _opens(text: Codes, i: int, hi: int, flags: Flags) -> bool:
    """Whether a letter follows i."""
    i += 1
    while i < hi and flags[text[i]] & _DROP:
        i += 1
    return i < hi and flags[text[i]] & (_LETTER | _DIGIT) != 0


@_kernel
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


@_kernel
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


@_kernel
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


@_kernel
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


@_kernel
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
        key = plain_step(plain_step(key, int(_TWIST)), word_key(word))
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


# ------------------------------------------------------------ counting


class Table(NamedTuple):
    """Counts of V admitted n-grams for C classes, in arrays with room for more."""

    slots: Ids
    """Open addressing by key, a power of two: the n-gram's id, or -1."""
    keys: Keys
    """uint64 [room]."""
    lengths: Flags
    """Words in the n-gram, uint8 [room]."""
    counts: Floats
    """float64 [room, C]."""


class Once(NamedTuple):
    """n-grams that were seen once: open addressing by key."""

    keys: Keys
    """uint64, a power of two."""
    classes: Ids
    """The class it was seen in; -1 for an empty slot, -2 for one whose n-gram has moved on."""
    weights: Floats
    """The weight it was seen with."""


EMPTY, MOVED = -1, -2


@_kernel
def find_in(slots: Ids, keys: Keys, key: np.uint64) -> int:
    """The id of an admitted n-gram, or -1, from a table's slots and keys."""
    mask = np.uint64(len(slots) - 1)
    i = key & mask
    while True:
        there = slots[i]
        if there < 0 or keys[there] == key:
            return int(there)
        i = (i + np.uint64(1)) & mask


@_kernel
def find(table: Table, key: np.uint64) -> int:
    """The id of an admitted n-gram, or -1."""
    return int(find_in(table.slots, table.keys, key))


@_kernel
def place(slots: Ids, key: np.uint64, number: int) -> None:
    """Enter an id under a key that is not there yet."""
    mask = len(slots) - 1
    i = np.int64(key & np.uint64(mask))
    while slots[i] >= 0:
        i = (i + 1) & mask
    slots[i] = number


@_kernel
def place_all(slots: Ids, keys: Keys, size: int) -> None:
    """Enter the ids 0 to size under their keys."""
    for number in range(size):
        place(slots, keys[number], number)


@_kernel
def find_once(once: Once, key: np.uint64) -> int:
    """The slot that holds the key, or the empty one where it would go."""
    mask = len(once.keys) - 1
    i = np.int64(key & np.uint64(mask))
    while once.classes[i] != EMPTY and once.keys[i] != key:
        i = (i + 1) & mask
    return int(i)


@_kernel
def refill(once: Once, into: Once) -> int:
    """Copy what is still waiting into an empty table; how much that is."""
    used = 0
    for i in range(len(once.keys)):
        if once.classes[i] >= 0:
            j = find_once(into, once.keys[i])
            into.keys[j], into.classes[j], into.weights[j] = once.keys[i], once.classes[i], once.weights[i]
            used += 1
    return used


@_kernel
def count_text(
    keys: Keys,
    before: Flags,
    order: int,
    label: int,
    weight: float,
    table: Table,
    size: int,
    young: Once,
    old: Once,
    top: Floats,
    lead: Lead,
    admitted: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Count the n-grams of one text for one class.

    `top` float64 [order, C] is the largest count by length and class and is kept up, as the candidates are.
    An n-gram is admitted at its second occurrence, or at a first one of weight above 1; until then it waits
    in `young` (or in `old`, which is only read and emptied). `admitted` int64 [.., 2] takes the first word
    and the length of each newly admitted n-gram, whose ids run from `size`.

    Returns the new size, how many empty slots of `young` were filled, and how many more n-grams wait there.
    """
    filled = 0
    waiting = 0
    start = 0
    new = 0
    for t in range(len(keys)):
        if before[t] & BREAK:
            start = t
        for first in range(t, max(start, t - order + 1) - 1, -1):
            length = t - first + 1
            key = keys[first]
            for u in range(first + 1, t + 1):
                key = step(step(key, _TWIST), keys[u])
            number = find(table, key)
            if number < 0:
                i = find_once(young, key)
                j = find_once(old, key)
                waits = young.classes[i] >= 0 or old.classes[j] >= 0
                if not waits and weight <= 1.0:
                    if young.classes[i] == EMPTY:
                        filled += 1
                    waiting += 1
                    young.keys[i], young.classes[i], young.weights[i] = key, label, weight
                    continue
                number = size
                size += 1
                table.keys[number] = key
                table.lengths[number] = length
                table.counts[number, :] = 0.0
                place(table.slots, key, number)
                admitted[new, 0], admitted[new, 1] = first, length
                new += 1
                if young.classes[i] >= 0:
                    table.counts[number, young.classes[i]] += young.weights[i]
                    young.classes[i] = MOVED
                    waiting -= 1
                if old.classes[j] >= 0:
                    table.counts[number, old.classes[j]] += old.weights[j]
                    old.classes[j] = MOVED
            table.counts[number, label] += weight
            count = table.counts[number, label]
            top[length - 1, label] = max(top[length - 1, label], count)
            for c in range(table.counts.shape[1]):
                if not lead.flags[number] and table.counts[number, c] > lead.floor[length - 1, c]:
                    lead.flags[number] = 1
                    lead.ids[lead.used[0]] = number
                    lead.used[0] += 1
    return size, filled, waiting


# ------------------------------------------------------------ values

XAI_SPREAD, XAI_MEDIAN, XAI_LOW, XAI_ALL, XAI_FLAT = 0.03, 0.3, 0.2, 0.09, 0.1
GUARD, BONUS = 0.05, 0.01


class Rule(NamedTuple):
    """SS3's hyper-parameters, ready for the kernels."""

    s: float
    l: float  # noqa: E741 - SS3's own name
    p: float
    a: float
    xai: bool
    """The significance of pyss3's default mode, and values divided by the largest; else as in the paper."""
    roots: Floats
    """i ** s for i = 0, 1, ..."""


def rule(s: float, l: float, p: float, a: float, xai: bool) -> Rule:  # noqa: E741
    """The hyper-parameters with their table of roots."""
    return Rule(s, l, p, a, xai, np.arange(4096.0) ** s)


@_kernel
def root(count: float, r: Rule) -> float:
    """Count ** s, from the table for small whole numbers."""
    if count < 4096.0:
        whole = int(count)
        if whole == count:
            return float(r.roots[whole])
    return float(count**r.s)


@_kernel
def significance(lv: Floats, ordered: Floats, r: Rule, counts: Floats, out: Floats) -> None:
    """The significance (sg) of one n-gram for every class, into `out`; `ordered` is scratch."""
    C = len(lv)
    for c in range(C):  # insertion sort
        v = lv[c]
        i = c
        while i > 0 and ordered[i - 1] > v:
            ordered[i] = ordered[i - 1]
            i -= 1
        ordered[i] = v
    median = ordered[(C - 1) // 2]
    spread = 0.0
    if C == 2:
        spread = median
    else:
        for c in range(C):
            spread += abs(median - ordered[c])
        spread /= C
    if r.xai:
        if r.l * spread <= XAI_SPREAD:
            spread = XAI_SPREAD / r.l if r.l > 0.0 else 0.0
        common = median > XAI_LOW or ordered[0] > XAI_ALL
        if (common and spread <= XAI_FLAT) or median >= XAI_MEDIAN:
            out[:] = 0.0
            return
    for c in range(C):
        if counts[c] <= 0.0:
            out[c] = 0.0
        elif spread == 0.0 and lv[c] > 0.0:
            out[c] = 1.0
        elif r.l * spread == 0.0:
            out[c] = 0.0
        else:
            out[c] = 0.5 * math.tanh((3.0 / (r.l * spread)) * (lv[c] - median) - 3.0) + 0.5


@_kernel
def sanction(sg: Floats, c: int, p: float) -> float:
    """The sanction (sn) of one n-gram for class c."""
    C = len(sg)
    if C == 1:
        return 1.0
    s = 0.0
    for other in range(C):
        if other != c:
            s += min(sg[other], 1.0)
    base = max((C - (s + 1.0)) / ((C - 1.0) * (s + 1.0)), 0.0)
    return base if p == 1.0 else base**p


@_kernel
def local(counts: Floats, top: Floats, r: Rule, out: Floats) -> bool:
    """The local value (lv) of one n-gram for every class, into `out`; whether any is above 0."""
    some = False
    for c in range(len(counts)):
        out[c] = 0.0
        if counts[c] > 1.0:
            out[c] = root(counts[c], r) / root(top[c], r)
            some = True
    return some


@_kernel
def global_values(counts: Floats, top: Floats, r: Rule, scratch: Floats, out: Floats) -> None:
    """The global value (gv) of one n-gram for every class, into `out` [C]; `scratch` is [3, C].

    `top` [C] are the largest counts of n-grams of its length.
    """
    lv, ordered, sg = scratch[0], scratch[1], scratch[2]
    if not local(counts, top, r, lv):
        out[:] = 0.0
        return
    significance(lv, ordered, r, counts, sg)
    for c in range(len(counts)):
        g = lv[c] * sg[c]
        out[c] = g * sanction(sg, c, r.p) if g > 0.0 else 0.0


def reference_global_values(
    counts: Sequence[float],
    top: Sequence[float],
    s: float,
    l: float,  # noqa: E741
    p: float,
    xai: bool = True,
) -> list[float]:
    """The global value (gv) of one n-gram for every class, as the formulae are written.

    >>> [round(v, 4) for v in reference_global_values([30, 0], [100, 80], 0.45, 0.5, 1.0)]
    [0.5817, 0.0]
    """
    C = len(counts)
    lv = [(n / t) ** s if n > 1 else 0.0 for n, t in zip(counts, top, strict=True)]
    ordered = sorted(lv)
    median = ordered[(C - 1) // 2]
    spread = median if C == 2 else sum(abs(median - v) for v in ordered) / C
    if xai and l * spread <= XAI_SPREAD:
        spread = XAI_SPREAD / l if l else 0.0
    common = median > XAI_LOW or ordered[0] > XAI_ALL
    if xai and ((common and spread <= XAI_FLAT) or median >= XAI_MEDIAN):
        return [0.0] * C

    def significant(c: int) -> float:
        if counts[c] <= 0:
            return 0.0
        if not spread and lv[c]:
            return 1.0
        return 0.5 * math.tanh(3 / (l * spread) * (lv[c] - median) - 3) + 0.5 if l * spread else 0.0

    def sanctioned(c: int) -> float:
        if C == 1:
            return 1.0
        others = sum(min(significant(o), 1.0) for o in range(C) if o != c)
        return float(max((C - (others + 1)) / ((C - 1) * (others + 1)), 0.0) ** p)

    return [lv[c] * significant(c) * sanctioned(c) for c in range(C)]


class Lead(NamedTuple):
    """Where the largest global values are to be found, kept between calls of `largest`."""

    floor: Floats
    """By length and class [order, C]: every n-gram counted above this for its class is a candidate."""
    leaders: NDArray[np.int64]
    """The n-gram that was the largest [order, C]; -1 for none."""
    flags: Flags
    """Whether an n-gram is a candidate, uint8 [room]."""
    ids: Ids
    """The candidates, int32 [room]."""
    used: NDArray[np.int64]
    """How many candidates there are, and how many there were when they were last chosen: int64 [2]."""


def lead(order: int, classes: int, room: int) -> Lead:
    """Nothing known yet: the next call of `largest` looks at every n-gram."""
    return Lead(
        np.full((order, classes), np.inf),
        np.full((order, classes), -1, np.int64),
        np.zeros(room, np.uint8),
        np.zeros(room, np.int32),
        np.zeros(2, np.int64),
    )


@_kernel
def _consider(
    number: int,
    table: Table,
    top: Floats,
    r: Rule,
    limit: Floats,
    best: Floats,
    leaders: NDArray[np.int64],
    scratch: Floats,
    values: Floats,
) -> None:
    """Let one n-gram compete; `limit` is the count whose local value is the best so far (a little less)."""
    n = table.lengths[number] - 1
    counts = table.counts[number]
    C = len(values)
    hope = False
    for c in range(C):
        hope = hope or counts[c] > limit[n, c]
    if not hope:
        return
    global_values(counts, top[n], r, scratch, values)
    for c in range(C):
        if values[c] > best[n, c]:
            best[n, c] = values[c]
            leaders[n, c] = number
            limit[n, c] = max(1.0, top[n, c] * values[c] ** (1.0 / r.s) * (1.0 - 1e-9))


@_kernel
def _choose(table: Table, size: int, limit: Floats, lead: Lead) -> None:
    """Choose the candidates anew: what is counted above half of the limit for some class."""
    order, C = limit.shape
    for n in range(order):
        for c in range(C):
            lead.floor[n, c] = max(1.0, 0.5 * limit[n, c])
    used = 0
    for number in range(size):
        n = table.lengths[number] - 1
        lead.flags[number] = 0
        for c in range(C):
            if table.counts[number, c] > lead.floor[n, c]:
                lead.flags[number] = 1
        if lead.flags[number]:
            lead.ids[used] = number
            used += 1
    lead.used[0], lead.used[1] = used, used


@_kernel
def largest(table: Table, size: int, top: Floats, r: Rule, lead: Lead) -> Floats:
    """The largest global value by length and class [order, C], exact.

    No global value exceeds its local value, and that grows with the count: once a best is known, only n-grams
    counted above a limit can beat it. Those are few and hardly change, so they are kept as candidates, and
    all n-grams are looked at again only where the limit has sunk below what made one a candidate.
    """
    order, C = top.shape
    best = np.zeros((order, C))
    limit = np.ones((order, C))
    leaders = np.full((order, C), -1, np.int64)
    scratch = np.empty((3, C))
    values = np.empty(C)
    for n in range(order):
        for c in range(C):
            if lead.leaders[n, c] >= 0:
                _consider(lead.leaders[n, c], table, top, r, limit, best, leaders, scratch, values)
    for i in range(lead.used[0]):
        _consider(lead.ids[i], table, top, r, limit, best, leaders, scratch, values)
    enough = lead.used[0] <= 2 * lead.used[1] + 256
    for n in range(order):
        for c in range(C):
            enough = enough and limit[n, c] >= lead.floor[n, c]
    if not enough:
        for number in range(size):
            _consider(number, table, top, r, limit, best, leaders, scratch, values)
        _choose(table, size, limit, lead)
    lead.leaders[:] = leaders
    return best


# ------------------------------------------------------------ recognise


@_kernel
def confidence_value(
    counts: Floats,
    top: Floats,
    best: Floats,
    parts: Floats,
    length: int,
    r: Rule,
    scratch: Floats,
    out: Floats,
) -> None:
    """The confidence value (cv) of one n-gram for every class, into `out` [C].

    `top` and `best` [C] are for its length, `parts` [length, C] the global values of its words.
    """
    global_values(counts, top, r, scratch, out)
    if not r.xai:
        return
    C = len(counts)
    guard = 0.0
    if length > 1:
        for w in range(length):
            for c in range(C):
                guard += parts[w, c]
    for c in range(C):
        if counts[c] <= 0.0 or best[c] <= 0.0 or (length > 1 and guard < GUARD):
            out[c] = 0.0
            continue
        out[c] /= best[c]
        if length > 1:
            strong = True
            for w in range(length):
                strong = strong and parts[w, c] >= BONUS
            if strong:
                out[c] += guard


@_kernel
def look_up(table: Table, young: Once, old: Once, key: np.uint64, counts: Floats) -> int:
    """The counts of an n-gram, into `counts` [C]: its id, -2 where it was seen once, -1 where never."""
    number = find(table, key)
    if number >= 0:
        counts[:] = table.counts[number]
        return number
    counts[:] = 0.0
    i = find_once(young, key)
    if young.classes[i] >= 0:
        counts[young.classes[i]] = young.weights[i]
        return -2
    i = find_once(old, key)
    if old.classes[i] >= 0:
        counts[old.classes[i]] = old.weights[i]
        return -2
    return -1


class Memo(NamedTuple):
    """The values of n-grams as they were last read; a moment is a state of the counts, from 1."""

    read: NDArray[np.int64]
    """The moment at which an n-gram was last valued, int64 [room]."""
    words: Floats
    """Its global values [room, C], where it is a single word."""
    values: Floats
    """Its confidence values [room, C]."""


def memo(room: int, classes: int) -> Memo:
    """Nothing was read yet."""
    return Memo(np.zeros(room, np.int64), np.empty((room, classes)), np.empty((room, classes)))


@_kernel
def value_word(
    number: int, table: Table, top: Floats, best: Floats, r: Rule, memo: Memo, moment: int, scratch: Floats
) -> None:
    """Value an admitted word in the memo."""
    memo.read[number] = moment
    word, value = memo.words[number], memo.values[number]
    global_values(table.counts[number], top[0], r, scratch, word)
    for c in range(len(word)):
        value[c] = word[c]
        if r.xai:
            value[c] = word[c] / best[0, c] if best[0, c] > 0.0 else 0.0


@_kernel
def seen_in(keys: Keys, classes: Ids, key: np.uint64) -> int:
    """The class in which an n-gram was seen once; negative where it never was, or has moved on."""
    mask = np.uint64(len(keys) - 1)
    i = key & mask
    while classes[i] != EMPTY and keys[i] != key:
        i = (i + np.uint64(1)) & mask
    return int(classes[i])


class Room(NamedTuple):
    """Scratch for one text: ids [T], global and confidence values of its words [T, C], values and presence of the
    n-grams at one word [order, C], and a row or three more."""

    ids: NDArray[np.int64]
    words_gv: Floats
    words_cv: Floats
    cv: Floats
    there: NDArray[np.bool_]
    scratch: Floats


@_kernel
def scratch_room(T: int, order: int, C: int) -> Room:
    """Room for texts of up to T words."""
    return Room(
        np.empty(T, np.int64),
        np.empty((T, C)),
        np.empty((T, C)),
        np.empty((order, C)),
        np.empty((order, C), np.bool_),
        np.empty((3, C)),
    )


@_kernel
def recognise_into(
    keys: Keys,
    before: Flags,
    stop: int,
    young: Once,
    old: Once,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    room: Room,
    firsts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    values: Floats,
) -> int:
    """`recognise` into arrays that are there already: [T], [T], [T, C]; returns m."""
    T = len(keys)
    order, C = top.shape
    ids, words_gv, words_cv, cv, there, scratch = room
    # Arrays by themselves: what is in a tuple is counted at every call.
    slots, table_keys, counted = table.slots, table.keys, table.counts
    young_keys, young_classes, old_keys, old_classes = young.keys, young.classes, old.keys, old.classes
    read, memo_values = memo.read, memo.values
    for t in range(T):
        ids[t] = find_in(slots, table_keys, keys[t])
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = 0.0, 0.0
        if ids[t] >= 0:
            if read[ids[t]] != moment:
                value_word(ids[t], table, top, best, r, memo, moment, scratch)
            for c in range(C):
                words_gv[t, c], words_cv[t, c] = memo.words[ids[t], c], memo.values[ids[t], c]
    m = 0
    t = 0
    while t < T:
        depth = 0
        key = keys[t]
        while depth < order and t + depth < T:
            if depth > 0:
                if before[t + depth] & stop:
                    break
                key = step(step(key, _TWIST), keys[t + depth])
            number = ids[t] if depth == 0 else find_in(slots, table_keys, key)
            if number < 0:
                once = seen_in(young_keys, young_classes, key)
                if once < 0:
                    once = seen_in(old_keys, old_classes, key)
                if once < 0:
                    break
                for c in range(C):  # what was seen once is there, and worth nothing
                    there[depth, c] = c == once
                    cv[depth, c] = 0.0
                depth += 1
                continue
            if read[number] != moment:
                read[number] = moment
                parts, value = words_gv[t : t + depth + 1], memo_values[number]
                confidence_value(counted[number], top[depth], best[depth], parts, depth + 1, r, scratch, value)
            for c in range(C):
                there[depth, c] = counted[number, c] > 0.0
                cv[depth, c] = memo_values[number, c]
            depth += 1
        most, length, apart = 0.0, 1, 0.0
        for c in range(C):
            alone = 0.0
            for d in range(depth):
                if not there[d, c]:
                    break
                alone += words_cv[t + d, c]
                if cv[d, c] > most:
                    most, length = cv[d, c], d + 1
            apart = max(apart, alone)
        if most <= r.a or apart > most:
            length = 1
        firsts[m], lengths[m] = t, length
        for c in range(C):
            v = cv[length - 1, c] if depth > 0 else 0.0
            values[m, c] = v if v > r.a else 0.0
        m += 1
        t += length
    return m


@_kernel
def recognise(
    keys: Keys,
    before: Flags,
    stop: int,
    young: Once,
    old: Once,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The n-grams that t-SS3 recognises in the words of a text: first word [m], length [m], values [m, C].

    At each word the n-gram of the largest value in any class is taken, unless its words alone are worth more
    in some class; words that are worth nothing are kept too. `stop` is what ends an n-gram: SENTENCE or
    BREAK.
    """
    T = len(keys)
    order, C = top.shape
    firsts, lengths, values = np.empty(T, np.int64), np.empty(T, np.int64), np.zeros((T, C))
    m = recognise_into(
        keys, before, stop, young, old, table, top, best, r, memo, moment, scratch_room(T, order, C),
        firsts, lengths, values,
    )  # fmt: skip
    return firsts[:m], lengths[:m], values[:m]


SUM, MAX, MEAN = range(3)
"""How values become one: by sum (SS3's own), by the largest of each class, or by the mean."""


@_kernel
def combine(operator: int, total: Floats, value: Floats) -> None:
    """Take one more value [C] into the total [C], which begins at 0."""
    for c in range(len(total)):
        total[c] = max(total[c], value[c]) if operator == MAX else total[c] + value[c]


@_kernel
def conclude(operator: int, total: Floats, count: int) -> None:
    """Make the total of so many values what the operator says."""
    if operator == MEAN and count > 0:
        for c in range(len(total)):
            total[c] /= count


def reference_combined(operator: int, values: Sequence[Sequence[float]], classes: int) -> list[float]:
    """`combine` and `conclude` of values [n, C], as one would write them.

    >>> reference_combined(MEAN, [[1, 0], [2, 4]], 2)
    [1.5, 2.0]
    """
    columns = [[row[c] for row in values] for c in range(classes)]
    if operator == MAX:
        return [max(column, default=0.0) for column in columns]
    divisor = len(values) if operator == MEAN and values else 1
    return [sum(column) / divisor for column in columns]


@_kernel
def confidence_of(
    keys: Keys,
    before: Flags,
    bounds: NDArray[np.int64],
    stop: int,
    young: Once,
    old: Once,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    of_words: int,
    of_sentences: int,
) -> Floats:
    """The confidence vectors [B, C] of B texts: n-grams make sentences by `of_words`, these texts by `of_sentences`."""
    B = len(bounds) - 1
    order, C = top.shape
    longest = 0
    for b in range(B):
        longest = max(longest, bounds[b + 1] - bounds[b])
    room = scratch_room(longest, order, C)
    firsts, lengths, values = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty((longest, C))
    out = np.zeros((B, C))
    sentence = np.zeros(C)
    for b in range(B):
        lo, hi = bounds[b], bounds[b + 1]
        m = recognise_into(
            keys[lo:hi], before[lo:hi], stop, young, old, table, top, best, r, memo, moment, room,
            firsts, lengths, values,
        )  # fmt: skip
        grams, sentences = 0, 0
        sentence[:] = 0.0
        for i in range(m):
            if grams > 0 and before[lo + firsts[i]] & SENTENCE:
                conclude(of_words, sentence, grams)
                combine(of_sentences, out[b], sentence)
                sentence[:] = 0.0
                grams = 0
                sentences += 1
            combine(of_words, sentence, values[i])
            grams += 1
        conclude(of_words, sentence, grams)
        combine(of_sentences, out[b], sentence)
        conclude(of_sentences, out[b], sentences + 1)
    return out


@_kernel
def word_confidence_of(
    keys: Keys,
    bounds: NDArray[np.int64],
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
) -> Floats:
    """`confidence_of` where only single words count."""
    B = len(bounds) - 1
    C = top.shape[1]
    out = np.zeros((B, C))
    scratch = np.empty((3, C))
    slots, table_keys, read, values = table.slots, table.keys, memo.read, memo.values
    for b in range(B):
        for t in range(bounds[b], bounds[b + 1]):
            number = find_in(slots, table_keys, keys[t])
            if number < 0:
                continue
            if read[number] != moment:
                value_word(number, table, top, best, r, memo, moment, scratch)
            for c in range(C):
                v = values[number, c]
                out[b, c] += v if v > r.a else 0.0
    return out
