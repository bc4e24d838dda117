"""ADWIN against river's, value for value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river import drift

from tocsin.kernels.hoeffding.forest import adwin

Values = NDArray[np.float64]


def stream(seed: int, n: int = 6000) -> Values:
    """Pieces of random length and mean: errors (0 or 1), or numbers."""
    rng = np.random.default_rng(seed)
    pieces, left = [], n
    while left > 0:
        length = min(left, int(rng.integers(20, 2500)))
        p = rng.uniform(0.02, 0.9)
        errors = (rng.random(length) < p).astype(np.float64)
        pieces.append(errors if seed % 2 else rng.normal(10 * p, rng.uniform(0.1, 3.0), length))
        left -= length
    return np.concatenate(pieces)


def ours(values: Values, delta: float, windows: NDArray[np.void] | None = None) -> tuple[list[int], NDArray[np.void]]:
    """Where changes are found, and the window; as river, start anew after a change."""
    windows = adwin.new_windows(1) if windows is None else windows
    found, restart = [], False
    for i, value in enumerate(values):
        if restart:
            adwin.clear(windows, 0)
        restart = adwin.update(windows, 0, float(value), delta)
        if restart:
            found.append(i)
    return found, windows


@pytest.mark.parametrize("delta", [0.002, 0.01, 0.001, 0.3])
@pytest.mark.parametrize("seed", range(12))
def test_finds_what_river_finds(seed: int, delta: float) -> None:
    values = stream(seed)
    river = drift.ADWIN(delta=delta)
    expected = []
    for i, value in enumerate(values):
        river.update(value)
        if river.drift_detected:
            expected.append(i)
    found, windows = ours(values, delta)
    assert found == expected
    assert windows["width"][0] == river.width
    assert windows["total"][0] == river.total
    assert windows["squares"][0] == pytest.approx(river.variance, rel=1e-12)


def test_many_windows_that_go_on_after_a_change_are_as_rivers_without_its_restart() -> None:
    values = np.stack([stream(seed) for seed in range(6)], axis=1)
    delta = np.array([0.002, 0.01, 0.001, 0.3, 0.05, 0.002])
    windows = adwin.new_windows(6)
    changed = np.array([[adwin.update(windows, s, row[s], delta[s]) for s in range(6)] for row in values])
    for s in range(6):
        helper = drift.ADWIN(delta=delta[s])._helper
        assert changed[:, s].tolist() == [helper.update(value) for value in values[:, s]]
        assert windows["detections"][s] == helper.get_n_detections()


def test_a_rise_alarms_and_a_fall_does_not() -> None:
    rng = np.random.default_rng(0)
    up = (rng.random(2000) < np.repeat([0.1, 0.6], 1000)).astype(np.float64)
    for values, expected in ((up, True), (1.0 - up, False)):
        windows = adwin.new_windows(1)
        rises = [adwin.update_and_test_rise(windows, 0, value, 0.002) for value in values]
        assert any(rises) is expected
        assert windows["detections"][0] >= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 50))
def test_a_restored_window_goes_on_as_if_nothing_had_happened(cut: int, seed: int) -> None:
    values = stream(seed, 3000)
    whole, expected = ours(values, 0.01)
    # What a window forgot may still lie in its unused buckets; a snapshot must not care.
    first, windows = ours(values[:cut], 0.01)
    if cut - 1 in first:
        adwin.clear(windows, 0)
    saved = adwin.state_dict(windows)
    again = adwin.load_state_dict(saved)
    assert {k: v.tobytes() for k, v in adwin.state_dict(again).items()} == {k: v.tobytes() for k, v in saved.items()}
    rest, windows = ours(values[cut:], 0.01, again)
    assert first + [cut + i for i in rest] == whole
    assert windows["total"][0] == expected["total"][0]


def test_a_snapshot_is_small() -> None:
    windows = adwin.new_windows(60)
    for _ in range(5000):
        adwin.update(windows, 0, 1.0, 0.01)
    windows[1:] = windows[0]
    assert sum(a.nbytes for a in adwin.state_dict(windows).values()) < 60 * 1024
