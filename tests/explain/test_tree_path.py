"""The way through a tree is the one that river itself takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.river import RiverSettings as Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.explain.explanation import Condition
from tocsin.explain.tree_path import with_names
from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.tree.decision_path import CHILD, fill_path
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.experts.base import MAX_CONDITIONS, Expert
from tocsin.models.experts.river.expert import RiverExpert
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.path import river_path
from tocsin.models.experts.trees.tree import TreeExpert

COLOURS = ("red", "green", "blue", "black", "white")
NAMES = {category_code(colour): colour for colour in COLOURS}
CLASSES = ("no", "yes")
QUICK = {"grace_period": 10, "delta": 0.2, "tau": 0.4}


def events(n: int) -> tuple[Batch, np.ndarray]:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 4, n)
    X = np.column_stack([rng.normal(size=n), [category_code(COLOURS[c]) for c in colour]])
    y = ((X[:, 0] > 0) ^ (colour % 2 == 0)).astype(np.int64)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Batch.of(X, history=np.roll(y, 1)[:, None]), y


@cache
def grown(model: str, history: int = 1, **parameters: Any) -> RiverExpert:
    made = RiverExpert(
        Settings(name="one", model=model, history=history, parameters={**QUICK, **parameters}),
        ["size", "colour"],
        [False, True],
        seed=1,
    )
    made.resize(2, 2)
    batch, y = events(3000)
    made.learn(batch, y, np.ones(3000))
    return made


@cache
def compiled(history: int) -> TreeExpert:
    made = TreeExpert(TreeSettings(history=history, **QUICK), [False, True], ["size", "colour"])
    made.resize(2, 2)
    batch, y = events(3000)
    made.learn(batch, y, np.ones(3000))
    return made


@cache
def forest() -> ForestExpert:
    made = ForestExpert(ForestSettings(trees=3, history=1, binary_split=True, subspace=1.0, **QUICK))
    made.set_columns(["size", "colour"], [False, True])
    made.resize(2, 2)
    batch, y = events(3000)
    made.learn(batch, y, np.ones(3000))
    return made


def as_batch(row: dict[str, Any]) -> Batch:
    x = np.array([[row.get("size", np.nan), row.get("colour", np.nan)]], np.float64)
    return Batch.of(x, history=np.array([[row.get("last_label_1", -1)]]))


def told_of(expert: Expert, row: dict[str, Any], label: int = 0) -> list[Condition]:
    return with_names(expert.explain(as_batch(row), 0, label), NAMES, CLASSES)


def told_by_river(expert: RiverExpert, row: dict[str, Any]) -> list[Condition]:
    """As `told_of`, of a row as river has it."""
    return with_names(river_path(expert.model._root, row), NAMES, CLASSES)


# Grown by the first test that asks, since a process that only collects the tests needs none of them.
TREES: dict[str, Callable[[], RiverExpert]] = {
    "multiway": lambda: grown("tree.HoeffdingTreeClassifier"),
    "binary": lambda: grown("tree.HoeffdingTreeClassifier", binary_split=True),
    "adaptive": lambda: grown("tree.HoeffdingAdaptiveTreeClassifier"),
    "extremely fast": lambda: grown("tree.ExtremelyFastDecisionTreeClassifier"),
}
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.floats(-3, 3),
        "colour": st.sampled_from([category_code(colour) for colour in (*COLOURS, "never seen")]),
        "last_label_1": st.integers(0, 1),
    },
)


def holds(condition: Condition) -> bool:
    actual, value = condition.actual, condition.value
    return {
        "<=": lambda: actual <= value,
        ">": lambda: actual > value,
        "=": lambda: actual == value,
        "!=": lambda: actual != value,
    }[condition.operator]()


def test_a_number_is_no_code_of_a_category() -> None:
    """A size of -1 was told as a category that is not known, whose code is -1."""
    told = told_by_river(TREES["adaptive"](), {"size": -1.0})
    assert any(condition.actual == -1.0 for condition in told)


@pytest.mark.parametrize("name", TREES)
@settings(max_examples=120, deadline=None)
@given(row=ROWS)
def test_conditions_are_true_and_lead_where_river_goes(name: str, row: dict[str, Any]) -> None:
    tree = TREES[name]()
    told = told_by_river(tree, row)
    # Where it goes with most events, river's walk passes a node twice.
    walked = list({id(node): node for node in tree.model._root.walk(row)}.values())
    branches = [node.feature for node in walked if hasattr(node, "branch_no")]
    assert [condition.feature for condition in told] == branches[:MAX_CONDITIONS]
    for condition in told:
        if condition.actual is None:
            assert condition.feature not in row or condition.feature == "colour"
        else:
            assert condition.feature in row
            assert holds(condition), condition


@settings(max_examples=400, deadline=None)
@given(row=ROWS)
def test_a_compiled_tree_tells_the_path_that_river_tells(row: dict[str, Any]) -> None:
    # Without the label history, whose columns stand last in river's dictionaries: ties go to the first.
    rivers = grown("tree.HoeffdingTreeClassifier", history=0)
    assert told_of(compiled(history=0), row) == told_by_river(rivers, row)


def test_the_compiled_path_that_is_held_to_river_is_no_bare_root() -> None:
    told = told_of(compiled(history=0), {"size": 0.3, "colour": category_code("red")})
    assert len(told) >= 3
    assert {condition.feature for condition in told} == {"size", "colour"}


def test_the_last_label_is_shown_by_its_class() -> None:
    told = [
        condition
        for size in np.linspace(-2, 2, 20)
        for last in (0, 1)
        for condition in told_of(
            compiled(history=1), {"size": size, "colour": category_code("red"), "last_label_1": last}
        )
        if condition.feature == "last_label_1"
    ]
    assert {condition.actual for condition in told if condition.operator == "="} == set(CLASSES)
    assert all(holds(condition) for condition in told)


@settings(max_examples=120, deadline=None)
@given(row=ROWS)
def test_conditions_of_a_forest_are_true_and_lead_to_the_leaf_that_answers(row: dict[str, Any]) -> None:
    expert = forest()
    told = told_of(expert, row)
    assert told
    for condition in told:
        if condition.actual is not None:
            assert holds(condition), condition
    batch = as_batch(row)
    best = expert._forest.members["front"][expert.accuracies.argmax()]
    steps = np.empty((MAX_CONDITIONS, 4), np.int32)
    x = expert._inputs(batch)[0]
    n = fill_path(expert._forest.pool.header, best, x, steps, np.empty(MAX_CONDITIONS))
    assert n == len(told)
    assert steps[n - 1, CHILD] == hoeffding.leaf_ids(expert._forest.pool, x[None])[0, best]


def test_a_tree_for_each_class_tells_the_fill_path_the_class_asked_for() -> None:
    made = TreeExpert(TreeSettings(one_vs_rest=True, **QUICK), [False])
    made.resize(1, 3)
    x = np.linspace(-3, 3, 3000)
    y = np.digitize(x, [-1.0, 1.0])
    order = np.random.default_rng(0).permutation(3000)
    made.learn(Batch.of(x[order, None]), y[order], np.ones(3000))
    first, last = (made.explain(Batch.of(np.array([[0.0]])), 0, k)[0] for k in (0, 2))
    assert float(first.value) < 0.0 < float(last.value)


def test_a_compiled_tree_that_has_not_grown_has_no_path() -> None:
    fresh = TreeExpert(TreeSettings(history=1), [False, True])
    fresh.resize(2, 2)
    assert told_of(fresh, {"size": 1.0}) == []
    young = ForestExpert(ForestSettings(trees=2), [False, True])
    young.set_columns((), [False, True])
    young.resize(2, 2)
    assert told_of(young, {"size": 1.0}) == []


def test_the_trees_tried_have_every_kind_of_branch() -> None:
    operators, operators_of_the_forest = set(), set()
    for tree in (grow() for grow in TREES.values()):
        for size, colour in itertools.product((-1.0, 1.0), COLOURS):
            told = told_by_river(tree, {"size": size, "colour": category_code(colour)})
            operators |= {condition.operator for condition in told}
            operators_of_the_forest |= {
                c.operator for c in told_of(forest(), {"size": size, "colour": category_code(colour)})
            }
    assert operators_of_the_forest == {"<=", ">", "=", "!="}
    assert operators == {"<=", ">", "=", "!="}


def test_a_category_that_the_tree_never_met_goes_the_way_of_most() -> None:
    told = told_by_river(TREES["multiway"](), {"size": 1.0, "colour": category_code("never seen")})
    colours = [condition for condition in told if condition.feature == "colour"]
    assert colours
    assert all(condition.actual is None and condition.operator == "=" for condition in colours)


def test_names_are_shown_rather_than_codes() -> None:
    told = told_by_river(TREES["multiway"](), {"size": 1.0, "colour": category_code("red"), "last_label_1": 1})
    shown = {condition.feature: condition.actual for condition in told}
    assert shown["colour"] == "red"
    assert shown.get("last_label_1", "yes") == "yes"
    assert isinstance(shown["size"], float)


def test_what_is_no_tree_or_has_not_grown_has_no_path() -> None:
    for model in ("tree.HoeffdingTreeClassifier", "naive_bayes.GaussianNB"):
        assert RiverExpert(Settings(name="one", model=model)).explain(Batch.of(np.zeros((1, 0))), 0, 0) == []


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
    assert len(river_path(deep.model._root, {"x": -1.0})) == MAX_CONDITIONS
