"""The scripts that put no space between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese and their neighbours.

A stretch of such a script would be one long word that never comes again, so each of its characters is a word of its
own. Which words these characters make up is then told by n-grams.
"""

from __future__ import annotations

import re

_RANGES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai Le, New Tai Lue, Tai Tham
    "\u2e80-\u2fdf\u3005-\u3007"  # radicals, and the signs that stand for an ideograph
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"  # Hiragana, Katakana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs
    "\ua9e0-\ua9ff\uaa60-\uaadf"  # more of Myanmar, Tai Viet
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # more of Kana, more ideographs
)
"""Code points, as they stand between the brackets of a regular expression. Korean is not here: it writes spaces."""

ALONE = rf"(?:(?=[^\W\d_])[{_RANGES}])"
"""A pattern of one character that is a word of its own; no digits, which are parts of numbers."""
_ALONE = re.compile(ALONE)
_PARTS = re.compile(rf"{ALONE}|(?:(?!{ALONE}).)+", re.DOTALL)


def is_alone(character: str) -> bool:
    """Whether a character is a word of its own in every text.

    >>> is_alone("中"), is_alone("ก"), is_alone("é"), is_alone("한")
    (True, True, False, False)
    """
    return _ALONE.match(character) is not None


def parted(word: str) -> list[str]:
    """A word without white space in its parts: each character that is a word of its own, and what is between them.

    >>> parted("wifi密码x")
    ['wifi', '密', '码', 'x']
    """
    return _PARTS.findall(word)
