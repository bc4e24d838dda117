"""The counts of a window: those of the plain reference, however calls are cut, and the router's own load."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.routing import lifecycle as kernel
from tocsin.kernels.routing import reliability

E, K = 4, 3
PAIRS = np.array([[0, 1], [0, 3], [1, 2]])
Records = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]


def records(n: int, seed: int = 0) -> Records:
    """Evidence with silences (one expert has none at all), reliabilities, engagement, classes, decisions."""
    rng = np.random.default_rng(seed)
    evidence = rng.gamma(0.5, 4.0, (n, E, K)) * (rng.random((n, E, 1)) < 0.8)
    evidence[:, 2] = 0.0
    evidence[rng.random(n) < 0.1] = 0.0
    rho = rng.uniform(0.01, 0.99, (n, E))
    return evidence, rho, rng.random((n, E)) < 0.7, rng.integers(0, K, n), rng.integers(-1, K, n)


def cut(records: Records, start: int, stop: int) -> Records:
    evidence, rho, engaged, y, decided = (array[start:stop] for array in records)
    return evidence, rho, engaged, y, decided


def test_compiled_counts_are_those_of_the_reference() -> None:
    one, other = kernel.new(E, K, len(PAIRS)), kernel.new(E, K, len(PAIRS))
    for seed in range(3):
        kernel.observe(one, *records(200, seed), PAIRS, 3.0)
        kernel.reference_observe(other, *records(200, seed), PAIRS, 3.0)
    for name in kernel.Window._fields:
        if name in ("parts", "trust"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)
        else:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.stayed.sum() > 0
    assert one.spoke[2] == 0


@pytest.mark.parametrize("size", [1, 7, 200])
def test_calls_of_any_length_make_the_same_bits(size: int) -> None:
    windows = [kernel.new(E, K, len(PAIRS)), kernel.new(E, K, len(PAIRS))]
    for window, step in zip(windows, (300, size), strict=True):
        for i in range(0, 300, step):
            kernel.observe(window, *cut(records(300), i, i + step), PAIRS, 3.0)
    for name in kernel.Window._fields:
        assert getattr(windows[0], name).tobytes() == getattr(windows[1], name).tobytes(), name


def test_a_share_of_the_routing_is_the_routers_load() -> None:
    evidence, _, engaged, y, decided = records(200)
    sizes = reliability.Sizes(0, E, 4)
    state = reliability.new(sizes, 0, -1.0, 1.0)
    rates = reliability.Rates(0.01, 1.0, 0.999, 0.99, 1e4, 1e-4, 200.0, 1.0, 0.99, 0.0)
    rho = np.empty((200, E))
    late, sharp = np.zeros(200, np.int64), np.empty(200)
    learnt = reliability.Records(np.zeros((200, 0)), evidence, y, np.ones(200), late)
    reliability.learn_rows(state, learnt, 4, rates, reliability.RouterOutput(rho, sharp))
    window = kernel.new(E, K, len(PAIRS))
    kernel.observe(window, evidence, rho, engaged, y, decided, PAIRS, float(K))
    np.testing.assert_allclose(window.parts / 200, state.load[1], rtol=1e-12)


def test_a_new_window_knows_who_led_the_last_record() -> None:
    window = kernel.new(E, K, len(PAIRS))
    evidence, rho, engaged, y, decided = records(50)
    evidence[:] = 0.0
    evidence[:, 1, 0] = 5.0
    kernel.observe(window, evidence, rho, engaged, y, decided, PAIRS, 3.0)
    assert (window.led[1], window.stayed[1]) == (49, 49)
    kernel.begin(window)
    assert window.counters[kernel.RECORDS] == 0
    kernel.observe(window, evidence, rho, engaged, y, decided, PAIRS, 3.0)
    assert (window.led[1], window.stayed[1]) == (50, 50)


def test_room_for_more_classes_keeps_the_counts() -> None:
    window = kernel.new(E, K, len(PAIRS))
    kernel.observe(window, *records(50), PAIRS, 3.0)
    wide = kernel.widened(window, K + 2)
    assert wide.labels.tolist() == [*window.labels.tolist(), 0, 0]
    assert wide.answers[:, :K].tolist() == window.answers.tolist()
    assert kernel.widened(wide, 2) is wide
