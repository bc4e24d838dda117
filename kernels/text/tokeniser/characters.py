"""What each character is to the tokeniser, and its lower case."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.text.tokeniser.scripts import is_alone

Flags = NDArray[np.uint8]
Codes = NDArray[Any]
"""Code points, uint32, or the bytes of ASCII, uint8."""

WORD, DIGIT, SPACE, DOT, LETTER, ALNUM, DROP, ALONE = 1, 2, 4, 8, 16, 32, 64, 128
"""The bits of a character's flags: part of a word, decimal digit, white space, mark that breaks n-grams, ASCII letter,
ASCII letter or digit, a character that is dropped (an apostrophe or a combining mark), and one that is a word of its
own (see `scripts`)."""
MORE = WORD | DIGIT | DROP
"""What continues a word."""
HASH, NEWLINE, STOP, COMMA, DOLLAR, PERCENT = 35, 10, 46, 44, 36, 37
MINUS, SLASH, BACKSLASH, BLANK = 45, 47, 92, 32
UPPER_C, LOWER_C, UPPER_F, LOWER_F = 67, 99, 70, 102
SIGMA = "Σ"
"""The one letter whose lower case depends on what follows it."""


class Alphabet(NamedTuple):
    """What the code points below a size are."""

    flags: Flags
    """uint8 [size]"""
    lower: NDArray[np.uint32]
    """The lower case of each code point, uint32 [size]."""


def _flags_of(character: str) -> int:
    ascii_letter = character.isascii() and character.isalpha()
    return (
        WORD * (character.isalnum() or character == "_")
        + DIGIT * character.isdecimal()
        + SPACE * character.isspace()
        + DOT * (character in '(),;:?!="/.|<>[]')
        + LETTER * ascii_letter
        + ALNUM * (ascii_letter or character in "0123456789")
        + DROP * (character == "'" or unicodedata.category(character) == "Mn")
        + ALONE * is_alone(character)
    )


@cache
def alphabet(size: int = 0x110000) -> Alphabet:
    """The flags and the lower case of each code point below `size`, in arrays that cannot be written to."""
    characters = [chr(i) for i in range(size)]
    flags = np.array([_flags_of(c) for c in characters], np.uint8)
    lower = np.array([ord(low) if len(low := c.lower()) == 1 else i for i, c in enumerate(characters)], np.uint32)
    flags.flags.writeable = lower.flags.writeable = False
    return Alphabet(flags, lower)
