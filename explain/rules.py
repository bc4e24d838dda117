"""The declared rules that fired on an event, by their names."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.explain.explanation import FiredRule
from tocsin.explain.rounding import six_digits
from tocsin.models.data.batch import Batch, Bools
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import Expert


def rules(experts: Sequence[Expert], scores: Scores, i: int, most: int | None) -> list[FiredRule] | None:
    """The rules of the engaged experts that fired on event i, in the config's order, at most `most`; None if none."""
    told = [
        rule
        for expert, fired in fired_rules(experts, scores.batch.rows(i, i + 1), scores.engaged[i : i + 1])
        for rule, there in zip(told_rules(expert, scores.classes), fired[0].tolist(), strict=True)
        if there
    ]
    return told[:most] or None


def fired_rules(experts: Sequence[Expert], batch: Batch, engaged: Bools) -> list[tuple[Expert, Bools]]:
    """Each expert that has declared rules, and which of them fired on B events [B, R] where it is engaged [B, E]."""
    having = [(e, expert) for e, expert in enumerate(experts) if expert.rules]
    return [(expert, expert.fired(batch) & engaged[:, e, None]) for e, expert in having]


def told_rules(expert: Expert, classes: Sequence[str]) -> list[FiredRule]:
    """What is said of each declared rule of an expert where it fires."""
    return [
        FiredRule(
            rule=rule.name,
            expert=expert.name,
            label=classes[rule.label],
            precision=six_digits(rule.precision),
            says=rule.says,
        )
        for rule in expert.rules
    ]
