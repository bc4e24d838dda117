"""A single Hoeffding tree: river's `HoeffdingTreeClassifier`, split for split, compiled."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, N_FEATURES, NEGATIVE, POSITIVE
from tocsin.models.data.frames import Table, as_frame, is_frame
from tocsin.models.data.labels import Label, Labels, plain_label
from tocsin.models.data.snapshot import Arrays, SnapshotError, plain_array, plain_parameters
from tocsin.models.data.values import check_event
from tocsin.models.face import Face, checked_labels, checked_weights, feature_rows, joined
from tocsin.models.hoeffding_tree.features import Features
from tocsin.models.hoeffding_tree.parameters import (
    Mutable,
    check_same,
    check_splitter,
    gaussian_splitter,
    kernel_settings,
)
from tocsin.models.hoeffding_tree.splits import Split, splits

if TYPE_CHECKING:
    from river.tree.splitter import Splitter

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


class HoeffdingTree(Face):
    """Hoeffding tree classifier, with river's parameters, splits and predictions.

    Events may come as dictionaries, as DataFrames or as arrays. New features and labels may come at any time. A
    number is observed by a Gaussian for every class. A feature that is named in `nominal_attributes`, or whose first
    value is a text, is nominal; once a feature is a number, a text is read as one. None and NaN stand for values that
    are missing. 1, 1.0, True and "1" are one label, and the answer is the one that was given first.

    Parameters
    ----------
    grace_period
        Weight a leaf should observe between split attempts.
    max_depth
        Depth at which leaves are split no more. None: no limit.
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
        A river `GaussianSplitter`, of which only `n_splits` is used, the number of candidate splits. None: 10.
    binary_split
        Whether nominal features split in two only.
    min_branch_fraction
        Share of the weight that at least two branches of a split must get.
    max_share_to_split
        Share of the majority class above which a leaf is not split.
    max_size
        MiB that the tree may take; above it the least promising leaves stop to observe.
    memory_estimate_period
        Weight between two estimates of the memory taken.
    stop_mem_management
        Whether to stop growing, rather than deactivate leaves, when the memory is used up.
    remove_poor_attrs
        Whether a leaf that answers by majority stops to observe features that are clearly worse than the best.
    merit_preprune
        Whether not to split at all competes with the splits.

    Notes
    -----
    This differs from river on purpose in a few places. None and NaN are missing values, of which river makes a
    category or NaN in its Gaussians. An event of weight 0 is skipped. Predicting never changes the tree.
    `remove_poor_attrs` also works for a feature named 0 or "". An unknown criterion or leaf prediction is an error.
    The tree's size is that of its arrays. It is estimated whenever the weight seen passes a multiple of the period,
    which weights other than 1 need not meet, and one leaf goes on observing where it alone exceeds the bound. A tree of
    any depth can be copied, pickled and walked.

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

    grace_period = Mutable("Weight a leaf should observe between split attempts.")
    delta = Mutable("1 minus the desired probability of choosing the right feature.")
    tau = Mutable("Hoeffding bound below which a tie is broken.")

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
        check_splitter(splitter)
        self._mutables: dict[str, float] = {"grace_period": grace_period, "delta": delta, "tau": tau}
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
        self._pool = hoeffding.new_pool([kernel_settings(self)], 0, 0)
        self._features = Features(nominal_attributes)
        self._labels = Labels()

    @property
    def _mutable_attributes(self) -> set[str]:
        return set(self._mutables)

    def _mutate(self, name: str, value: float) -> None:
        before = self._mutables[name]
        self._mutables[name] = value
        try:
            hoeffding.configure(self._pool, 0, kernel_settings(self))
        except ValueError:
            self._mutables[name] = before
            raise

    @property
    def classes(self) -> list[Label]:
        """Labels seen, sorted: the columns of `predict_proba_many`."""
        return self._labels.ordered

    def _labels_in_order(self) -> list[Label]:
        return self.classes

    def _add_label(self, label: Label) -> int:
        number = self._labels.add(label)
        self._pool = hoeffding.resize(self._pool, len(self._features), len(self._labels))
        self._pool.class_key[: len(self._labels)] = self._labels.rank
        # river's Hellinger distance asks for the labels 0 and 1 by name.
        self._pool.counters[NEGATIVE] = self._labels.number(0)
        self._pool.counters[POSITIVE] = self._labels.number(1)
        return number

    # One event

    def learn_one(self, x: dict[Any, Any], y: Label, *, w: float = 1.0) -> None:
        """Learn an event; one of weight 0 is skipped.

        Raises ValueError, before anything is learnt, for a label that is missing, a weight that is negative, not finite
        or above a million, or a value that does not fit its feature.
        """
        weight, label = checked_weights([w], 1), plain_label(y)
        self._features.check(x)
        row, columns, complete = self._features.row(x)
        if not complete:
            self._pool = self._features.discover(self._pool, x)
            row, columns, _ = self._features.row(x)
        number = self._labels.number(label)
        if number < 0:
            number = self._add_label(label)
        order = self._features.order(columns)
        weights = None if w == 1.0 else weight[None]
        self._pool = hoeffding.learn(self._pool, row, np.array([number]), weights, order)

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Label, float]:
        """The probabilities of the labels seen; zeros where the leaf has learnt nothing."""
        check_event(x)
        row, *_ = self._features.row(x)
        p = hoeffding.probabilities(self._pool, row)[0, 0].tolist()
        return {self._labels.names[i]: p[i] for i in self._labels.order}

    # Many events

    def predict_then_learn_many(self, X: Any, y: Any, w: ArrayLike | None = None) -> Any:
        """Learn B events in order, and return what was predicted just before each was learnt.

        The arguments and the form of the result are those of `learn_many` and `predict_proba_many`.
        """
        rows = self._rows(X)
        parts = self._learn(
            rows, checked_labels(y, len(rows)), None if w is None else checked_weights(w, len(rows)), predicts=True
        )
        p = joined(parts, len(rows), self._labels.order)
        return as_frame(p, X, self.classes) if is_frame(X) else p

    def _rows(self, X: Any) -> Table | Floats:
        return feature_rows(X)

    def _learn_rows(self, rows: Table | Floats, y: NDArray[Any], w: Floats | None) -> None:
        self._learn(rows, y, w, predicts=False)

    def _learn(
        self, rows: Table | Floats, y: NDArray[Any], w: Floats | None, predicts: bool
    ) -> list[tuple[slice, Floats]]:
        """Learn B events; returns, where `predicts` asks for it, the rows of pieces and what was predicted before."""
        parts: list[tuple[slice, Floats]] = []
        if isinstance(rows, Table):
            rows = self._features.read(rows, learning=True)
        for start, X, order in self._pieces(rows):
            for run, numbers in self._labels.runs(y[start : start + len(X)], self._add_label):
                here = slice(start + run.start, start + run.stop)
                predicted = None
                if predicts:
                    predicted = np.empty((len(numbers), 1, len(self._labels)))
                    parts.append((here, predicted[:, 0]))
                weights = None if w is None else w[here, None]
                self._pool = hoeffding.learn(self._pool, X[run], numbers, weights, order, predicted=predicted)
        return parts

    def _pieces(self, rows: Table | Floats) -> Iterator[tuple[int, Floats, Ints | None]]:
        """B events cut where new columns or categories come: the first row, X [b, F], and the order of its columns."""
        if not isinstance(rows, Table):
            if not len(self._features):
                self._pool = self._features.discover_numbered(self._pool, rows.shape[1])
            yield 0, self._checked(rows), None
            return
        for piece, table in rows.pieces(self._features.starts(rows), self._discover):
            columns = [self._features.columns[name] for name in table.names if name in self._features.columns]
            yield piece.start, self._features.rows(table), self._features.order(columns)

    def _discover(self, x: Mapping[Hashable, Any]) -> None:
        self._pool = self._features.discover(self._pool, x)

    def _checked(self, X: Floats) -> Floats:
        if X.shape[1] != len(self._features):
            raise ValueError(f"X {X.shape} is not [B, {len(self._features)}]")
        if self._features.codes:
            raise ValueError("columns whose categories are not numbers cannot come as arrays")
        return X

    def _probabilities(self, rows: Table | Floats) -> Floats:
        if not self._labels:
            return np.zeros((len(rows), 0))
        if isinstance(rows, Table):
            X = self._features.rows(self._features.read(rows, learning=False))
        else:
            # A tree that has met no feature leaves all of them out.
            X = self._checked(rows if len(self._features) else rows[:, :0])
        return hoeffding.probabilities(self._pool, X)[:, 0, self._labels.order]

    # What it looks like

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
        """The measures that river's `summary` has as well."""
        names = ("n_nodes", "n_branches", "n_leaves", "n_active_leaves", "n_inactive_leaves", "height")
        seen = float(self._pool.trees["weight_seen"][0])
        return {name: getattr(self, name) for name in names} | {"total_observed_weight": seen}

    def splits(self) -> list[Split]:
        """The branches, depth first, children in order."""
        return splits(self._pool, list(self._features.columns), self._features.codes)

    # Snapshots

    def _plain_parameters(self) -> dict[str, Any]:
        return plain_parameters(self._parameters() | {"splitter": getattr(self.splitter, "n_splits", None)})

    @classmethod
    def _of_parameters(cls, parameters: dict[str, Any]) -> Self:
        n_splits = parameters.pop("splitter")
        return cls(**parameters, splitter=None if n_splits is None else gaussian_splitter(n_splits))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays. Raises SnapshotError for labels, feature names or categories that do not fit."""
        state = hoeffding.state_dict(self._pool) | {"labels": plain_array(self._labels.names, "labels")}
        return state | self._features.state_dict()

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave to a tree of the same parameters. Raises SnapshotError."""
        features = Features(self.nominal_attributes)
        try:
            pool = hoeffding.load_state_dict(arrays)
            labels = arrays["labels"].tolist()
            features.load_state_dict(arrays, pool)
        except (KeyError, ValueError, IndexError) as error:
            raise SnapshotError(f"these are not the arrays of a tree: {error}") from error
        if pool.counters[N_CLASSES] != len(labels) or pool.counters[N_FEATURES] != len(features):
            raise SnapshotError("the labels or columns do not fit the tree")
        check_same(self._pool, pool)
        hoeffding.configure(pool, 0, kernel_settings(self))
        self._pool, self._features, self._labels = pool, features, Labels(labels)
