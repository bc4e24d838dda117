"""Categories as numbers, and inputs standardised as the stream goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.models.data.features import LIMIT, Standardiser, category_code

CODES = [("123456789", 4449164003652946), ("", 8044937785282358), ("red", 489432828731721)]


@pytest.mark.parametrize(("value", "code"), CODES)
def test_a_category_has_the_same_code_in_every_process_and_release(value: str, code: int) -> None:
    assert category_code(value) == code


@given(st.text())
def test_a_code_survives_the_way_through_a_column_of_floats(value: str) -> None:
    code = category_code(value)
    assert 0 <= code < 2**53
    assert int(np.float64(code)) == code


def test_no_two_of_two_million_merchants_share_a_code() -> None:
    """By CRC-32 the first two that did were among 80,326, and a class that hung on them was lost."""
    codes = {category_code(f"merchant-{number:07d}") for number in range(2_000_000)}
    assert len(codes) == 2_000_000


def taught(X: np.ndarray, memory: float = 1e9) -> Standardiser:
    made = Standardiser(X.shape[1], memory)
    for x in X:
        made.learn(x)
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf])), min_size=2, max_size=2),
        min_size=1,
        max_size=40,
    )
)
def test_mean_and_variance_are_those_of_what_is_known(values: list[list[float]]) -> None:
    X = np.array(values)
    made = taught(X)
    for column, (count, mean, square) in enumerate(zip(made.count, made.mean, made.square, strict=True)):
        known = X[np.isfinite(X[:, column]), column]
        assert count == len(known)
        if len(known):
            scale = 1 + np.abs(known).max()
            assert mean == pytest.approx(known.mean(), abs=1e-9 * scale)
            assert square == pytest.approx(known.var(), abs=1e-9 * scale**2)


def test_what_is_not_known_stands_at_the_mean() -> None:
    made = taught(np.array([[1.0, 5.0], [3.0, np.nan], [5.0, 7.0]]))
    z = made.transform(np.array([[np.nan, 6.0], [3.0, np.inf]]))
    assert z.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_an_outlier_is_clipped_but_its_distance_told() -> None:
    made = taught(np.random.default_rng(0).normal(0, 1, (500, 1)))
    assert made.transform(np.array([[1e6]]))[0, 0] == LIMIT
    assert made.distances(np.array([[-1e6]]))[0, 0] < -1e5


def test_a_column_that_never_varied_or_was_seen_once_says_nothing() -> None:
    made = taught(np.array([[7.0, 1e9], [7.0, np.nan], [7.0, np.nan]]))
    assert made.distances(np.array([[1e12, 5.0]])).tolist() == [[0.0, 0.0]]


def test_one_absurd_value_does_not_kill_its_column_for_ever() -> None:
    made = Standardiser(1, memory=10)
    for x in (1.7e308, -1.7e308, *np.tile([0.0, 1.0], 20_000)):
        made.learn(np.array([x]))
        assert np.isfinite([made.mean, made.square]).all()
    assert made.square[0] == pytest.approx(0.25, rel=0.2)
    assert made.distances(np.array([[1e100]]))[0, 0] > 1e99


def test_a_scale_that_drifts_is_followed() -> None:
    rng = np.random.default_rng(1)
    made = taught(np.concatenate([rng.normal(0, 1, (1000, 1)), rng.normal(50, 10, (1000, 1))]), memory=100)
    assert made.mean[0] == pytest.approx(50, abs=5)
    assert np.sqrt(made.square[0]) == pytest.approx(10, abs=3)


def test_new_columns_leave_the_old_ones_alone() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(3, 2, (100, 2))
    made = taught(X)
    before = made.transform(X)
    made.resize(3)
    made.resize(1)
    z = made.transform(np.column_stack([X, np.ones(100)]))
    assert np.array_equal(z[:, :2], before)
    assert not z[:, 2].any()


def test_a_restored_standardiser_goes_on_alike() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(3, 2, (100, 2))
    made, other = taught(X[:50]), Standardiser()
    other.load_state_dict(made.state_dict())
    other.memory = made.memory
    for x in X[50:]:
        made.learn(x)
        other.learn(x)
    assert np.array_equal(made.transform(X), other.transform(X))
