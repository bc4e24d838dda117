"""Windows of a key's events: the kernel says what the plain lists say, whatever order and time events come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.profiles.reference import ReferenceKey
from tocsin.kernels.profiles.windows import AGED, ENTRIES, LARGEST, Events, Shape, say_and_add, say_at

HOUR = 3_600_000
WINDOWS = np.array([[0, HOUR // 8, 8], [0, 24 * HOUR // 8, 8], [1, 2, 5], [1, 1, 3]])


def events_of(times: list[int], values: list[float], codes: list[float], keys: list[int]) -> Events:
    place = np.array(keys, np.int64)
    fresh = np.zeros(len(keys), np.bool_)
    fresh[[keys.index(key) for key in set(keys)]] = True
    return Events(place, fresh, np.array(times, np.int64), np.array([values]).T, np.array([codes]).T)


def by_kernel(events: Events, cuts: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    shape = Shape(len(WINDOWS), 1, 1)
    rows, out = np.zeros((events.place.max() + 1, shape.width)), np.empty((len(events.place), shape.said))
    for start, stop in zip((0, *cuts), (*cuts, len(out)), strict=True):
        say_and_add(rows, Events(*(column[start:stop] for column in events)), WINDOWS, start, out[start:stop])
    return out, rows


def by_lists(events: Events) -> np.ndarray:
    keys = {int(place): ReferenceKey(WINDOWS, 1) for place in events.place}
    said = []
    for i, place in enumerate(events.place.tolist()):
        said.append(keys[place].say(int(events.times[i]), events.values[i], events.codes[i]))
        keys[place].add(int(events.times[i]), events.values[i], events.codes[i])
    return np.array(said)


@st.composite
def streams(draw: st.DrawFn) -> Events:
    n = draw(st.integers(1, 60))
    steps = st.integers(-30 * HOUR, 30 * HOUR) | st.integers(-HOUR, HOUR) | st.just(0)
    times = np.cumsum(draw(st.lists(steps, min_size=n, max_size=n)))
    value = st.floats(-1e6, 1e6) | st.just(float("nan"))
    values = draw(st.lists(value, min_size=n, max_size=n))
    codes = draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, float("nan")]), min_size=n, max_size=n))
    keys = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    return events_of(times.tolist(), values, codes, keys)


@settings(max_examples=200, deadline=None)
@given(streams())
def test_the_kernel_says_what_lists_of_events_say(events: Events) -> None:
    np.testing.assert_allclose(by_kernel(events)[0], by_lists(events), rtol=1e-7, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(streams(), st.data())
def test_bits_do_not_depend_on_how_events_are_cut(events: Events, data: st.DataObject) -> None:
    n = len(events.place)
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, n), max_size=3))))
    for whole, cut in zip(by_kernel(events), by_kernel(events, cuts), strict=True):
        assert whole.tobytes() == cut.tobytes()


def test_an_event_is_not_among_what_is_said_of_it() -> None:
    out, _ = by_kernel(events_of([0, 1000], [5.0, 7.0], [1.0, 1.0], [0, 0]))
    assert np.isnan(out[0, 0])
    assert out[0, 1] == 0.0
    assert out[1, :4].tolist() == [1.0, 1.0, 5.0, 5.0]


def test_a_window_forgets_what_is_older_and_no_more_than_an_eighth_too_early() -> None:
    ago = HOUR * np.array([0.0, 0.5, 0.87, 1.01])
    out, _ = by_kernel(events_of([*(-ago[::-1]).astype(int).tolist(), 0], [1.0] * 5, [1.0] * 5, [0] * 5))
    assert out[-1, 1] == 3.0


def test_a_window_of_events_has_the_last_ones_and_no_more() -> None:
    out, _ = by_kernel(events_of([0] * 9, [float(i) for i in range(9)], [1.0] * 9, [0] * 9))
    last_three = 1 + 3 * 6
    assert out[-1, last_three : last_three + 3].tolist() == [3.0, 5.0 + 6.0 + 7.0, 6.0]


def test_a_late_event_is_told_of_what_came_before_its_own_time() -> None:
    """A late event that saw the events after it would know what was not known."""
    out, _ = by_kernel(events_of([0, 30 * HOUR, 2 * HOUR], [1.0, 100.0, 1.0], [1.0] * 3, [0] * 3))
    of_a_day = 1 + 6
    assert out[2, of_a_day : of_a_day + 2].tolist() == [1.0, 1.0]
    assert out[2, 0] == 0.0


def test_more_categories_than_are_kept_count_as_many_as_are_kept() -> None:
    n = 3 * ENTRIES
    out, _ = by_kernel(events_of([0] * n, [0.0] * n, [float(i) for i in range(n)], [0] * n))
    assert out[-1, -5] == ENTRIES
    assert np.isfinite(out[1:]).sum() > 0


def test_the_share_of_a_category_follows_a_change() -> None:
    """Counts that are never halved would take a change of habit for an exception for ever."""
    n, m = int(2 * AGED), int(AGED)
    out, _ = by_kernel(events_of([0] * (n + m), [0.0] * (n + m), [1.0] * n + [2.0] * m, [0] * (n + m)))
    assert out[n, -1] == 0.0
    assert out[-1, -1] > 0.6


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-308])
def test_values_of_any_size_say_finite_numbers(value: float) -> None:
    out, _ = by_kernel(events_of([0] * 20, [value, 1.0] * 10, [1.0] * 20, [0] * 20))
    assert np.nanmax(np.abs(out)) <= 20 * LARGEST


def test_a_row_can_be_asked_without_being_changed() -> None:
    events = events_of([0, 10, 20], [1.0, 2.0, 3.0], [1.0, 2.0, 1.0], [0, 0, 0])
    out, rows = by_kernel(events)
    before, asked = rows.copy(), np.empty((1, out.shape[1]))
    say_at(rows, Events(*(column[2:] for column in events)), WINDOWS, asked)
    assert rows.tobytes() == before.tobytes()
    assert asked[0, 1] == 3.0
