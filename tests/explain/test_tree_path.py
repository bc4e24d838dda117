"""The way through a tree is the one that river itself takes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.model import RiverExpert as Settings
from tocsin.explain.tree_path import MAX_CONDITIONS, path
from tocsin.models.batch import Batch
from tocsin.models.features import category_code
from tocsin.models.river_expert import RiverExpert

COLOURS = ("red", "green", "blue", "black", "white")
NAMES = {category_code(colour): colour for colour in COLOURS}
CLASSES = ("no", "yes")
QUICK = {"grace_period": 10, "delta": 0.2, "tau": 0.4}


def grown(model: str, **parameters: Any) -> RiverExpert:
    rng = np.random.default_rng(0)
    made = RiverExpert(
        Settings(name="one", model=model, history=1, parameters={**QUICK, **parameters}),
        ["size", "colour"],
        [False, True],
        seed=1,
    )
    made.resize(2, 2)
    colour = rng.integers(0, 4, 3000)
    X = np.column_stack([rng.normal(size=3000), [category_code(COLOURS[c]) for c in colour]])
    y = ((X[:, 0] > 0) ^ (colour % 2 == 0)).astype(np.int64)
    X[rng.random(X.shape) < 0.05] = np.nan
    made.learn(Batch.of(X, history=np.roll(y, 1)[:, None]), y, np.ones(3000))
    return made


TREES = {
    "multiway": grown("tree.HoeffdingTreeClassifier"),
    "binary": grown("tree.HoeffdingTreeClassifier", binary_split=True),
    "adaptive": grown("tree.HoeffdingAdaptiveTreeClassifier"),
    "extremely fast": grown("tree.ExtremelyFastDecisionTreeClassifier"),
}
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.floats(-3, 3),
        "colour": st.sampled_from([category_code(colour) for colour in (*COLOURS, "never seen")]),
        "last_label_1": st.integers(0, 1),
    },
)


def holds(condition: dict[str, Any]) -> bool:
    actual, value = condition["actual"], condition["value"]
    return {
        "<=": lambda: actual <= value,
        ">": lambda: actual > value,
        "=": lambda: actual == value,
        "!=": lambda: actual != value,
    }[condition["operator"]]()


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
@settings(max_examples=120, deadline=None)
@given(row=ROWS)
def test_conditions_are_true_and_lead_where_river_goes(tree: RiverExpert, row: dict[str, Any]) -> None:
    told = path(tree, row, NAMES, CLASSES)
    # Where it goes with most events, river's walk passes a node twice.
    walked = list({id(node): node for node in tree.model._root.walk(row)}.values())
    branches = [node.feature for node in walked if hasattr(node, "branch_no")]
    assert [condition["feature"] for condition in told] == branches[:MAX_CONDITIONS]
    for condition in told:
        if condition["actual"] is None:
            assert condition["feature"] not in row or condition["feature"] == "colour"
        else:
            assert condition["feature"] in row
            assert holds(condition), condition


def test_the_trees_tried_have_every_kind_of_branch() -> None:
    operators = set()
    for tree in TREES.values():
        for size, colour in itertools.product((-1.0, 1.0), COLOURS):
            told = path(tree, {"size": size, "colour": category_code(colour)}, NAMES, CLASSES)
            operators |= {condition["operator"] for condition in told}
    assert operators == {"<=", ">", "=", "!="}


def test_a_category_that_the_tree_never_met_goes_the_way_of_most() -> None:
    told = path(TREES["multiway"], {"size": 1.0, "colour": category_code("never seen")}, NAMES, CLASSES)
    colours = [condition for condition in told if condition["feature"] == "colour"]
    assert colours
    assert all(condition["actual"] is None and condition["operator"] == "=" for condition in colours)


def test_names_are_shown_rather_than_codes() -> None:
    told = path(TREES["multiway"], {"size": 1.0, "colour": category_code("red"), "last_label_1": 1}, NAMES, CLASSES)
    shown = {condition["feature"]: condition["actual"] for condition in told}
    assert shown["colour"] == "red"
    assert shown.get("last_label_1", "yes") == "yes"
    assert isinstance(shown["size"], float)


def test_what_is_no_tree_or_has_not_grown_has_no_path() -> None:
    for model in ("tree.HoeffdingTreeClassifier", "naive_bayes.GaussianNB"):
        assert path(RiverExpert(Settings(name="one", model=model)), {}, {}, ()) == []


def test_a_path_is_bounded() -> None:
    deep = RiverExpert(Settings(name="one"))

    class Branch:
        feature, threshold = "x", 0.0

        def branch_no(self, row: dict[str, Any]) -> int:
            return 0

        @property
        def children(self) -> list[Any]:
            return [self]

    deep.model._root = Branch()
    assert len(path(deep, {"x": -1.0}, {}, ())) == MAX_CONDITIONS
