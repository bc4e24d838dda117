"""A decision in words, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tocsin.explain.explanation import Condition, Explanation, TreePath, Vote, Word
from tocsin.streams.printable import printable
from tocsin.streams.wire.records import Decision

REASONS = {
    "uncertain": "the evidence leaves more than one class possible",
    "conflict": "the experts contradict each other",
    "novel": "it is unlike anything seen before",
    "cold-start": "too few labels are known yet",
}
_CLASSES = 5
"""Classes whose belief is shown."""
_SMALLEST = 0.005
"""What a word adds to a class is shown from here on."""


def render(decision: Decision) -> str:
    """A decision as a few lines of text."""
    lines = _verdict(decision)
    if decision.explanation is None:
        return _printable([*lines, "The config's explanation level is `none`: no reasons were kept."])
    lines += _explanation(decision.explanation)
    model = decision.model
    lines.append(f"The model had learnt up to feedback offset {model.feedback_offset}, config {model.config}.")
    return _printable(lines)


def _printable(lines: Sequence[str]) -> str:
    """The lines, each of which stays one: ids and words come from outside."""
    return "\n".join(map(printable, lines))


def _verdict(decision: Decision) -> list[str]:
    """What was decided, and how sure that is."""
    subject = f"Event {decision.event} of {decision.subject}, {_moment(decision.time)}"
    strongest = sorted(decision.belief.items(), key=lambda item: -item[1])[:_CLASSES]
    masses = ", ".join(f"{name}: {mass:.0%}" for name, mass in strongest)
    belief = f"Belief: {masses or 'none'}; not known: {decision.uncertainty:.0%}; conflict: {decision.conflict:.0%}."
    unreviewed = ""
    if decision.over_budget:
        unreviewed = f" Nobody reviews it though {REASONS[decision.over_budget]}: the budget is spent."
    if decision.status == "decided" or decision.reason is None:
        return [f"{subject}: {decision.label}.{unreviewed}", belief]
    possible = f" Possible: {', '.join(decision.set)}." if decision.set else ""
    return [f"{subject}: no decision, because {REASONS[decision.reason]}.{possible}{unreviewed}", belief]


def _moment(time: int) -> str:
    """Epoch milliseconds as a date; a number beyond all dates, which only a forged decision holds, as it is."""
    try:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{time} ms"


def _explanation(explanation: Explanation) -> list[str]:
    lines: list[str] = []
    if explanation.experts:
        lines += ["The experts:", *(_vote(vote) for vote in explanation.experts)]
    if explanation.path is not None:
        lines.append(_path(explanation.path))
    if explanation.words:
        lines.append(f"The words that moved it: {_words(explanation.words)}.")
    if explanation.enough is not None:
        lines.append(f"What would have been enough: {explanation.enough.words}.")
    return lines


def _vote(vote: Vote) -> str:
    answer = "has no evidence" if vote.vote is None else f"says {vote.vote} ({vote.probability:.0%})"
    return f"  {vote.expert} {answer}, trusted {vote.reliability:.0%}, moves the belief by {vote.weight:.0%}."


def _path(path: TreePath) -> str:
    tests = [
        f"{condition.feature} {condition.operator} {_value(condition.value)} (is {_value(condition.actual)})"
        for condition in _tightest(path.conditions)
    ]
    return f"In {path.expert}: {', and '.join(tests)}."


def _tightest(conditions: Sequence[Condition]) -> list[Condition]:
    """Of several bounds on one side of one feature the last: down a tree each is tighter than the one before."""
    tightest = {(condition.feature, condition.operator): condition for condition in conditions}
    return list(tightest.values())


def _words(words: Sequence[Word]) -> str:
    """Each word once, though several experts may name it, with the values that the first of them gives."""
    shown: dict[str, str] = {}
    for word in words:
        values = ", ".join(f"{name} +{value:.2f}" for name, value in word.values.items() if value >= _SMALLEST)
        shown.setdefault(word.word, f"{word.word!r} ({values})")
    return ", ".join(shown.values())


def _value(value: float | str | None) -> str:
    return "not known" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
