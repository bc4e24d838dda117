"""A decision in words, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tocsin.explain.explanation import Condition, Explanation, FiredRule, TreePath, Vote, Word
from tocsin.explain.recourse import sentence
from tocsin.streams.printable import printable
from tocsin.streams.wire.records import Decision

REASONS = {
    "uncertain": "the evidence does not suffice",
    "conflict": "the evidence does not suffice, and the experts contradict each other",
    "novel": "it is less like the recent labelled events than nearly all of them were",
    "cold-start": "too few labels are known that tell how far the model can be trusted",
}
_CLASSES = 5
"""Classes whose belief is shown."""
_SMALLEST = 0.005
"""What a word adds to a class is shown from here on."""
_UNITS = {
    None: "",
    "evidence": ", in pseudo-counts of evidence before its bound",
    "log-odds": ", in log odds, which are not its evidence",
}
"""What the numbers beside words are, by `Word.part_of`."""


def render(decision: Decision, closed: bool = False) -> str:
    """A decision as a few lines of text; `closed` where what was sealed of it could not be opened."""
    lines = _verdict(decision)
    if decision.explanation is None and closed:
        return _printable([*lines, "Its reasons were sealed, if any were kept, and cannot be read any more."])
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
    if len(decision.belief) > _CLASSES:
        others = sum(decision.belief.values()) - sum(mass for _, mass in strongest)
        masses += f", {len(decision.belief) - _CLASSES} others: {others:.0%}"
    belief = f"Belief: {masses or 'none'}; not known: {decision.uncertainty:.0%}; conflict: {decision.conflict:.0%}."
    unreviewed = ""
    if decision.over_budget:
        unreviewed = f" Nobody reviews it though {REASONS[decision.over_budget]}: the budget is spent."
    if decision.status == "decided" or decision.reason is None:
        return [f"{subject}: {decision.label}.{unreviewed}", belief]
    possible = f" Its prediction set: {', '.join(decision.set)}." if decision.set else ""
    return [f"{subject}: no decision, because {REASONS[decision.reason]}.{possible}{unreviewed}", belief]


def _moment(time: int) -> str:
    """Epoch milliseconds as a date; a number beyond all dates, which only a forged decision holds, as it is."""
    try:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{time} ms"


def _explanation(explanation: Explanation) -> list[str]:
    lines: list[str] = list(map(_rule, explanation.rules or []))
    if explanation.experts:
        lines += ["The experts:", *(_vote(vote) for vote in explanation.experts)]
    if explanation.path is not None:
        lines.append(_path(explanation.path))
    lines += _words(explanation.words or [])
    if explanation.enough is not None:
        lines.append(f"What would have been enough: {sentence(explanation.enough)}.")
    return lines


def _rule(rule: FiredRule) -> str:
    says = f": {rule.says}" if rule.says else "."
    return f"The rule {rule.rule} of {rule.expert} fired, which is right in {rule.precision:.0%} for {rule.label}{says}"


def _vote(vote: Vote) -> str:
    answer = "has no evidence" if vote.vote is None else f"says {vote.vote} ({vote.probability:.0%})"
    # Older records tell a share only, which is not how far the expert moved the belief.
    part = f"its weight is {vote.weight:.0%} of all"
    if vote.change is not None:
        part = f"without it {vote.change:.0%} of the probability would lie with other classes"
    return f"  {vote.expert} {answer}, trusted {vote.reliability:.0%}; {part}."


def _path(path: TreePath) -> str:
    return f"In {path.expert}: {', and '.join(map(_condition, _tightest(path.conditions)))}."


def _tightest(conditions: Sequence[Condition]) -> list[Condition]:
    """Of several bounds on one side of one number the last: down a tree each is tighter than the one before."""
    tightest = {
        (c.feature, c.operator, c.value if c.operator in ("=", "!=") else None, c.actual is None): c for c in conditions
    }
    return list(tightest.values())


def _condition(condition: Condition) -> str:
    """A condition with the event's own value. Where it has none that the tree knows, the condition does not hold of
    it: the event only goes the way of most events."""
    value, actual = _value(condition.value), _value(condition.actual)
    if condition.actual is None:
        return f"{condition.feature} not known, taken as {condition.operator} {value}"
    if value == actual and condition.value != condition.actual:
        value, actual = str(condition.value), str(condition.actual)  # too near for rounding to tell apart
    return f"{condition.feature} {condition.operator} {value} (is {actual})"


def _value(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(words: Sequence[Word]) -> list[str]:
    """The words of each expert, with what they add to each class and in what unit. Records of earlier releases name
    neither."""
    shown: dict[tuple[str | None, str | None], list[str]] = {}
    for word in words:
        values = ", ".join(f"{name} {v:+.2f}" for name, v in word.values.items() if abs(v) >= _SMALLEST)
        shown.setdefault((word.expert, word.part_of), []).append(f"{word.word!r} ({values or 'hardly'})")
    return [
        f"The words that moved {expert or 'it'}{_UNITS[part_of]}: {', '.join(told)}."
        for (expert, part_of), told in shown.items()
    ]
