"""Names that an outsider may have chosen, in a form that is short and safe to show."""

from __future__ import annotations

from tocsin.streams.printable import printable

_CHARACTERS = 80
"""Characters of a name that are shown."""


def beginning(name: str) -> str:
    """The beginning of a name, with an escape for each character that could steer a terminal or a browser's layout."""
    return printable(name[:_CHARACTERS])
