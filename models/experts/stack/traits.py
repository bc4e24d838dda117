"""Traits of a text: how often characters of a sort stand in it, and how long its longest stretches of them are.

They are dimensions with names (explicit semantics as in SESA, Bhattacharyya et al. 2017): a weight on `digits` says
what it means. N-grams do not tell them, for each number and each word in capitals is another n-gram.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from tocsin.models.data.batch import Bools, Floats, Ints

SORTS = {
    "letters": "",
    "capitals": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "digits": "0123456789",
    "spaces": " \t\n\r",
    "exclamations": "!",
    "questions": "?",
    "stops": ".,;:",
    "mentions": "@",
    "hashtags": "#",
    "money": "$%£¥¢€",
    "slashes": "/\\&=",
    "quotes": "'\"()",
    "marks": "",
    "others": "",
}
"""Every character is of one sort. `marks` are those of ASCII in no other, `others` those of the rest of Unicode."""
_NAMES = list(SORTS)
TRAITS = (*SORTS, "words", "longest number", "longest capitals", "longest word")
"""The names of the traits, in their order."""
CODES = 0x20AC + 1
"""Up to so high a code point sorts are told apart: the euro sign is the last that is named."""


def _sorts() -> Ints:
    table = np.full(CODES + 1, _NAMES.index("others"))
    table[:128] = [_NAMES.index("letters" if chr(code).isalpha() else "marks") for code in range(128)]
    for place, characters in enumerate(SORTS.values()):
        table[[ord(character) for character in characters]] = place
    return table


_TABLE = _sorts()
PIECE = 250_000
"""Characters that are looked at together, or one text: what that takes is some 30 bytes a character."""


def traits(texts: Sequence[str | None], most: int) -> Floats:
    """log(1 + count) for each of `TRAITS` [B, D] of the first `most` characters of B texts; 0 where there is none.

    >>> dict(zip(TRAITS, np.expm1(traits(["WIN 500 now!"], 100)[0]).round().astype(int).tolist()))["digits"]
    3
    """
    read = [(text or "")[:most] for text in texts]
    ends = np.cumsum([len(text) + 1 for text in read])
    cuts = np.searchsorted(ends, np.arange(PIECE, ends[-1] if len(ends) else 0, PIECE)).tolist()
    bounds = sorted({0, *cuts, len(read)})
    parts = [_traits(read[start:stop], most) for start, stop in pairwise(bounds)]
    return np.concatenate(parts) if parts else np.zeros((0, len(TRAITS)))


def _traits(read: Sequence[str], most: int) -> Floats:
    events = np.repeat(np.arange(len(read)), [len(text) + 1 for text in read])
    # A space behind each text ends its last stretch.
    codes = np.frombuffer("".join(f"{text} " for text in read).encode("utf-32-le", "surrogatepass"), np.uint32)
    sort = _TABLE[np.minimum(codes, CODES)]
    counts = np.bincount(events * len(SORTS) + sort, minlength=len(read) * len(SORTS)).reshape(len(read), len(SORTS))
    counts[:, _NAMES.index("spaces")] -= 1
    words = sort != _NAMES.index("spaces")
    stretches = [
        _longest(flags, events, len(read))
        for flags in (sort == _NAMES.index("digits"), sort == _NAMES.index("capitals"), words)
    ]
    begins = np.flatnonzero(words & ~np.append(False, words[:-1]))
    number = np.bincount(events[begins], minlength=len(read))
    # From a table, so that a logarithm has the same bits wherever it stands in an array.
    return _logs(most)[np.column_stack([counts, number, *stretches])]


def _longest(flags: Bools, events: Ints, rows: int) -> Ints:
    """[B], how long the longest stretch of True is in the characters of each event; none reaches its last."""
    edges = np.flatnonzero(np.diff(flags, prepend=False))
    start, stop = edges[::2], edges[1::2]
    longest = np.zeros(rows, np.int64)
    np.maximum.at(longest, events[start], stop - start)
    return longest


@cache
def _logs(most: int) -> Floats:
    logs: Floats = np.log1p(np.arange(most + 1, dtype=np.float64))
    return logs
