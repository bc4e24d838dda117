"""Declared rules that have turned bad: right clearly less often than their authors declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tocsin.streams.monitor.shown_name import beginning
from tocsin.streams.wire.records import Telemetry

NAMED = 5
"""Rules that are named; of more their number is told."""


def in_words(telemetry: Sequence[Telemetry]) -> Iterator[str]:
    """The rules that have turned bad as sentences, by the worker whose model has learnt the most."""
    newest = max(telemetry, key=lambda report: report.feedback_offset, default=None)
    if newest is None:
        return
    bad = [
        (expert, name, rule)
        for expert, report in newest.experts.items()
        for name, rule in report.rules.items()
        if rule.turned_bad
    ]
    for expert, name, rule in bad[:NAMED]:
        yield (
            f"The rule {beginning(name)} of {beginning(expert)} has turned bad: it is right in {rule.precision:.0%} of "
            f"the events on which it fires, and {rule.confidence:.0%} was declared."
        )
    if len(bad) > NAMED:
        yield f"{len(bad) - NAMED} more rules have turned bad."
