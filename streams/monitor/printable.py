"""Names that an outsider may have chosen, in a form that is safe to show."""

from __future__ import annotations

_CHARACTERS = 80
"""Characters of a name that are shown."""


def printable(name: str) -> str:
    """The beginning of a name, with a dot for each character that could steer a terminal or a browser's layout."""
    return "".join(c if c.isprintable() else "·" for c in name[:_CHARACTERS])
