"""The path of an event through a tree, as conditions that a person can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tocsin.kernels.hoeffding import Pool, Step, paths
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.inputs import label_history_and_features
from tocsin.models.experts.base import MAX_CONDITIONS, Operator, TreeCondition, TreePaths

CODED = ("=", "!=")
"""The tests whose values are codes of categories or labels; those of other tests are numbers."""


def column_names(names: Sequence[str], x: Floats, history: int) -> list[str]:
    """The names of the inputs x [H + F] of a compiled tree: the last labels, then the features."""
    features = [names[f] if f < len(names) else f"x{f}" for f in range(len(x) - history)]
    return [f"last_label_{n + 1}" for n in range(history)] + features


def conditions(steps: Sequence[Step], x: Floats, names: Sequence[str]) -> list[TreeCondition]:
    """The steps through a compiled tree as conditions; x [H + F] are the inputs as they came, called `names`."""
    result = []
    for column, operator, value, known in steps:
        actual = float(x[column]) if known and not np.isnan(x[column]) else None
        coded = operator in CODED
        if coded:
            value, actual = int(value), None if actual is None else int(actual)
        result.append(TreeCondition(names[column], operator, value, actual, coded))
    return result


def tree_paths(pool: Pool, e: int, batch: Batch, rows: Ints, names: Sequence[str], history: int) -> TreePaths:
    """The paths of the events `rows` [R] through tree `e`, which sees the last `history` labels and the features.

    `names` are those of the features.
    """
    X = label_history_and_features(batch, history)[rows]
    steps = paths(pool, e, X, MAX_CONDITIONS)
    feature, operator, child = (array.astype(np.int64) for array in (steps.feature, steps.operator, steps.child))
    feature = np.clip(feature, 0, max(X.shape[1] - 1, 0))  # behind a path's end there is anything
    own = label_history_and_features(batch, history, guessed=False)[rows]
    actual = np.where(steps.known > 0, np.take_along_axis(own, feature, axis=1), np.nan) if X.shape[1] else steps.value
    columns = column_names(names, X[0] if len(X) else np.empty(X.shape[1]), history)
    return TreePaths(columns, feature, operator, steps.value, actual, child, steps.length.astype(np.int64))


def put_together(parts: Sequence[tuple[Ints, TreePaths]], rows: int) -> TreePaths:
    """Paths through several trees as those of `rows` events; each part says of which places it speaks."""
    S = MAX_CONDITIONS
    feature, operator, test = (np.zeros((rows, S), np.int64) for _ in range(3))
    value, actual, length = np.zeros((rows, S)), np.full((rows, S), np.nan), np.zeros(rows, np.int64)
    columns: Sequence[str] = ()
    for number, (places, part) in enumerate(parts):
        columns = part.columns
        feature[places], operator[places], value[places] = part.feature, part.operator, part.value
        actual[places], length[places] = part.actual, part.length
        test[places] = part.test + (number << 32)  # another tree numbers its nodes as this one does
    return TreePaths(columns, feature, operator, value, actual, test, length)


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
        actual = row[node.feature] if known else None
        result.append(TreeCondition(node.feature, operator, value, actual, coded=operator in CODED))
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
