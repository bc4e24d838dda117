"""The error that a config ends in, and the nearest of the names that were perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class ConfigError(Exception):
    """The config cannot be used; the text names file, line, key, what was expected and the nearest valid key.

    Each mistake is a line of its own, which `lines` gives as one even where a key or a name holds a line break.
    """

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


def nearest(key: str, valid: Sequence[str]) -> str:
    """The end of a message about an unknown key: the valid key nearest to it, or all of them where none is near."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid keys: {', '.join(sorted(valid))}"
