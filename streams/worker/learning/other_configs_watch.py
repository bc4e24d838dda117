"""Says how much of the feedback was written under another config, once whenever that changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tocsin.streams.worker.learning.learn import ERASED, TOO_MANY_CLASSES, UNFIT_VALUE, UNKNOWN_CLASS
from tocsin.streams.worker.reporting.counts import Counts

log = logging.getLogger(__name__)

PASSED_OVER = {
    UNKNOWN_CLASS: "{n} are of a class that the config does not name, and teach nothing",
    TOO_MANY_CLASSES: "{n} are of a class for which bounds.classes has no room, and teach nothing",
    UNFIT_VALUE: "{n} values of features are of another kind, and count as not known",
}
WAYS = "name them in `classes`, or say in `class_map` what each is called today; a new feedback topic has none of them"
MOST_NAMED = 5
"""Classes that one line of the log names."""


class OtherConfigsWatch:
    """Remembers how much the log was told of."""

    def __init__(self, topic: str) -> None:
        """`topic` is that of the feedback."""
        self._topic = topic
        self._said = 0

    def look(self, counts: Counts, unknown: Mapping[str, int]) -> None:
        """Log how much of the feedback that was read until now was written under another config, if there is more.

        `unknown` are the labels of classes that the config does not name, each with the offset of its first record.
        """
        total = counts.scored_anew + counts.passed_over.total()
        if total == self._said:
            return
        self._said = total
        if erased := counts.passed_over.get(ERASED):
            log.info("%s: %d records are of subjects that are forgotten, and teach nothing", self._topic, erased)
        if total == erased:
            return
        what = [f"{counts.scored_anew} records were scored anew"]
        what += [
            PASSED_OVER[reason].format(n=n) for reason, n in sorted(counts.passed_over.items()) if reason != ERASED
        ]
        whose = "of another config, or of a model that has gone back since" if counts.went_back else "of another config"
        log.warning("%s holds records %s: %s", self._topic, whose, "; ".join(what))
        if unknown:
            names = ", ".join(map(repr, list(unknown)[:MOST_NAMED])) + ", ..." * (len(unknown) > MOST_NAMED)
            first = min(unknown.values())
            log.warning(
                "%s: from offset %d on there are labels of other classes (%s): %s", self._topic, first, names, WAYS
            )
