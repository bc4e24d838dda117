"""A decision in words, for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

REASONS = {
    "uncertain": "the evidence leaves more than one class possible",
    "conflict": "the experts contradict each other",
    "novel": "it is unlike anything seen before",
    "cold-start": "too few labels are known yet",
}


def render(decision: dict[str, Any]) -> str:
    """A decision record as a few lines of text."""
    lines = [*_verdict(decision)]
    explanation = decision["explanation"]
    if explanation is None:
        return _plain([*lines, "The config's explanation level is `none`: no reasons were kept."])
    lines += _experts(explanation)
    lines += _path(explanation)
    lines += _words(explanation)
    if explanation["enough"]:
        lines.append(f"What would have been enough: {explanation['enough']['words']}.")
    model = decision["model"]
    lines.append(f"The model had learnt up to feedback offset {model['feedback_offset']}, config {model['config']}.")
    return _plain(lines)


def _plain(lines: list[str]) -> str:
    """Ids, subjects and words are an outsider's: what would steer a terminal is shown instead of sent."""
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines)


def _verdict(decision: dict[str, Any]) -> list[str]:
    moment = datetime.fromtimestamp(decision["time"] / 1000, UTC).isoformat(timespec="seconds")
    who = f"Event {decision['event']} of {decision['subject']}, {moment}"
    masses = ", ".join(f"{c}: {mass:.0%}" for c, mass in sorted(decision["belief"].items(), key=lambda i: -i[1])[:5])
    belief = (
        f"Belief: {masses or 'none'}; not known: {decision['uncertainty']:.0%}; conflict: {decision['conflict']:.0%}."
    )
    over = decision.get("over_budget")
    spent = f" Nobody reviews it though {REASONS[over]}: the budget is spent." if over else ""
    if decision["status"] == "decided":
        return [f"{who}: {decision['label']}.{spent}", belief]
    possible = f" Possible: {', '.join(decision['set'])}." if decision["set"] else ""
    return [f"{who}: no decision, because {REASONS[decision['reason']]}.{possible}{spent}", belief]


def _experts(explanation: dict[str, Any]) -> list[str]:
    lines = []
    for vote in explanation["experts"]:
        says = "has no evidence" if vote["vote"] is None else f"says {vote['vote']} ({vote['probability']:.0%})"
        lines.append(
            f"  {vote['expert']} {says}, trusted {vote['reliability']:.0%}, moves the belief by {vote['weight']:.0%}."
        )
    return ["The experts:", *lines] if lines else []


def _path(explanation: dict[str, Any]) -> list[str]:
    path = explanation["path"]
    if not path:
        return []
    tests = [f"{_test(c)} (is {_short(c['actual'])})" for c in _tightest(path["conditions"])]
    return [f"In {path['expert']}: {', and '.join(tests)}."]


def _tightest(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several bounds on one side of one feature the last: down a tree each is tighter than the one before."""
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for condition in conditions:
        kept[condition["feature"], condition["operator"]] = condition
    return list(kept.values())


def _test(condition: dict[str, Any]) -> str:
    return f"{condition['feature']} {condition['operator']} {_short(condition['value'])}"


def _words(explanation: dict[str, Any]) -> list[str]:
    """Each word once, though several experts may name it, with what the first says of it."""
    told: dict[str, str] = {}
    for word in explanation["words"] or []:
        values = ", ".join(f"{c} +{v:.2f}" for c, v in word["values"].items() if v >= 0.005)
        told.setdefault(word["word"], f"{word['word']!r} ({values})")
    return [f"The words that moved it: {', '.join(told.values())}."] if told else []


def _short(value: Any) -> str:
    return "not known" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
