"""The one function through which all text from outside goes before a terminal, a page or a log shows it.

An id, a class, a word, a file's name or a key of a config may hold characters that move a terminal's cursor, reorder
what stands around them, end a line of a log, or cannot be written as UTF-8 at all.
"""

from __future__ import annotations

import json


def printable(text: str, lines: bool = False) -> str:
    r"""The text with an escape for each character that is not shown as itself.

    Such are control characters (C0, DEL, C1), line separators, marks that steer the direction of a text, other
    characters of no width, unassigned ones, lone surrogates, and all spaces but U+0020. The escapes are those of JSON,
    so that a JSON document stays one. With `lines` the text may have several lines: then line feeds stay.

    >>> print(printable("\x1b[31mred\x9b\u202e\nnext"))
    \u001b[31mred\u009b\u202e\nnext
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else json.dumps(c)[1:-1] for c in text)


def writable(text: str, encoding: str) -> str:
    """The text with an escape for each character that a stream of this encoding cannot write."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
