"""A river model as arrays, and back: all of its state or a refusal, and no code run while reading."""

from __future__ import annotations

import collections
import contextlib
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from river import drift, ensemble, forest, linear_model, multiclass, naive_bayes, neighbors, tree
from river.tree.nodes.branch import NumericBinaryBranch

from tocsin.config.experts.river import RiverSettings
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.river import state as river_state
from tocsin.models.experts.river.expert import RiverExpert


def stream(rows: int, seed: int = 0) -> list[tuple[dict[str, float], int]]:
    """A stream whose concept turns every 300 events, so that trees grow and detectors ring."""
    rng = np.random.default_rng(seed)
    result = []
    for i in range(rows):
        x = dict(zip("abc", rng.normal(size=3).tolist(), strict=True))
        if rng.random() < 0.1:
            del x["b"]
        y = int(x["a"] > 0) ^ (i // 300 % 2) ^ int(x.get("b", 0) > 1)
        result.append((x, y))
    return result


STREAM = stream(900)
QUICK = {"grace_period": 20, "delta": 0.01, "tau": 0.2}
MODELS: dict[str, Callable[[], Any]] = {
    "hoeffding tree": lambda: tree.HoeffdingTreeClassifier(**QUICK),
    "adaptive tree": lambda: tree.HoeffdingAdaptiveTreeClassifier(**QUICK, seed=1),
    "extremely fast tree": lambda: tree.ExtremelyFastDecisionTreeClassifier(**QUICK),
    "adaptive random forest": lambda: forest.ARFClassifier(n_models=3, seed=1, **QUICK),
    "streaming random patches": lambda: ensemble.SRPClassifier(tree.HoeffdingTreeClassifier(**QUICK), 3, seed=1),
    "mondrian forest": lambda: forest.AMFClassifier(n_estimators=3, seed=1),
    "gaussian naive bayes": naive_bayes.GaussianNB,
    "logistic regression": linear_model.LogisticRegression,
    "one against the rest": lambda: multiclass.OneVsRestClassifier(linear_model.Perceptron()),
    "bagging under ADWIN": lambda: ensemble.ADWINBaggingClassifier(linear_model.LogisticRegression(), 3, seed=1),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_that_was_written_and_read_goes_on_alike(make: Callable[[], Any]) -> None:
    model = make()
    for x, y in STREAM[:450]:
        model.learn_one(x, y)
    other = river_state.read(river_state.write(model))
    for x, y in STREAM[450:]:
        assert model.predict_proba_one(x) == other.predict_proba_one(x)
        model.learn_one(x, y)
        other.learn_one(x, y)
    assert np.array_equal(river_state.write(model), river_state.write(other))


def test_a_detectors_window_is_part_of_the_state() -> None:
    """River keeps it in compiled code, where no attribute shows it."""
    one = drift.ADWIN()
    for i in range(500):
        one.update(i % 3)
    other = river_state.read(river_state.write(one))
    assert (one.width, one.estimation, one.variance) == (other.width, other.estimation, other.variance)
    found = []
    for detector in (one, other):
        for i in range(500):
            detector.update(5 + i % 3)
            if detector.drift_detected:
                found.append(i)
                break
    assert found[0] == found[1]


def test_equal_models_are_equal_bytes_however_others_drew_random_numbers() -> None:
    states = []
    for seed in (1, 2):
        random.seed(seed)
        model = tree.HoeffdingTreeClassifier(**QUICK)
        for x, y in STREAM[:300]:
            model.learn_one(x, y)
        states.append(river_state.write(model).tobytes())
    assert states[0] == states[1]


def holding(value: Any) -> Any:
    model = tree.HoeffdingTreeClassifier()
    model.extra = value
    return model


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (neighbors.KNNClassifier, "builtin_function_or_method"),
        (linear_model.SoftmaxRegression, "function"),
        (lambda: holding(collections.UserList()), "collections:UserList"),
        (lambda: holding(lambda: 1), "function"),
        (lambda: holding(b"bytes"), "builtins:bytes"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(SnapshotError, match=named):
        river_state.write(make())


def test_a_container_of_rivers_own_is_refused_rather_than_emptied() -> None:
    class Bag(dict[str, int]):
        pass

    Bag.__module__ = "river.bags"
    holder = tree.HoeffdingTreeClassifier()
    holder.bag = Bag(a=1)
    with pytest.raises(SnapshotError, match="Bag"):
        river_state.write(holder)


def test_a_tree_as_deep_as_a_chain_is_no_matter_for_the_stack() -> None:
    root = node = NumericBinaryBranch({0: 1.0}, "a", 0.0, 0, None, None)
    for depth in range(1, 6_000):
        child = NumericBinaryBranch({0: 1.0}, "a", float(depth), depth, None, None)
        node.children[0], node = child, child
    other = river_state.read(river_state.write(root))
    depth = 0
    while other.children[0] is not None:
        other, depth = other.children[0], depth + 1
    assert (depth, other.threshold) == (5_999, 5_999.0)


def test_what_is_shared_and_what_turns_in_a_circle_stays_so() -> None:
    model = tree.HoeffdingTreeClassifier()
    shared: list[Any] = [1]
    shared.append(shared)
    model.one, model.other = shared, {"x": shared}
    read = river_state.read(river_state.write(model))
    assert read.one is read.other["x"]
    assert read.one[1] is read.one


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("abc") | st.integers() | st.tuples(st.integers(), st.text("ab")), inner)
        | st.sets(st.text("abc") | st.integers())
        | st.lists(inner, max_size=3).map(lambda items: collections.deque(items, maxlen=5))
        | st.dictionaries(st.text("abc"), st.integers()).map(collections.Counter)
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(PLAIN)
def test_plain_values_come_back_equal_and_of_the_same_kind(value: Any) -> None:
    model = tree.HoeffdingTreeClassifier()
    model.extra = value
    read = river_state.read(river_state.write(model)).extra
    assert read == value
    assert repr(read) == repr(value) or isinstance(value, set | list | tuple | dict | collections.deque)
    assert type(read) is type(value)


def test_arrays_numbers_of_numpy_and_what_is_no_number_come_back() -> None:
    model = tree.HoeffdingTreeClassifier()
    model.extra = [np.arange(6.0).reshape(2, 3), np.array(["a", "bc"]), np.int32(7), np.bool_(True), math.inf, 2**80]
    model.nan = math.nan
    read = river_state.read(river_state.write(model))
    for one, other in zip(model.extra, read.extra, strict=True):
        assert np.array_equal(one, other)
        assert type(one) is type(other)
    assert math.isnan(read.nan)


# Doctored files


def doctored(*nodes: Any) -> np.ndarray:
    return np.frombuffer(orjson.dumps(nodes), np.uint8)


DOCTORED = {
    "os.system": [{"class": "os:system"}],
    "builtins.eval": [{"class": "builtins:eval"}],
    "an object of subprocess": [{"object": "subprocess:Popen", "state": []}],
    "a call in waiting": [{"partial": [[1], [2], [3]]}, {"class": "os:system"}, {"tuple": ["true"]}, {"dict": []}],
    "os through a module of river": [{"class": "river.datasets.base:os.system"}],
    "a class of another through river": [{"object": "river.datasets.base:os.PathLike", "state": []}],
    "a module of river": [{"class": "river.datasets:base"}],
    "a function of river": [{"function": "river.stream.iter_csv:iter_csv"}],
    "a function through a class": [{"class": "river.naive_bayes.gaussian:GaussianNB._make_gaussian"}],
    "no such module": [{"object": "river.nothing:Here", "state": []}],
    "no such class": [{"object": "river.tree:Oak", "state": []}],
    "compiled, but it is not": [{"compiled": ["river.tree:HoeffdingTreeClassifier", [], ""]}],
    "a damaged window": [
        {"compiled": ["river._river_rust.drift:AdaptiveWindowing", [0.002, 32, 5, 5, 10], "ff" * 200]}
    ],
    "a window of no length": [{"compiled": ["river._river_rust.drift:AdaptiveWindowing", [0.002, 32, 5, 5, 10], ""]}],
    "a tuple of itself": [{"tuple": [[0]]}],
    "a reference out of the table": [{"list": [[7]]}],
    "an unknown part": [{"frozen": []}],
    "a part that is none": [7],
    "a node of nothing": [{}],
    "an array of another size": [{"array": ["<f8", [3], [1.0]]}],
    "a generator of no state": [{"random": 3}],
    "an empty table": [],
}


@pytest.mark.parametrize("nodes", DOCTORED.values(), ids=DOCTORED)
def test_a_doctored_file_is_refused(nodes: list[Any], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SnapshotError):
        river_state.read(doctored(*nodes))


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60)
    | st.lists(st.dictionaries(st.text(max_size=8), st.integers(-9, 9)), max_size=4).map(orjson.dumps)
)
def test_no_bytes_end_in_anything_but_a_model_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(SnapshotError):
        river_state.read(np.frombuffer(data, np.uint8))


def test_an_expert_refuses_a_snapshot_of_another_kind_of_model() -> None:
    one = RiverExpert(RiverSettings(name="one"))
    other = RiverExpert(RiverSettings(name="two", model="naive_bayes.GaussianNB"))
    with pytest.raises(SnapshotError, match="HoeffdingTreeClassifier"):
        other.load_state_dict(one.state_dict())
