"""Streams that drift, experts that learn them, and forms that must follow."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.kernels import hoeffding
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import Place
from tocsin.kernels.hoeffding.copying import TreesCopy
from tocsin.kernels.hoeffding.copying.layout import CATEGORY, EMPTY, KIND, LISTS, OWNER, WORTH
from tocsin.kernels.hoeffding.pool.layout import LEAF, MAJORITY, NOMINAL_MULTIWAY
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.inputs import label_history_and_features
from tocsin.models.device.forms.form import Copies, form_of
from tocsin.models.device.forms.trees import TreesForm
from tocsin.models.device.inputs import Inputs
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.tree import TreeExpert

TORCH = Place("torch-cpu", torch.device("cpu"), triton=False)
TRITON = Place("torch-cpu", torch.device("cpu"), triton=True)
NOMINAL = [False, False, False, True, True]
QUICK = {"grace_period": 20, "delta": 0.05, "tau": 0.3}
DRIFTS = {"trees": 4, "warning_delta": 0.6, "drift_delta": 0.4, "lambda_": 3.0} | QUICK
CASES: dict[str, TreeSettings | ForestSettings] = {
    "tree": TreeSettings(**QUICK),
    "tree with the last labels": TreeSettings(history=2, **QUICK),
    "tree by majority": TreeSettings(leaf_prediction="mc", **QUICK),
    "tree by naive Bayes": TreeSettings(leaf_prediction="nb", max_depth=4, **QUICK),
    "tree that fades": TreeSettings(leaf_fading_factor=0.97, **QUICK),
    "tree with little memory": TreeSettings(max_size=0.008, **QUICK),
    "tree for each class": TreeSettings(one_vs_rest=True, history=1, **QUICK),
    "forest": ForestSettings(**DRIFTS),
    "forest of binary splits": ForestSettings(binary_split=True, subspace_of="tree", **DRIFTS),
    "forest with little memory": ForestSettings(max_size=0.008, history=1, history_as="number", **DRIFTS),
    "forest by majority that fades": ForestSettings(leaf_prediction="mc", leaf_fading_factor=0.97, **DRIFTS),
}


class Stream(NamedTuple):
    """Numbers and categories, unknown values, label history, and a concept that turns."""

    X: Floats
    y: Ints
    history: Ints

    def batch(self, places: Any, columns: int) -> Batch:
        """Events of it with their first columns."""
        return Batch.of(self.X[places, :columns], history=self.history[places])

    def odd(self, places: Ints, columns: int) -> Batch:
        """Events of it, some of which no branch can place, or which are far from all others."""
        X = self.X[places, :columns].copy()
        X[::7, 3:] = 99.0
        X[1::7] = np.nan
        X[2::7, 0], X[3::7, 1] = np.inf, -np.inf
        X[4::7, 2], X[5::7, 3] = 1e6, -0.0
        return Batch.of(X, history=self.history[places])


def stream(seed: int, n: int = 3_000) -> Stream:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).round(2)
    X[:, 3], X[:, 4] = rng.integers(0, 5, n), rng.integers(0, 3, n) * 1_000_003
    turn = np.where(np.arange(n) // 700 % 2 == 0, 1.0, -1.0)
    y = ((2 * X[:, 0] * turn + X[:, 1] ** 2 + 0.3 * X[:, 3] > 1.2) + 2 * (X[:, 4] > rng.normal(1e6, 1e6, n))).astype(
        np.int64
    )
    X[rng.random(X.shape) < 0.08] = np.nan
    history = np.full((n, 2), -1)
    history[1:, 0], history[2:, 1] = y[:-1], y[:-2]
    return Stream(X, y, history)


def plant(settings: TreeSettings | ForestSettings, columns: int = 5, classes: int = 4) -> TreeExpert | ForestExpert:
    nominal = NOMINAL[:columns]
    forest = isinstance(settings, ForestSettings)
    expert = ForestExpert(settings, nominal) if forest else TreeExpert(settings, nominal)  # type: ignore[arg-type]
    expert.resize(columns, classes)
    return expert


def form(expert: TreeExpert | ForestExpert, place: Place = TORCH) -> TreesForm:
    """A form that has copied the expert as it is."""
    kind = "forest" if isinstance(expert, ForestExpert) else "tree"
    made = form_of(kind, expert, Copies(Mirror(place), "expert/"))
    assert isinstance(made, TreesForm)
    return followed(made)


def followed(made: TreesForm) -> TreesForm:
    made.follow()
    made.copies.mirror.send()
    return made


def copy_of(made: TreesForm) -> TreesCopy:
    """What the form has copied, which must be something."""
    assert made._copy is not None
    return made._copy


def agree(made: TreesForm, batch: Batch) -> None:
    """The form answers as the expert does, from the same leaves."""
    inputs = Inputs.of(batch, made.views, made.copies.mirror.place)
    expected = made.expert.evidence(batch)
    assert np.abs(made.evidence(inputs).numpy() - expected).max(initial=0.0) <= 1e-9
    X = label_history_and_features(batch, made.expert.history)
    leaves = [hoeffding.leaf_ids(source.pool, X)[:, source.tree] for source in made.expert.answering]
    assert np.array_equal(made.leaves(inputs).numpy(), np.stack(leaves, axis=1))


def state(made: TreesForm) -> dict[str, Any]:
    """All that a form's tensors say of nodes that there are, with names for lists that do not depend on history."""
    plan, out = copy_of(made).plan, dict[str, Any]()
    links, values, answers, moments, cells = (
        made.copies[name].numpy() for name in ("links", "values", "answers", "moments", "cells")
    )
    lists: dict[int, dict[int, int]] = defaultdict(dict)
    for cell in cells[cells[:, OWNER] != 0]:
        lists[int(cell[OWNER])][int(cell[CATEGORY])] = int(cell[WORTH])
    firsts = slot_starts(made)
    for t, source in enumerate(made.expert.answering):
        nodes = source.pool.nodes[source.tree]
        n = int(source.pool.trees["n_nodes"][source.tree])
        observes = source.pool.trees["leaf_mode"][source.tree] != MAJORITY
        rows = slice(t * plan.nodes, t * plan.nodes + n)
        out[f"{t} links"] = np.delete(links[rows], LISTS, axis=1)
        out[f"{t} values"], out[f"{t} answers"] = values[rows], answers[rows]
        out[f"{t} empty"] = links[t * plan.nodes, KIND] == EMPTY
        for node in range(n):
            number, slot = int(links[t * plan.nodes + node, LISTS]), int(nodes["slot"][node])
            if nodes["kind"][node] == NOMINAL_MULTIWAY:
                out[f"{t} children {node}"] = lists[-number - 1]
            elif nodes["kind"][node] == LEAF and slot >= 0 and observes:
                at = (firsts[t] + slot) * plan.classes
                out[f"{t} moments {node}"] = moments[at : at + plan.classes]
                first = number * plan.nominal * plan.classes + 1
                owned = range(first, first + plan.nominal * plan.classes)
                out[f"{t} categories {node}"] = [lists.get(owner, {}) for owner in owned]
    return out


def slot_starts(made: TreesForm) -> list[int]:
    """Where the slots of each tree's pool begin in the copy."""
    pools: dict[int, int] = {}
    sizes = copy_of(made).plan.slots
    for source in made.expert.answering:
        pools.setdefault(id(source.pool), sum(sizes[: len(pools)]))
    return [pools[id(source.pool)] for source in made.expert.answering]


def same(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """The names under which two states differ."""
    return [name for name in a.keys() | b.keys() if name not in a or name not in b or not _equal(a[name], b[name])]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bits(a) == bits(b)
    return bool(a == b)


def bits(array: NDArray[Any]) -> bytes:
    return array.tobytes()
