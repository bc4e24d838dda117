"""Copies of pools: what is written down for them, and that they hold what the trees' own kernels find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding import HoeffdingSettings, Pool
from tocsin.kernels.hoeffding.copying import Source, TreesCopy, bytes_needed, plan_of, watched
from tocsin.kernels.hoeffding.copying.layout import BUSIEST, EMPTY, KIND, LINKS, SLOT, STEADY, roomy
from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    N_TAUGHT,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    NUMERIC,
    SAVED_COUNTERS,
)
from tocsin.kernels.traversal import flatten

F, K = 5, 3
SETTINGS = [
    HoeffdingSettings(leaf_prediction="mc", grace_period=30, tau=0.3),
    HoeffdingSettings(leaf_prediction="nb", grace_period=30, tau=0.3, binary_split=True),
    HoeffdingSettings(leaf_prediction="nba", grace_period=25, tau=0.3, max_size=0.01),
]


class Kept(dict[str, NDArray[Any]]):
    """A sink that keeps arrays, and only the rows that it is given."""

    def put_rows(self, name: str, array: NDArray[Any], rows: NDArray[Any]) -> None:
        if name not in self or self[name].shape != array.shape:
            self[name] = array.copy()
        self.write_rows(name, array[rows], rows)

    def write_rows(self, name: str, values: NDArray[Any], rows: NDArray[Any]) -> None:
        assert len(np.unique(rows)) == len(rows)
        self[name][rows] = values


def events(n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, F))
    X[:, 4] = rng.integers(0, 6, n)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 4] > 3)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new() -> Pool:
    return hoeffding.new_pool(SETTINGS, F, K, np.arange(F) == 4)


def sources(pool: Pool) -> list[Source]:
    return [Source(pool, e) for e in range(pool.trees.size)]


def test_links_are_those_of_the_pool_and_the_busiest_child_is_the_one_that_it_finds() -> None:
    X, y = events(4_000)
    pool, copy, kept = watched(new()), TreesCopy(), Kept()
    kinds = set[int]()
    for begin in range(0, len(X), 37):
        pool = hoeffding.learn(pool, X[begin : begin + 37], y[begin : begin + 37])
        copy.update(sources(pool), kept)
        flat = flatten(pool)
        links = kept["links"].reshape(len(SETTINGS), copy.plan.nodes, LINKS)
        for e in range(len(SETTINGS)):
            n = int(pool.trees["n_nodes"][e])
            assert np.array_equal(links[e, :n, KIND], flat.kind[e, :n])
            assert np.array_equal(links[e, :n, BUSIEST], flat.busiest[e, :n])
            kinds |= set(links[e, :n, KIND].tolist())
    assert kinds == {LEAF, NUMERIC, NOMINAL_BINARY, NOMINAL_MULTIWAY}


def test_the_root_of_an_empty_tree_says_so_and_has_no_observers() -> None:
    copy, kept = TreesCopy(), Kept()
    copy.update(sources(new()), kept)
    roots = kept["links"][:: copy.plan.nodes]
    assert (roots[:, KIND] == EMPTY).all()
    assert (roots[:, SLOT] == -1).all()
    assert (copy.depth, copy.probes) == (0, 0)
    with pytest.raises(ValueError, match="first update"):
        _ = TreesCopy().plan


def test_a_pool_that_is_watched_learns_the_same_and_is_saved_the_same() -> None:
    X, y = events(2_000)
    plain, noted = hoeffding.learn(new(), X, y), hoeffding.learn(watched(new()), X, y)
    left, right = hoeffding.state_dict(plain), hoeffding.state_dict(noted)
    assert left.keys() == right.keys()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)
    assert left["counters"].size == SAVED_COUNTERS
    assert int(plain.counters[N_TAUGHT]) == 0
    assert int(noted.counters[N_TAUGHT]) == 2_000 * len(SETTINGS)
    assert watched(noted) is noted


def test_a_pool_that_is_not_watched_is_copied_anew_each_time() -> None:
    X, y = events(1_000)
    pool, copy, kept = new(), TreesCopy(), Kept()
    for begin in range(0, len(X), 200):
        pool = hoeffding.learn(pool, X[begin : begin + 200], y[begin : begin + 200])
        copy.update(sources(pool), kept)
    again = Kept()
    TreesCopy().update(sources(pool), again)
    assert all(np.array_equal(kept[name], again[name]) for name in ("links", "values", "answers", "moments", "cells"))


def test_what_a_copy_takes_is_known_before_it_is_made() -> None:
    X, y = events(3_000)
    pool, kept = hoeffding.learn(new(), X, y), Kept()
    TreesCopy().update(sources(pool), kept)
    cells = kept["cells"].nbytes
    assert plan_of(sources(pool)).nbytes == sum(array.nbytes for array in kept.values()) - cells
    assert sum(array.nbytes for array in kept.values()) <= bytes_needed(sources(pool))


@given(st.integers(0, 100_000), st.integers(1, 64))
def test_capacities_hold_what_is_needed_and_are_few(need: int, fewest: int) -> None:
    capacity = roomy(need, fewest)
    assert capacity >= max(need, min(fewest, STEADY))
    assert capacity & (capacity - 1) == 0 or capacity % STEADY == 0
    assert capacity <= max(2 * need, 2 * fewest, need + STEADY)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1_000), st.lists(st.integers(1, 200), min_size=1, max_size=10))
def test_any_cut_of_the_lessons_ends_in_the_same_copy(seed: int, cuts: list[int]) -> None:
    X, y = events(1_500, seed)
    pool, copy, kept = watched(new()), TreesCopy(), Kept()
    begin = 0
    for size in [*cuts, len(X)]:
        pool = hoeffding.learn(pool, X[begin : begin + size], y[begin : begin + size])
        begin = min(len(X), begin + size)
        copy.update(sources(pool), kept)
    again, other = Kept(), TreesCopy()
    other.update(sources(pool), again)
    assert copy.plan == other.plan
    for name in ("values", "answers"):
        assert kept[name].tobytes() == again[name].tobytes()
    assert np.array_equal(np.delete(kept["links"], LINKS - 1, 1), np.delete(again["links"], LINKS - 1, 1))
