"""An adaptive random forest as one expert of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.forest import ForestSettings
from tocsin.kernels import hoeffding
from tocsin.kernels.common import draws
from tocsin.kernels.hoeffding import forest as kernels
from tocsin.kernels.hoeffding.copying import Source, watched
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.kernels.hoeffding.pool.layout import ARRAYS, N_CLASSES, N_FEATURES
from tocsin.kernels.lagged import trees as lagged
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.inputs import label_history_and_features, label_history_and_features_of
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import (
    MAX_CONDITIONS,
    Arrays,
    Expert,
    PoolContext,
    SnapshotError,
    TreeCondition,
    TreePaths,
)
from tocsin.models.experts.trees.path import column_names, conditions, tree_paths
from tocsin.models.experts.trees.tree import ESTIMATE_PERIOD


class ForestExpert(Expert):
    """Hoeffding trees that each learn every event with a Poisson weight, in a random subspace, and vote by their
    accuracy.

    The forest is one expert: its evidence is the weighted vote of its trees, and grows with the events behind it. The
    last labels of the stream, where `history` asks for them, stand before the features.
    """

    def __init__(
        self, settings: ForestSettings, nominal: Sequence[bool] = (), seed: int = 0, names: Sequence[str] = ()
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: list[bool] = list(nominal)
        self._names: list[str] = list(names)
        # The seed is made of the model's and the expert's own, so that two forests of a pool can draw differently.
        self._seed = int(draws.bits(seed, settings.seed, 0) >> draws.S11)
        self._forest = self._standing(self._new_pool())
        kernels.start(self._forest)

    @classmethod
    def from_settings(cls, settings: ForestSettings, pool: PoolContext) -> ForestExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal, pool.seed, pool.names)

    def _new_pool(self) -> hoeffding.Pool:
        own = self._settings
        tree = hoeffding.HoeffdingSettings(
            grace_period=own.grace_period,
            delta=own.delta,
            tau=own.tau,
            leaf_prediction=own.leaf_prediction,
            binary_split=own.binary_split,
            max_size=own.max_size,
            # In weight, which a Poisson mean of lambda_ multiplies.
            memory_estimate_period=ESTIMATE_PERIOD * own.lambda_,
            leaf_fading_factor=own.leaf_fading_factor,
            subspace=own.subspace if own.subspace_of == "leaf" else 1.0,
        )
        history = np.full(own.history, own.history_as == "category")
        return hoeffding.new_pool([tree] * (2 * own.trees), own.history, 0, history)

    def _standing(self, pool: hoeffding.Pool) -> kernels.Forest:
        """A forest of the trees in a pool, none of which has answered yet."""
        own = self._settings
        T = own.trees
        members = np.zeros(T, kernels.MEMBER)
        members["front"], members["back"] = np.arange(T), np.arange(T, 2 * T)
        rules = np.zeros(1, kernels.RULES)
        rules["seed"], rules["warning"], rules["drift"] = self._seed, own.warning_delta, own.drift_delta
        rules["fade"], rules["vote_power"], rules["strength"] = own.vote_fading_factor, own.vote_power, own.strength
        rules["share"] = own.subspace if own.subspace_of == "tree" else 1.0
        # Of n records with Poisson weights of mean L, sum n L, (sum w)^2 / sum w^2 = n L / (1 + L) are independent.
        rules["weight_per_event"], rules["adapts"] = 1.0 + own.lambda_, own.adapts
        return kernels.Forest(
            pool=pool,
            members=members,
            accuracy=np.zeros(2 * T, kernels.ACCURACY),
            windows=adwin.new_windows(2 * T),
            counters=np.zeros(1, kernels.COUNTERS),
            rules=rules,
            table=draws.poisson_table(own.lambda_),
        )

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._names, self._nominal = list(names), list(nominal)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        pool = self._forest.pool
        have = int(pool.counters[N_FEATURES]) - self._settings.history
        features, classes = max(features, have), max(classes, int(pool.counters[N_CLASSES]))
        self._nominal += [False] * (features - len(self._nominal))
        new = np.array(self._nominal[have:features], np.bool_)
        pool = hoeffding.resize(pool, self._settings.history + features, classes, new)
        self._forest = replace(self._forest, pool=pool)
        if features > have:
            kernels.extend_subspaces(self._forest, self._settings.history + have)

    def _inputs(self, batch: Batch) -> Floats:
        return label_history_and_features(batch, self._settings.history)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`."""
        return kernels.evidence(self._forest, self._inputs(batch))

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        self._forest = replace(self._forest, pool=kernels.learn(self._forest, self._inputs(batch), y, weight))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.empty((len(batch), int(self._forest.pool.counters[N_CLASSES])))
        self._forest = replace(self._forest, pool=kernels.learn(self._forest, self._inputs(batch), y, weight, answers))
        return answers

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        pool, answers = lagged.forest(self._forest, self._inputs(batch), y, weight, self._inputs(asked), ahead)
        self._forest = replace(self._forest, pool=pool)
        return answers

    # --- copies that follow

    @property
    def history(self) -> int:
        """How many of the stream's last labels stand before the features."""
        return self._settings.history

    @property
    def strength(self) -> float:
        """The most pseudo-counts of evidence that an answer is worth."""
        return self._settings.strength

    @property
    def answering(self) -> list[Source]:
        """The trees that vote."""
        pool, members = self._forest.pool, self._forest.members
        return [Source(pool, e, n) for e, n in zip(members["front"].tolist(), members["drifts"].tolist(), strict=True)]

    @property
    def vote_weights(self) -> Floats:
        """What the vote of each tree weighs, float64 [T]."""
        return kernels.vote_weights(self._forest)

    @property
    def weight_per_event(self) -> float:
        """The weight in a leaf that one independent event is worth."""
        return float(self._forest.rules["weight_per_event"][0])

    def watch(self) -> None:
        """Have all trees write down their lessons from now on, so that copies of them can follow."""
        self._forest = replace(self._forest, pool=watched(self._forest.pool))

    # --- what it looks like

    @property
    def n_nodes(self) -> int:
        """Branches and leaves of the trees that vote."""
        return int(self.tree_sizes.sum())

    @property
    def tree_sizes(self) -> Ints:
        """Branches and leaves of each tree that votes: int64 [T]."""
        nodes: Ints = self._forest.pool.trees["n_nodes"][self._forest.members["front"]].astype(np.int64)
        return nodes

    def explain(self, batch: Batch, i: int, label: int) -> list[TreeCondition]:
        """See `Expert`: the path through the tree whose recent accuracy is highest, of those that have branched."""
        x = label_history_and_features_of(batch, i, self._settings.history)
        steps = hoeffding.path(self._forest.pool, self._most_accurate(), x, MAX_CONDITIONS)
        own = label_history_and_features_of(batch, i, self._settings.history, guessed=False)
        return conditions(steps, own, column_names(self._names, x, self._settings.history))

    def paths(self, batch: Batch, rows: Ints, labels: Ints) -> TreePaths:
        """See `Expert`."""
        return tree_paths(self._forest.pool, self._most_accurate(), batch, rows, self._names, self._settings.history)

    def _most_accurate(self) -> int:
        """The tree whose recent accuracy is highest, of those that have branched."""
        accuracies = np.where(self.tree_sizes > 1, np.nan_to_num(self.accuracies), -1.0)
        return int(self._forest.members["front"][int(accuracies.argmax())])

    def warm_up(self, batch: Batch) -> None:
        """See `Expert`."""
        self.explain(batch, 0, 0)
        self.paths(batch, np.zeros(1, np.int64), np.zeros(1, np.int64))

    @property
    def warnings(self) -> int:
        """How many trees were begun in the background."""
        return int(self._forest.members["warnings"].sum())

    @property
    def drifts(self) -> int:
        """How many trees were replaced."""
        return int(self._forest.members["drifts"].sum())

    @property
    def growing(self) -> int:
        """Trees that grow in the background."""
        return int(self._forest.members["growing"].sum())

    @property
    def weight_seen(self) -> float:
        """Weight that the trees which vote have learnt."""
        return float(self._forest.pool.trees["weight_seen"][self._forest.members["front"]].sum())

    @property
    def accuracies(self) -> Floats:
        """Recent accuracy of each tree that votes [T]; NaN where it has predicted nothing yet."""
        record = self._forest.accuracy[self._forest.members["front"]]
        accuracy: Floats = np.where(record["seen"] > 0.0, record["right"] / np.maximum(record["seen"], 1e-300), np.nan)
        return accuracy

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, spare room included."""
        parts = [getattr(self._forest.pool, name) for name in ARRAYS]
        parts += [self._forest.members, self._forest.accuracy, self._forest.windows]
        return int(sum(part.nbytes for part in parts))

    # --- snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        own = self._forest
        out = with_prefix("pool.", hoeffding.state_dict(own.pool))
        out |= with_prefix("windows.", adwin.state_dict(own.windows))
        for group, records in (("members", own.members), ("record", own.accuracy), ("counters", own.counters)):
            out |= with_prefix(f"{group}.", {name: records[name].copy() for name in records.dtype.names or ()})
        return out | {"nominal": np.array(self._nominal, np.bool_), "history": np.array(self._settings.history)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            pool = hoeffding.load_state_dict(without_prefix("pool.", arrays))
            if len(pool.trees) != 2 * self._settings.trees:
                raise ValueError(f"{len(pool.trees) // 2} trees, not {self._settings.trees}")
            if int(arrays["history"]) != self._settings.history:
                raise ValueError(f"a history of {int(arrays['history'])} labels, not {self._settings.history}")
            forest = self._standing(pool)
            windows = adwin.load_state_dict(without_prefix("windows.", arrays))
            groups = ("members", forest.members), ("record", forest.accuracy), ("counters", forest.counters)
            for group, records in groups:
                for name in records.dtype.names or ():
                    records[name] = arrays[f"{group}.{name}"]
            rows = np.sort(np.concatenate([forest.members["front"], forest.members["back"]]))
            if not np.array_equal(rows, np.arange(2 * self._settings.trees)):
                raise ValueError("two members share a tree")
            nominal = arrays["nominal"].tolist()
        except (KeyError, ValueError, IndexError) as error:
            raise SnapshotError(f"no snapshot of this forest: {error}") from error
        self._forest, self._nominal = replace(forest, windows=windows), nominal
