"""A single Hoeffding tree: river's `HoeffdingTreeClassifier`, split for split, compiled."""

from __future__ import annotations

import math
import numbers
from bisect import insort
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import base
from river.tree.splitter import GaussianSplitter, Splitter

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.layout import (
    LEAF,
    N_CLASSES,
    N_FEATURES,
    NEGATIVE,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    NUMERIC,
    POSITIVE,
    room,
    widened,
)
from tocsin.models.data.labels import Label, Labels, sort_key
from tocsin.models.experts.base import Arrays, SnapshotError

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
KINDS = {NUMERIC: "numeric", NOMINAL_BINARY: "binary", NOMINAL_MULTIWAY: "multiway"}
FIXED = (
    "max_depth",
    "criterion",
    "leaf_mode",
    "nb_threshold",
    "n_splits",
    "binary_split",
    "min_branch_fraction",
    "max_share_to_split",
    "max_bytes",
    "memory_estimate_period",
    "stop_mem_management",
    "remove_poor_attrs",
    "merit_preprune",
)
"""Parameters that a snapshot and the tree that takes it over must share."""


def plain(values: list[Any], what: str) -> NDArray[Any]:
    """Values of one plain type as an array."""
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise SnapshotError(f"{what} are of types {sorted(k.__name__ for k in kinds)}, not all bool, int, float or str")
    array = np.array(values)
    if array.tolist() != values:
        raise SnapshotError(f"{what} do not fit a plain array")
    return array


