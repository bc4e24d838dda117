"""Says in the log when a declared rule turns bad, and when it is good again."""

from __future__ import annotations

import logging

from tocsin.models.classifier import Classifier
from tocsin.streams.printable import printable

log = logging.getLogger(__name__)


class RuleWatch:
    """Remembers which rules of a model it has told of, so that each change is said once."""

    def __init__(self) -> None:
        self._bad: set[tuple[str, str]] = set()

    def look(self, classifier: Classifier) -> None:
        """Log what has changed since the last look. After a start that is every rule that is bad."""
        bad: set[tuple[str, str]] = set()
        for expert in classifier.experts:
            for rule in expert.rules:
                if not rule.turned_bad:
                    continue
                place = (expert.name, rule.name)
                bad.add(place)
                if place not in self._bad:
                    log.warning(
                        "the rule %s of %s has turned bad: it is right in %.0f%% of the events on which it fires, and "
                        "%.0f%% was declared; correct it, or lower its confidence",
                        printable(rule.name), printable(expert.name), 100 * rule.precision, 100 * rule.confidence,
                    )  # fmt: skip
        for expert_name, name in sorted(self._bad - bad):
            log.info("the rule %s of %s is good again", printable(name), printable(expert_name))
        self._bad = bad
