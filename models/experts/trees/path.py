"""The path of an event through a tree, as conditions that a person can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.kernels.hoeffding import Step
from tocsin.models.data.batch import Floats
from tocsin.models.experts.base import MAX_CONDITIONS, Operator, TreeCondition


def column_names(names: Sequence[str], x: Floats, history: int) -> list[str]:
    """The names of the inputs x [H + F] of a compiled tree: the last labels, then the features."""
    features = [names[f] if f < len(names) else f"x{f}" for f in range(len(x) - history)]
    return [f"last_label_{n + 1}" for n in range(history)] + features


def conditions(steps: Sequence[Step], x: Floats, names: Sequence[str]) -> list[TreeCondition]:
    """The steps through a compiled tree as conditions; x [H + F] are the inputs, called `names`."""
    result = []
    for column, operator, value, known in steps:
        actual = float(x[column]) if known else None
        coded = operator in ("=", "!=")
        if coded:
            value, actual = int(value), None if actual is None else int(actual)
        result.append(TreeCondition(names[column], operator, value, actual, coded))
    return result


def river_path(root: Any, row: Mapping[str, float | int]) -> list[TreeCondition]:
    """The path of an event through a river tree; empty where `root` is None or a leaf.

    `row` is the event as river sees it. Where a feature is not known of the event, or its category is new to the
    branch, river follows the branch that most events took.
    """
    node, result = root, list[TreeCondition]()
    while node is not None and hasattr(node, "branch_no") and len(result) < MAX_CONDITIONS:
        try:
            number, known = node.branch_no(row), True
        except KeyError:
            number, known = node.most_common_path()[0], False
        operator, value = _test(node, number)
        result.append(TreeCondition(node.feature, operator, value, row[node.feature] if known else None, coded=True))
        node = node.children[number]
    return result


def _test(node: Any, number: int) -> tuple[Operator, Any]:
    """The test that leads to child `number` of a river branch."""
    if hasattr(node, "threshold"):
        return ("<=" if number == 0 else ">"), node.threshold
    if hasattr(node, "value"):
        return ("=" if number == 0 else "!="), node.value
    values = {index: value for value, index in getattr(node, "_mapping", {}).items()}
    return "=", values.get(number, "other")
