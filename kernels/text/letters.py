"""What each character is to the tokeniser, and its lower case."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.uint8]
Codes = NDArray[Any]

WORD, DIGIT, SPACE, DOT, LETTER, ALNUM, DROP = 1, 2, 4, 8, 16, 32, 64
MORE = WORD | DIGIT | DROP
HASH, NEWLINE, STOP, COMMA, DOLLAR, PERCENT = 35, 10, 46, 44, 36, 37
MINUS, SLASH, BACKSLASH, BLANK = 45, 47, 92, 32
SIGMA = "Σ"


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
    )


@cache
def alphabet(size: int = 0x110000) -> tuple[Flags, NDArray[np.uint32]]:
    """What each code point below `size` is (flags, uint8) and its lower case (uint32)."""
    characters = [chr(i) for i in range(size)]
    flags = np.array([_flags_of(c) for c in characters], np.uint8)
    lower = np.array([ord(low) if len(low := c.lower()) == 1 else i for i, c in enumerate(characters)], np.uint32)
    return flags, lower
