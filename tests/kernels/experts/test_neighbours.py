"""The search: every back end against the reference, and the reference against plain sorting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.common.backends import UnknownBackendError
from tocsin.kernels.common.moments import learn_row
from tocsin.kernels.experts.neighbours import (
    BLOCK,
    LIMIT,
    UNKNOWN,
    Nearest,
    backends,
    nearest,
)
from tocsin.models.data.features import Standardiser

Floats = NDArray[np.float64]


def plainly(values: Floats, x: Floats, factor: Floats, nominal: list[bool], horizon: int, k: int) -> list[int]:
    """Ages of the k nearest, one number at a time."""
    squares = []
    for age in range(min(horizon, values.shape[1])):
        total = 0.0
        for f, past in enumerate(values[:, values.shape[1] - 1 - age]):
            if factor[f] == 0 or math.isnan(x[f]):
                continue
            if math.isnan(past):
                total += UNKNOWN
            elif nominal[f]:
                total += float(x[f] != past)
            else:
                total += min(abs(float(x[f]) - float(past)) * float(factor[f]), LIMIT) ** 2
        squares.append(total)
    ages = sorted(range(len(squares)), key=lambda age: (squares[age], age))[:k]
    return ages + [-1] * (k - len(ages))


def same(a: Nearest, b: Nearest) -> bool:
    return np.array_equal(a.age, b.age) and a.distance.tobytes() == b.distance.tobytes()


def awkward(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    """Few different values, so many ties; some not known, some huge."""
    X = rng.integers(-2, 3, (rows, columns)).astype(np.float64)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[rng.random(X.shape) < 0.05] = 1e300
    return X


@pytest.mark.parametrize("backend", sorted(set(backends()) - {"reference"}))
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    queries=st.integers(0, 7),
    columns=st.integers(0, 6),
    held=st.integers(0, 3 * BLOCK),
    horizons=st.lists(st.integers(1, 4 * BLOCK), min_size=1, max_size=3).map(sorted),
    k=st.integers(1, 9),
    before=st.integers(0, 5),
)
def test_back_ends_find_what_the_reference_finds(
    backend: str,
    seed: int,
    queries: int,
    columns: int,
    held: int,
    horizons: list[int],
    k: int,
    before: int,
) -> None:
    rng = np.random.default_rng(seed)
    values = awkward(rng, before + held + 2, columns).T
    X = awkward(rng, queries, columns)
    factor = rng.choice([0.0, 0.3, 1.0, 1e200], columns)
    nominal = rng.random(columns) < 0.4
    span = (before, before + held)
    expected = nearest(values, X, factor, nominal, horizons, k, span, backend="reference")
    found = nearest(values, X, factor, nominal, horizons, k, span, backend=backend)
    assert same(found, expected)
    for b in range(queries):
        for h, horizon in enumerate(horizons):
            ages = plainly(values[:, slice(*span)], X[b], factor, nominal.tolist(), horizon, k)
            assert expected.age[b, h].tolist() == ages


@pytest.mark.parametrize("backend", backends())
def test_real_numbers_give_the_same_bits(backend: str) -> None:
    rng = np.random.default_rng(0)
    values, X = rng.normal(size=(10, 700)), rng.normal(size=(40, 10))
    arguments = values, X, rng.random(10), np.zeros(10, np.bool_), [500, 700], 5
    assert same(nearest(*arguments, backend=backend), nearest(*arguments, backend="reference"))


@pytest.mark.parametrize("backend", backends())
def test_one_scan_answers_for_every_window(backend: str) -> None:
    rng = np.random.default_rng(1)
    values, X = rng.normal(size=(3, 300)), rng.normal(size=(5, 3))
    rest = np.ones(3), np.zeros(3, np.bool_)
    both = nearest(values, X, *rest, [50, 1_000], 4, backend=backend)
    for h, horizon in enumerate([50, 1_000]):
        alone = nearest(values, X, *rest, [horizon], 4, backend=backend)
        assert np.array_equal(both.age[:, [h]], alone.age)
    assert both.age[:, 0].max() < 50


@pytest.mark.parametrize("backend", backends())
def test_a_query_does_not_depend_on_its_company(backend: str) -> None:
    rng = np.random.default_rng(2)
    values, X = awkward(rng, 200, 4).T, awkward(rng, 9, 4)
    rest = np.ones(4), np.arange(4) == 1, [150], 3
    together = nearest(values, X, *rest, backend=backend)
    for b in range(len(X)):
        alone = nearest(values, X[[b]], *rest, backend=backend)
        assert same(alone, Nearest(together.age[[b]], together.distance[[b]]))


@pytest.mark.parametrize("backend", backends())
def test_of_equals_the_later_is_nearer(backend: str) -> None:
    found = nearest(np.zeros((1, 2 * BLOCK)), [[0.0]], [1.0], [False], [2 * BLOCK], 3, backend=backend)
    assert found.age.tolist() == [[[0, 1, 2]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": [[0.0]]}, r"X: has shape \(1, 1\)"),
        ({"factor": [1.0]}, "factor and nominal"),
        ({"horizons": [3, 2]}, "ascending"),
        ({"horizons": []}, "one or more"),
        ({"k": 0}, "at least 1"),
        ({"span": (0, 9)}, "does not lie within"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"X": [[0.0, 0.0]], "factor": [1.0, 1.0], "nominal": [False, False]}
    arguments |= {"horizons": [2], "k": 1} | change
    with pytest.raises(ValueError, match=message):
        nearest(np.zeros((2, 4)), **arguments)  # type: ignore[arg-type]


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(UnknownBackendError, match="neighbours has no back end"):
        nearest(np.zeros((1, 1)), [[0.0]], [1.0], [False], [1], 1, backend="triton")


@given(
    rows=st.lists(
        st.lists(st.sampled_from([0.0, 1.0, -3.5, 1e9, 1e200, np.inf, np.nan]), min_size=3, max_size=3), max_size=30
    )
)
@settings(max_examples=50, deadline=None)
def test_moments_are_the_standardisers_to_the_bit(rows: list[list[float]]) -> None:
    plain = Standardiser(3, memory=8.0)
    count, mean, square = np.zeros(3), np.zeros(3), np.zeros(3)
    for row in rows:
        plain.learn(np.array(row))
        learn_row(count, mean, square, 8.0, np.array(row))
    for name, array in {"count": count, "mean": mean, "square": square}.items():
        assert array.tobytes() == getattr(plain, name).tobytes(), name
