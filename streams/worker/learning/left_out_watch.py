"""Says which columns are left out because they tell nothing of the class, once whenever that changes."""

from __future__ import annotations

import logging

from tocsin.models.classifier import Classifier
from tocsin.streams.printable import printable

log = logging.getLogger(__name__)

_NAMED = 20
"""Columns that a line of the log names."""


def left_out(classifier: Classifier) -> list[str]:
    """The columns that whatever standardises its inputs leaves out, see `inputs.relevance`."""
    found = classifier.mixture.inputs.relevance.left_out.tolist()  # of a model without columns it is shorter
    return [name for name, out in zip(classifier.columns, found, strict=False) if out]


class LeftOutWatch:
    """Logs which columns are left out."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def look(self, classifier: Classifier) -> None:
        """Log what has changed since the last look."""
        now = left_out(classifier)
        if now == self._said:
            return
        self._said = now
        if not now:
            log.info("every column tells something of the class now, so none is left out any more")
            return
        names = ", ".join(map(printable, now[:_NAMED])) + (f" and {len(now) - _NAMED} more" if now[_NAMED:] else "")
        log.info(
            "%d of %d columns tell nothing of the class, and experts that standardise their inputs leave them out: %s",
            len(now),
            len(classifier.columns),
            names,
        )
