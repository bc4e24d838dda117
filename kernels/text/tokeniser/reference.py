"""The tokeniser of pyss3 in plain Python, the reference of the kernels.

A text is decomposed (NFKD) and loses its combining marks, numbers become `nnbrr...`, letters become lower case, words
are matches of `\\w+`, and marks between them become breaks. One thing is not pyss3's: a character of a script that puts
no space between words is a word of its own.

Source: the behaviour of pyss3 0.6.5 (`Preproc.clean_and_ready` and the word pattern of `SS3.learn`).
"""

from __future__ import annotations

import re
import unicodedata

from tocsin.kernels.text.tokeniser.scripts import ALONE

BREAK, SENTENCE = 1, 2
"""The marks before a word: a break ends n-grams when a text is learnt, a sentence when it is classified."""

_MARKED = (
    (re.compile(r"\d+(?:[.,]\d+)?\s*[CcFf](?=[^a-zA-Z])"), "nnbrrt"),
    (re.compile(r"\d+(?:[.,]\d+)?[-/\\]\d+(?:[.,]\d+)?[-/\\]\d+(?:[.,]\d+)?"), "nnbrrd"),
    (re.compile(r"\$\s*\d+(?:[.,]\d+)?"), "mnnbrr"),
    (re.compile(r"\d+(?:[.,]\d+)?\s*%"), "nnbrrp"),
    (re.compile(r"\d+(?:[.,]\d+)?"), "nnbrr"),
)
_CHAINED = re.compile(r"(#[a-zA-Z0-9]+)\s*(?=#)")
_DOTS = re.compile(r"[(),;:?!=\"/.|<>\[\]]+|#(?![a-zA-Z])")
_PIECES = re.compile(rf"{ALONE}|(?:(?!{ALONE})[\w\n])+|\.")
_CHARACTERS = re.compile(r"[0-9A-Za-z_]+|\w|[^\w]+")


def words(text: str, sentences: bool = False, characters: bool = False) -> list[tuple[str, int]]:
    """The words of a text, each with the mark before it: 0, BREAK, or BREAK | SENTENCE.

    With `sentences` the text is first cut at full stops and line ends, as pyss3 does when it classifies. With
    `characters` every word character outside ASCII is a word of its own, and everything else is a break.

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
    """The words of one piece of text, with "." for a break."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    text = text.replace("'", "") + " "
    for pattern, marker in _MARKED:
        text = pattern.sub(marker, text)
    if characters:
        pieces = _CHARACTERS.findall(text)
        return [p.lower() if p[0] == "_" or p[0].isalnum() else "." for p in pieces]
    text = _DOTS.sub(".", _CHAINED.sub(r"\1.", text))
    return " ".join(_PIECES.findall(text)).lower().split()
