"""The labelled events that traffic is compared with are a fold over the feedback, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.traffic.counterpart import ENOUGH, Labelled, encoded, span


def labels(rows: int) -> tuple[Floats, Ints, Ints]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 3))
    X[rng.random((rows, 3)) < 0.1] = np.nan
    return X, rng.integers(0, 3, rows), 1_000 * np.arange(rows)


def learnt(cut: int, rows: int = 777) -> Labelled:
    made, (X, y, times) = Labelled(400, 10), labels(777)
    made.resize([False, True, False])
    for start in range(0, rows, cut):
        part = slice(start, min(start + cut, rows))
        made.learn(X[part], y[part], times[part])
    return made


@pytest.mark.parametrize("cut", [1, 7, 1_000])
def test_bits_do_not_depend_on_how_labels_were_cut(cut: int) -> None:
    whole, other = learnt(50).state_dict(), learnt(cut).state_dict()
    assert whole.keys() == other.keys()
    assert all(whole[name].tobytes() == other[name].tobytes() for name in whole)


def test_a_counterpart_stands_for_so_many_labels_until_it_is_renewed() -> None:
    assert learnt(1, ENOUGH - 1).counterpart is None
    first, later = learnt(50, ENOUGH).counterpart, learnt(50, ENOUGH + 19).counterpart
    assert first is not None
    assert later is not None
    assert first.version == later.version == ENOUGH
    assert first.labelled.tobytes() == later.labelled.tobytes()


def test_a_state_that_was_written_goes_on_with_the_same_bits() -> None:
    before = learnt(50, 333)
    after = Labelled(400, 10)
    after.resize([False, True, False])
    after.load_state_dict(before.state_dict())
    assert after.counterpart is not None
    X, y, times = labels(777)
    for one in (before, after):
        one.learn(X[333:], y[333:], times[333:])
    a, b = before.state_dict(), after.state_dict()
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_events_that_are_too_wide_have_no_reference() -> None:
    made, (X, y, times) = Labelled(400, 5), labels(500)
    made.resize([False, True, False])  # a category stands for four numbers
    made.learn(X, y, times)
    assert made.counterpart is None


def test_one_label_that_came_a_year_late_does_not_stretch_the_span() -> None:
    times = np.arange(1_000)
    start, end = span(times)
    assert (start, end) == pytest.approx((0, 999), abs=0.01)
    times[0] = -31_536_000_000
    assert span(times)[0] == pytest.approx(0, abs=2)


def test_different_categories_lie_apart() -> None:
    codes = np.arange(2_000.0)[:, None]
    Z = encoded(codes, np.array([True]))
    assert len(np.unique(Z, axis=0)) == 2_000
    assert np.abs(Z.mean(axis=0) - 0.5).max() < 0.03
    assert np.isnan(encoded(np.array([[np.nan]]), np.array([True]))).all()
