"""The way an event takes through a tree, as conditions a person can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.kernels.hoeffding import Step
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Floats
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.forest import ForestExpert
from tocsin.models.experts.river import RiverExpert
from tocsin.models.experts.tree import TreeExpert

MAX_CONDITIONS = 32


def of_expert(classifier: Classifier, e: int, scores: Scores, i: int, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """The tests on the way of event i through expert e, as `Condition`s; empty where it is no tree, or a bare root.

    Of a forest the tree is told whose vote weighs most, of trees one against the rest that of the class voted for.
    """
    expert = classifier.experts[e]
    if isinstance(expert, RiverExpert):
        return path(expert, expert.row(scores.batch, i), names, scores.classes)
    if isinstance(expert, TreeExpert):
        steps, x = expert.path(scores.batch, i, int(scores.said[i, e].argmax()), MAX_CONDITIONS)
    elif isinstance(expert, ForestExpert):
        steps, x = expert.path(scores.batch, i, MAX_CONDITIONS)
    else:
        return []
    return conditions(steps, x, classifier.columns, names, scores.classes)


def conditions(
    steps: Sequence[Step], x: Floats, columns: Sequence[str], names: Mapping[int, str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """The steps of a compiled tree as `Condition`s; x [H + F] are the last labels and the features named `columns`."""
    history = len(x) - len(columns)
    told = []
    for column, operator, value, known in steps:
        feature = columns[column - history] if column >= history else f"last_label_{column + 1}"
        shown: list[Any] = [value, float(x[column]) if known else None]
        if operator in ("=", "!="):  # categories, by their codes
            shown = [None if code is None else _shown(feature, int(code), names, classes) for code in shown]
        told.append({"feature": feature, "operator": operator, "value": shown[0], "actual": shown[1]})
    return told


def path(
    expert: RiverExpert, row: dict[str, Any], names: Mapping[int, str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """The tests on the way to the leaf that answers, as `Condition`s; empty where the model is no tree.

    `row` is the event as the expert sees it, `names` the categories behind the codes.
    """
    node = getattr(expert.model, "_root", None)
    conditions: list[dict[str, Any]] = []
    while node is not None and hasattr(node, "branch_no") and len(conditions) < MAX_CONDITIONS:
        feature = node.feature
        try:
            number, known = node.branch_no(row), True
        except KeyError:  # not known of the event, or a category that this branch has not met: river goes with the most
            number, known = node.most_common_path()[0], False
        operator, value = _test(node, number)
        conditions.append(
            {
                "feature": feature,
                "operator": operator,
                "value": _shown(feature, value, names, classes),
                "actual": _shown(feature, row[feature], names, classes) if known else None,
            }
        )
        node = node.children[number]
    return conditions


def _test(node: Any, number: int) -> tuple[str, Any]:
    """The test that leads to child `number` of a branch."""
    if hasattr(node, "threshold"):
        return ("<=" if number == 0 else ">"), node.threshold
    if hasattr(node, "value"):
        return ("=" if number == 0 else "!="), node.value
    values = {index: value for value, index in getattr(node, "_mapping", {}).items()}
    return "=", values.get(number, "other")


def _shown(feature: str, value: Any, names: Mapping[int, str], classes: Sequence[str]) -> float | str:
    """A value as a person would write it: a category by its name, a past label by its class."""
    if isinstance(value, str):
        return value
    if feature.startswith("last_label_") and 0 <= value < len(classes):
        return classes[int(value)]
    if isinstance(value, int) and value in names:
        return names[value]
    return float(value)
