"""A compiled Hoeffding tree as an expert. The weight that its leaf has seen says how much evidence an answer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.tree import TreeSettings
from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.copying import Source, watched
from tocsin.kernels.lagged import trees as lagged
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.inputs import label_history_and_features, label_history_and_features_of
from tocsin.models.experts.base import (
    MAX_CONDITIONS,
    Arrays,
    Expert,
    PoolContext,
    SnapshotError,
    TreeCondition,
    TreePaths,
)
from tocsin.models.experts.evidence import proportional
from tocsin.models.experts.trees.path import column_names, conditions, put_together, tree_paths

ESTIMATE_PERIOD = 1_000.0
"""Weight that a tree learns between two estimates of its memory, where each event has the weight 1."""


class TreeExpert(Expert):
    """Evidence N p: p are the leaf's probabilities (majority or naive Bayes), N its weight, up to `strength`.

    The label history counts as categories. With `one_vs_rest` there is one tree for each class, which tells it from the
    rest; p are the probabilities that the trees give to their own classes, made to add up to 1.

    >>> import numpy as np
    >>> expert = TreeExpert(TreeSettings(history=1))
    >>> expert.resize(1, 2)
    >>> batch = Batch.of(np.zeros((4, 1)), history=np.array([[0], [0], [1], [1]]))
    >>> expert.predict_then_learn(batch, np.array([0, 0, 0, 1]), np.ones(4)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    """

    def __init__(self, settings: TreeSettings, nominal: Sequence[bool] = (), names: Sequence[str] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._classes = 0
        self._nominal = [bool(n) for n in nominal]
        self._names = list(names)
        self._trees: list[hoeffding.Pool] = [] if settings.one_vs_rest else [self._plant(0)]

    @classmethod
    def from_settings(cls, settings: TreeSettings, pool: PoolContext) -> TreeExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal, pool.names)

    def _plant(self, classes: int) -> hoeffding.Pool:
        s = self._settings
        settings = hoeffding.HoeffdingSettings(
            grace_period=s.grace_period,
            delta=s.delta,
            tau=s.tau,
            leaf_prediction=s.leaf_prediction,
            max_depth=s.max_depth,
            max_size=s.max_size,
            memory_estimate_period=ESTIMATE_PERIOD,
            leaf_fading_factor=s.leaf_fading_factor,
        )
        nominal = np.array([True] * s.history + self._nominal, np.bool_)
        return hoeffding.new_pool([settings], len(nominal), classes, nominal)

    @property
    def history(self) -> int:
        """How many of the stream's last labels stand before the features."""
        return self._settings.history

    @property
    def strength(self) -> float:
        """The most pseudo-counts of evidence that an answer is worth."""
        return self._settings.strength

    @property
    def one_vs_rest(self) -> bool:
        """Whether there is one tree for each class."""
        return self._settings.one_vs_rest

    @property
    def answering(self) -> list[Source]:
        """The trees that answer: one, or with `one_vs_rest` one for each class."""
        return [Source(tree, 0) for tree in self._trees]

    def watch(self) -> None:
        """Have all trees write down their lessons from now on, so that copies of them can follow."""
        self._trees = [watched(tree) for tree in self._trees]

    @property
    def n_nodes(self) -> int:
        """Branches and leaves of all trees."""
        return sum(int(tree.trees["n_nodes"].sum()) for tree in self._trees)

    def explain(self, batch: Batch, i: int, label: int) -> list[TreeCondition]:
        """See `Expert`: with `one_vs_rest`, the path through the tree that tells `label` from the rest."""
        x = label_history_and_features_of(batch, i, self._settings.history)
        steps = hoeffding.path(self._trees[label if self._settings.one_vs_rest else 0], 0, x, MAX_CONDITIONS)
        own = label_history_and_features_of(batch, i, self._settings.history, guessed=False)
        return conditions(steps, own, column_names(self._names, x, self._settings.history))

    def paths(self, batch: Batch, rows: Ints, labels: Ints) -> TreePaths:
        """See `Expert`."""
        history = self._settings.history
        if not self._settings.one_vs_rest:
            return tree_paths(self._trees[0], 0, batch, rows, self._names, history)
        parts = []
        for label in np.unique(labels).tolist():
            places = np.flatnonzero(labels == label)
            parts.append((places, tree_paths(self._trees[label], 0, batch, rows[places], self._names, history)))
        return put_together(parts, len(rows))

    def warm_up(self, batch: Batch) -> None:
        """See `Expert`."""
        self.explain(batch, 0, 0)
        self.paths(batch, np.zeros(1, np.int64), np.zeros(1, np.int64))

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        if names:
            self._names = list(names)
        new = [bool(n) for n in nominal[len(self._nominal) :]]
        self._nominal += new
        width = self._settings.history + len(self._nominal)
        classes = 2 if self._settings.one_vs_rest else self._classes
        self._trees = [hoeffding.resize(tree, width, classes, np.array(new, np.bool_)) for tree in self._trees]

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        if features > len(self._nominal):
            self.set_columns((), [*self._nominal, *[False] * (features - len(self._nominal))])
        if classes <= self._classes:
            return
        self._classes = classes
        if self._settings.one_vs_rest:
            self._trees += [self._plant(2) for _ in range(classes - len(self._trees))]
        else:
            width = self._settings.history + len(self._nominal)
            self._trees = [hoeffding.resize(self._trees[0], width, classes)]

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`."""
        X = label_history_and_features(batch, self._settings.history)

        def ask(tree: int) -> tuple[Floats, Floats]:
            pool = self._trees[tree]
            return hoeffding.probabilities(pool, X)[:, 0], hoeffding.supports(pool, X)[:, 0]

        return self._weighed(ask, len(batch))

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        X, w = label_history_and_features(batch, self._settings.history), weight[:, None]
        for i, pool in enumerate(self._trees):
            self._trees[i] = hoeffding.learn(pool, X, self._targets(i, y), w)

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        X, w = label_history_and_features(batch, self._settings.history), weight[:, None]

        def ask(i: int) -> tuple[Floats, Floats]:
            classes = 2 if self._settings.one_vs_rest else self._classes
            p, n = np.empty((len(batch), 1, classes)), np.empty((len(batch), 1))
            self._trees[i] = hoeffding.learn(self._trees[i], X, self._targets(i, y), w, predicted=p, supports=n)
            return p[:, 0], n[:, 0]

        return self._weighed(ask, len(batch))

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        X, questions = (label_history_and_features(some, self._settings.history) for some in (batch, asked))

        def ask(i: int) -> tuple[Floats, Floats]:
            self._trees[i], p, n = lagged.tree(self._trees[i], X, self._targets(i, y), weight, questions, ahead)
            return p, n

        return self._weighed(ask, len(asked))

    def _targets(self, tree: int, y: Ints) -> Ints:
        return (y == tree).astype(np.int64) if self._settings.one_vs_rest else y

    def _weighed(self, ask: Callable[[int], tuple[Floats, Floats]], rows: int) -> Floats:
        """Evidence from the probabilities [B, K] and the leaves' weights [B] that `ask` gives for each tree."""
        if not self._settings.one_vs_rest:
            p, n = ask(0)
            return proportional(p, np.minimum(n, self._settings.strength))
        yes, support = np.zeros((rows, self._classes)), np.zeros(rows)
        for tree in range(self._classes):
            p, n = ask(tree)
            yes[:, tree] = p[:, 1]
            support = np.maximum(support, n)
        total = yes.sum(axis=1, keepdims=True)
        p = np.divide(yes, total, out=np.zeros_like(yes), where=total > 0)
        return proportional(p, np.minimum(support, self._settings.strength))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        state: dict[str, NDArray[Any]] = {"nominal": np.array(self._nominal, np.bool_)}
        for i, tree in enumerate(self._trees):
            state |= {f"{i}.{name}": array for name, array in hoeffding.state_dict(tree).items()}
        return state

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        groups: dict[int, dict[str, NDArray[Any]]] = {}
        try:
            nominal = np.array(arrays["nominal"], np.bool_).tolist()
            for name, array in arrays.items():
                number, dot, part = name.partition(".")
                if dot:
                    groups.setdefault(int(number), {})[part] = array
            trees = [hoeffding.load_state_dict(groups[i]) for i in range(len(groups))]
        except (KeyError, ValueError, IndexError) as error:
            raise SnapshotError(f"not the arrays of a tree expert: {error}") from error
        if len(trees) != 1 and not self._settings.one_vs_rest:
            raise SnapshotError(f"{self.name} is one tree, not {len(trees)}")
        self._nominal, self._trees = nominal, trees
        self._classes = len(trees) if self._settings.one_vs_rest else int(trees[0].class_key.size)
