"""The path of an event through a tree, with the names that a person knows its features, categories and labels by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.explain.explanation import Condition
from tocsin.models.data.features import MISSING_CATEGORY
from tocsin.models.experts import base

NOT_KNOWN = "(not known)"
"""A category that is not known, where a tree knows that as one of its own."""


def with_names(
    conditions: Sequence[base.TreeCondition], categories: Mapping[int, str], classes: Sequence[str]
) -> list[Condition]:
    """Conditions with a category by its name in `categories`, and a past label by its class."""
    return [
        Condition(
            feature=condition.feature,
            operator=condition.operator,
            value=_named(condition.value, condition, categories, classes),
            actual=None if condition.actual is None else _named(condition.actual, condition, categories, classes),
        )
        for condition in conditions
    ]


def _named(
    value: float | int | str, condition: base.TreeCondition, categories: Mapping[int, str], classes: Sequence[str]
) -> float | str:
    if isinstance(value, str) or not condition.coded:
        return value
    if condition.feature.startswith("last_label_") and 0 <= value < len(classes):
        return classes[int(value)]
    if value == MISSING_CATEGORY:
        return NOT_KNOWN
    if isinstance(value, int) and value in categories:
        return categories[value]
    return float(value)