class HoeffdingTree(base.Classifier):
    """Hoeffding tree classifier, with river's parameters, splits and predictions.

    Features may come as dicts, found as they come, or as arrays. A number is observed by a Gaussian for every
    class; a feature named in `nominal_attributes`, or whose first value is not a number, is nominal. A value
    that is missing, None or NaN is not known.

    Parameters
    ----------
    grace_period
        Weight a leaf should observe between split attempts.
    max_depth
        Depth at which leaves stop to split. None: no limit.
    split_criterion
        "info_gain", "gini" or "hellinger" (labels 0 and 1 only, as in river).
    delta
        1 minus the desired probability of choosing the right feature.
    tau
        Hoeffding bound below which a tie is broken.
    leaf_prediction
        "mc" (majority), "nb" (Naive Bayes) or "nba" (whichever was right more often in the leaf).
    nb_threshold
        Weight a leaf should observe before it answers by Naive Bayes ("nb" only, as in river).
    nominal_attributes
        Features that are categories although they look like numbers.
    splitter
        A river `GaussianSplitter`, of which the number of candidate splits is taken. None: 10.
    binary_split
        Whether nominal features split in two only.
    min_branch_fraction
        Share of the weight that at least two branches of a split must get.
    max_share_to_split
        Share of the majority class above which a leaf is not split.
    max_size
        MiB that the tree may take before the least promising leaves lose their observers.
    memory_estimate_period
        Weight between two looks at the memory taken.
    stop_mem_management
        Whether to stop growing, rather than deactivate leaves, when the memory is used up.
    remove_poor_attrs
        Whether a majority leaf stops to observe features that are clearly worse than the best.
    merit_preprune
        Whether "no split" competes with the splits.

    Notes
    -----
    Where this differs from river on purpose: None and NaN are missing values (river makes a category of None
    and lets NaN spoil its Gaussians); weight 0 is skipped; predicting never changes the tree;
    `remove_poor_attrs` also works for a feature named 0 or ""; an unknown criterion or leaf prediction is an
    error; the tree's size is that of its arrays; and any depth can be copied, pickled and walked.

    References
    ----------
    Domingos & Hulten, Mining high-speed data streams, KDD 2000. Gama, Rocha & Medas, Accurate decision trees
    for mining high-speed data streams, KDD 2003. Kirkby, Improving Hoeffding trees, 2007.

    Examples
    --------
    >>> from river.datasets import synth
    >>> tree = HoeffdingTree(grace_period=100, delta=1e-5, nominal_attributes=["elevel", "car", "zipcode"])
    >>> right = 0
    >>> for x, y in synth.Agrawal(classification_function=0, seed=42).take(1000):
    ...     right += tree.predict_one(x) == y
    ...     tree.learn_one(x, y)
    >>> right
    845
    """

    def __init__(
        self,
        grace_period: int = 200,
        max_depth: int | None = None,
        split_criterion: str = "info_gain",
        delta: float = 1e-7,
        tau: float = 0.05,
        leaf_prediction: str = "nba",
        nb_threshold: int = 0,
        nominal_attributes: list[Any] | None = None,
        splitter: Splitter | None = None,
        binary_split: bool = False,
        min_branch_fraction: float = 0.01,
        max_share_to_split: float = 0.99,
        max_size: float = 100.0,
        memory_estimate_period: int = 1_000_000,
        stop_mem_management: bool = False,
        remove_poor_attrs: bool = False,
        merit_preprune: bool = True,
    ) -> None:
        if splitter is not None and not isinstance(splitter, GaussianSplitter):
            raise ValueError("only river's GaussianSplitter is supported")
        self._settings = {"grace_period": grace_period, "delta": delta, "tau": tau}
        self.max_depth = max_depth
        self.split_criterion = split_criterion
        self.leaf_prediction = leaf_prediction
        self.nb_threshold = nb_threshold
        self.nominal_attributes = nominal_attributes
        self.splitter = splitter
        self.binary_split = binary_split
        self.min_branch_fraction = min_branch_fraction
        self.max_share_to_split = max_share_to_split
        self.max_size = max_size
        self.memory_estimate_period = memory_estimate_period
        self.stop_mem_management = stop_mem_management
        self.remove_poor_attrs = remove_poor_attrs
        self.merit_preprune = merit_preprune
        self._pool = hoeffding.new_pool([self._own_settings()], 0, 0)
        self._columns: dict[Hashable, int] = {}
        self._codes: dict[int, dict[Hashable, int]] = {}
        """Of nominal columns whose values are not numbers: code of every value."""
        self._sorted_codes: dict[int, list[tuple[tuple[str, str], int]]] = {}
        self._labels = Labels()

    def _own_settings(self) -> hoeffding.Settings:
        return hoeffding.Settings(
            grace_period=self.grace_period,
            max_depth=self.max_depth,
            split_criterion=self.split_criterion,
            delta=self.delta,
            tau=self.tau,
            leaf_prediction=self.leaf_prediction,
            nb_threshold=self.nb_threshold,
            n_splits=10 if self.splitter is None else self.splitter.n_splits,
            binary_split=self.binary_split,
            min_branch_fraction=self.min_branch_fraction,
            max_share_to_split=self.max_share_to_split,
            max_size=self.max_size,
            memory_estimate_period=self.memory_estimate_period,
            stop_mem_management=self.stop_mem_management,
            remove_poor_attrs=self.remove_poor_attrs,
            merit_preprune=self.merit_preprune,
        )

    @property
    def _multiclass(self) -> bool:
        return True

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"grace_period", "delta", "tau"}

    def _mutate(self, name: str, value: Any) -> None:
        before = self._settings[name]
        self._settings[name] = value
        try:
            hoeffding.configure(self._pool, 0, self._own_settings())
        except ValueError:
            self._settings[name] = before
            raise

    @property
    def grace_period(self) -> Any:
        """Weight a leaf should observe between split attempts."""
        return self._settings["grace_period"]

    @grace_period.setter
    def grace_period(self, value: Any) -> None:
        self._mutate("grace_period", value)

    @property
    def delta(self) -> Any:
        """1 minus the desired probability of choosing the right feature."""
        return self._settings["delta"]

    @delta.setter
    def delta(self, value: Any) -> None:
        self._mutate("delta", value)

    @property
    def tau(self) -> Any:
        """Hoeffding bound below which a tie is broken."""
        return self._settings["tau"]

    @tau.setter
    def tau(self, value: Any) -> None:
        self._mutate("tau", value)

    # --- labels and columns

    @property
    def classes(self) -> list[Label]:
        """Labels seen, sorted: the columns of `predict_proba_many`."""
        return self._labels.ordered

    def _add_label(self, label: Label) -> int:
        number = self._labels.add(label)
        self._pool = hoeffding.resize(self._pool, len(self._columns), len(self._labels))
        self._pool.class_key[: len(self._labels)] = self._labels.rank
        # river's Hellinger distance asks for the labels 0 and 1 by name.
        self._pool.counters[NEGATIVE] = self._labels.number(0)
        self._pool.counters[POSITIVE] = self._labels.number(1)
        return number

    def _is_nominal(self, name: Hashable, value: Any) -> bool:
        declared = self.nominal_attributes is not None and name in self.nominal_attributes
        return declared or not isinstance(value, numbers.Number)

    def _add_column(self, name: Hashable, value: Any) -> int:
        column = len(self._columns)
        nominal = self._is_nominal(name, value)
        self._columns[name] = column
        self._pool = hoeffding.resize(self._pool, column + 1, len(self._labels), np.array([nominal]))
        if nominal and not isinstance(value, numbers.Number | np.bool_):
            self._pool.coded[self._pool.nominal[column]] = 1
            self._codes[column] = {}
            self._sorted_codes[column] = []
        return column

    def _add_category(self, column: int, value: Hashable) -> int:
        code = len(self._codes[column])
        self._codes[column][value] = code
        insort(self._sorted_codes[column], (sort_key(value), code))
        keys = widened(self._pool.value_key, 1, room(self._pool.value_key.shape[1], code + 1))
        order = [code for _, code in self._sorted_codes[column]]
        keys[self._pool.nominal[column], order] = np.arange(len(order))
        if keys is not self._pool.value_key:
            self._pool = self._pool.replaced(value_key=keys)
        return code

    def _number(self, column: int, value: Any, learning: bool) -> float:
        codes = self._codes.get(column)
        if codes is None:
            return float(value)
        code = codes.get(value, -1)
        return self._add_category(column, value) if code < 0 and learning else code

    def _row(self, x: Mapping[Any, Any], learning: bool) -> tuple[Floats, Ints | None]:
        """An event as a row [1, F], and the order of its columns where it is not theirs."""
        known: list[tuple[int, float]] = []
        for name, value in x.items():
            if value is None:
                continue
            column = self._columns.get(name, -1)
            if column < 0:
                if not learning:
                    continue
                column = self._add_column(name, value)
            known.append((column, self._number(column, value, learning)))
        numbers = [math.nan] * len(self._columns)
        for column, number in known:
            numbers[column] = number
        row = np.array([numbers], np.float64)
        order = [column for column, _ in known]
        if not learning or order == list(range(len(self._columns))):
            return row, None
        rest = set(range(len(self._columns))).difference(order)
        return row, np.array(order + sorted(rest), np.int32)

    def _check(self, X: ArrayLike) -> Floats:
        X = np.ascontiguousarray(X, np.float64)
        if X.ndim != 2:
            raise ValueError(f"X {X.shape} is not [B, F]")
        if not self._columns:
            self._columns = {column: column for column in range(X.shape[1])}
            nominal = np.array([self._is_nominal(column, 0.0) for column in self._columns], np.bool_)
            self._pool = hoeffding.resize(self._pool, X.shape[1], len(self._labels), nominal)
        if X.shape[1] != len(self._columns):
            raise ValueError(f"X {X.shape} is not [B, {len(self._columns)}]")
        if self._codes:
            raise ValueError("columns whose categories are not numbers cannot come as arrays")
        return X

    # --- river's face

    def learn_one(self, x: dict[Any, Any], y: Label, *, w: float = 1.0) -> None:
        """Learn an event; weight 0 is skipped."""
        row, order = self._row(x, learning=True)
        number = self._labels.number(y)
        if number < 0:
            number = self._add_label(y.item() if isinstance(y, np.generic) else y)
        weight = None if w == 1.0 else np.array([[w]])
        self._pool = hoeffding.learn(self._pool, row, np.array([number]), weight, order)

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Label, float]:
        """Probabilities of the labels seen; zeros where the leaf saw nothing."""
        row, _ = self._row(x, learning=False)
        p = hoeffding.probabilities(self._pool, row)[0, 0].tolist()
        return {self._labels.names[i]: p[i] for i in self._labels.order}

    # --- arrays

    def learn_many(self, X: ArrayLike, y: ArrayLike, w: ArrayLike | None = None) -> None:
        """Learn B events in order: X float64 [B, F], NaN for what is not known; y [B] labels; w [B]
        weights.
        """
        self._learn_many(X, y, w, None)

    def predict_then_learn_many(self, X: ArrayLike, y: ArrayLike, w: ArrayLike | None = None) -> Floats:
        """Learn B events in order, and say what was predicted just before each was learnt: [B, K], as
        `classes`.
        """
        X = np.ascontiguousarray(X, np.float64)
        parts: list[Floats] = []
        self._learn_many(X, y, w, parts)
        if len(parts) == 1:
            return parts[0][:, 0, self._labels.order]
        out = np.zeros((len(X), len(self._labels)))
        start = 0
        for part in parts:
            out[start : start + len(part), : part.shape[2]] = part[:, 0]
            start += len(part)
        return out[:, self._labels.order]

    def _learn_many(self, X: ArrayLike, y: ArrayLike, w: ArrayLike | None, parts: list[Floats] | None) -> None:
        X = self._check(X)
        if np.shape(y) != (len(X),):
            raise ValueError(f"y: has shape {np.shape(y)}, expected [B] = ({len(X)},)")
        weights = None if w is None else np.asarray(w, np.float64).reshape(len(X), 1)
        for rows, indices in self._labels.runs(np.asarray(y), self._add_label):
            part = None
            if parts is not None:
                part = np.empty((len(indices), 1, len(self._labels)))
                parts.append(part)
            self._pool = hoeffding.learn(
                self._pool, X[rows], indices, None if weights is None else weights[rows], predicted=part
            )

    def predict_proba_many(self, X: ArrayLike) -> Floats:
        """Probabilities [B, K], columns as `classes`; rows of zeros where the leaf saw nothing."""
        X = np.ascontiguousarray(X, np.float64)
        if not self._labels:
            return np.zeros((len(X), 0))
        return hoeffding.probabilities(self._pool, self._check(X))[:, 0, self._labels.order]

    # --- what it looks like

    @property
    def n_nodes(self) -> int:
        """Branches and leaves."""
        return int(self._pool.trees["n_nodes"][0])

    @property
    def n_leaves(self) -> int:
        """Leaves, active or not."""
        return self.n_active_leaves + self.n_inactive_leaves

    @property
    def n_branches(self) -> int:
        """Nodes that are not leaves."""
        return self.n_nodes - self.n_leaves

    @property
    def n_active_leaves(self) -> int:
        """Leaves that observe their events."""
        return int(self._pool.trees["n_active"][0])

    @property
    def n_inactive_leaves(self) -> int:
        """Leaves that only count."""
        return int(self._pool.trees["n_inactive"][0])

    @property
    def height(self) -> int:
        """Nodes on the longest path from the root."""
        return int(self._pool.trees["deepest"][0]) + 1 if self.n_nodes else 0

    @property
    def summary(self) -> dict[str, float]:
        """river's."""
        names = ("n_nodes", "n_branches", "n_leaves", "n_active_leaves", "n_inactive_leaves", "height")
        seen = float(self._pool.trees["weight_seen"][0])
        return {name: getattr(self, name) for name in names} | {"total_observed_weight": seen}

    def splits(self) -> list[tuple[str, Hashable, Any, int]]:
        """The branches, depth first, children in order: kind, feature, what is tested, depth.

        Tested is the threshold (numeric: left is <=), the category (binary: left is ==), or the categories
        (multiway).
        """
        names = list(self._columns)
        categories = {column: list(codes) for column, codes in self._codes.items()}
        out: list[tuple[str, Hashable, Any, int]] = []
        nodes = self._pool.nodes[0]
        pending = [0] if self.n_nodes else []
        while pending:
            node = nodes[pending.pop()]
            if node["kind"] == LEAF:
                continue
            children = []
            child = int(node["first"])
            while child >= 0:
                children.append(child)
                child = int(nodes[child]["next"])
            pending.extend(reversed(children))
            column = int(node["feature"])
            tested: Any = float(node["value"])
            if node["kind"] == NOMINAL_MULTIWAY:
                tested = [float(nodes[child]["edge"]) for child in children]
            if column in categories:
                of = categories[column]
                tested = [of[int(t)] for t in tested] if isinstance(tested, list) else of[int(tested)]
            out.append((KINDS[int(node["kind"])], names[column], tested, int(node["depth"])))
        return out

    # --- snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes. Raises SnapshotError where labels or names do not fit
        one.
        """
        categories = [(column, value) for column, codes in self._codes.items() for value in codes]
        return hoeffding.state_dict(self._pool) | {
            "labels": plain(self._labels.names, "labels"),
            "columns": plain(list(self._columns), "feature names"),
            "category_column": np.array([column for column, _ in categories], np.int32),
            "categories": plain([value for _, value in categories], "categories"),
        }

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave to a tree of the same parameters. Raises SnapshotError."""
        try:
            pool = hoeffding.load_state_dict(arrays)
            labels = arrays["labels"].tolist()
            columns = arrays["columns"].tolist()
            categories = list(zip(arrays["category_column"].tolist(), arrays["categories"].tolist(), strict=True))
        except (KeyError, ValueError, IndexError) as error:
            raise SnapshotError(f"no snapshot of a tree: {error}") from error
        if pool.counters[N_CLASSES] != len(labels) or pool.counters[N_FEATURES] != len(columns):
            raise SnapshotError("labels or columns do not fit the tree")
        for name in FIXED:
            if pool.trees[name][0] != self._pool.trees[name][0]:
                raise SnapshotError(
                    f"{name} is {pool.trees[name][0]} in the snapshot, {self._pool.trees[name][0]} here"
                )
        hoeffding.configure(pool, 0, self._own_settings())
        self._pool = pool
        self._labels = Labels(labels)
        self._columns = {name: i for i, name in enumerate(columns)}
        self._codes = {i: {} for i in range(len(columns)) if pool.nominal[i] >= 0 and pool.coded[pool.nominal[i]]}
        for column, value in categories:
            self._codes[column][value] = len(self._codes[column])
        self._sorted_codes = {
            column: sorted((sort_key(value), code) for value, code in codes.items())
            for column, codes in self._codes.items()
        }
