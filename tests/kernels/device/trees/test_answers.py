"""What trees answer on a device against what the pool itself says: leaves, class probabilities, supports."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tocsin.kernels import hoeffding
from tocsin.kernels.device.trees import Answers, Shape, Trees, ask
from tocsin.kernels.hoeffding import HoeffdingSettings, Pool
from tocsin.kernels.hoeffding.copying import Source, TreesCopy
from tocsin.kernels.hoeffding.pool.layout import NOMINAL_BINARY, NOMINAL_MULTIWAY, NUMERIC

F, K = 20, 3
SETTINGS = [
    HoeffdingSettings(leaf_prediction="mc", grace_period=30, tau=0.3),
    HoeffdingSettings(leaf_prediction="nb", grace_period=30, tau=0.3, binary_split=True, nb_threshold=20),
    HoeffdingSettings(leaf_prediction="nba", grace_period=25, tau=0.3, leaf_fading_factor=0.95),
    HoeffdingSettings(leaf_prediction="nba", grace_period=1e6),
]


@cache
def grown() -> tuple[Pool, NDArray[np.float64]]:
    """Four trees after 2,000 events, and 70 others, of which some fit no branch."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(2_070, F))
    X[:, 17], X[:, 19] = rng.integers(0, 6, len(X)), rng.integers(0, 40, len(X))
    y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(np.int64) + (X[:, 17] > 3)
    X[rng.random(X.shape) < 0.03] = np.nan
    pool = hoeffding.new_pool(SETTINGS, F, K, np.isin(np.arange(F), [17, 19]))
    pool = hoeffding.learn(pool, X[:2_000], y[:2_000], np.full((2_000, 4), 1.5))
    X[2_000:2_010, 17] = 99.0
    X[2_010:2_014, :5] = [[np.inf], [-np.inf], [1e200], [-0.0]]
    X[2_014] = np.nan
    return pool, X[2_000:]


def copied(pool: Pool, device: str) -> tuple[Trees, Shape]:
    """The pool's trees as tensors."""
    arrays: dict[str, Any] = {}

    class Kept:
        def put_rows(self, name: str, array: NDArray[Any], rows: NDArray[Any]) -> None:
            arrays[name] = torch.from_numpy(array.copy()).to(device)

        def write_rows(self, name: str, values: NDArray[Any], rows: NDArray[Any]) -> None:
            raise AssertionError("all is put once")

    copy = TreesCopy()
    copy.update([Source(pool, e) for e in range(pool.trees.size)], Kept())
    plan = copy.plan
    sizes = plan.trees, plan.nodes, plan.classes, plan.features, plan.nominal
    return Trees(**arrays), Shape(*sizes, copy.depth, copy.probes, bayes=True)


def behaviour(device: str, triton: bool) -> type:
    """The suite of one way to ask, on one device."""

    class Behaviour:
        def ask(self, X: NDArray[np.float64]) -> Answers:
            trees, shape = copied(grown()[0], device)
            return ask(trees, shape, torch.from_numpy(np.ascontiguousarray(X)).to(device), triton)

        def test_it_answers_as_the_pool_does(self) -> None:
            pool, X = grown()
            found = self.ask(X)
            assert np.array_equal(found.leaves.cpu().numpy(), hoeffding.leaf_ids(pool, X))
            assert np.abs(found.p.cpu().numpy() - hoeffding.probabilities(pool, X)).max() <= 1e-9
            assert np.array_equal(found.support.cpu().numpy(), hoeffding.supports(pool, X))

        def test_one_event_and_none(self) -> None:
            pool, X = grown()
            assert np.array_equal(self.ask(X[:1]).leaves.cpu().numpy(), hoeffding.leaf_ids(pool, X[:1]))
            assert [tuple(part.shape) for part in self.ask(X[:0])] == [(0, 4), (0, 4, K), (0, 4)]

        def test_an_event_does_not_depend_on_its_batch(self) -> None:
            X = grown()[1]
            together, alone = self.ask(X).p, torch.cat([self.ask(X[i : i + 1]).p for i in range(0, 70, 9)])
            assert torch.allclose(together[::9], alone, rtol=0.0, atol=1e-12)

    return Behaviour


TestTorch = behaviour("cpu", triton=False)


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") != "1",
    reason="needs the extra `gpu` and an interpreter",
)
class TestInterpretedTriton(behaviour("cpu", triton=True)):  # type: ignore[misc]
    """By the interpreter."""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
class TestDevice(behaviour("cuda", triton=False)):  # type: ignore[misc]
    """On a CUDA device."""

    def test_launches_that_were_captured_answer_for_other_events(self) -> None:
        pool, X = grown()
        trees, shape = copied(pool, "cuda")
        rows, graph = torch.from_numpy(X).cuda(), torch.cuda.CUDAGraph()
        ask(trees, shape, rows, True)  # compiles
        with torch.cuda.graph(graph):
            found = [ask(trees, shape, rows, triton) for triton in (False, True)]
        rows.copy_(torch.from_numpy(X[::-1].copy()))
        graph.replay()
        for answers in found:
            assert np.array_equal(answers.leaves.cpu().numpy(), hoeffding.leaf_ids(pool, X[::-1]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
class TestDeviceTriton(behaviour("cuda", triton=True)):  # type: ignore[misc]
    """Compiled for a CUDA device."""


def test_the_trees_have_branches_of_every_kind_and_leaves_of_both() -> None:
    pool, X = grown()
    kinds = {int(kind) for e in range(4) for kind in pool.nodes["kind"][e, : pool.trees["n_nodes"][e]]}
    assert kinds >= {NUMERIC, NOMINAL_BINARY, NOMINAL_MULTIWAY}
    trees, _ = copied(pool, "cpu")
    assert torch.isinf(trees.answers).any()
    with pytest.raises(ValueError, match=r"X \(70, 19\) is not \[B, 20\]"):
        ask(*copied(pool, "cpu"), torch.from_numpy(X[:, :19]), False)
