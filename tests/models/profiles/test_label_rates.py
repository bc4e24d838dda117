"""Rates of labels: none is seen before it is known, and nothing but the order of the feedback matters."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.inputs.profiles import ProfileSettings
from tocsin.models.profiles.label_rates import LATEST, LabelRates

SETTINGS = (
    ProfileSettings(key="shop", windows=("1d", "7d"), rate=("fraud", "error")),
    ProfileSettings(key="card", windows=("10 events",), rate=("fraud",)),
)
DAY = 86_400_000


def feedback(n: int = 300) -> tuple[dict[str, list[str | None]], np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    strings: dict[str, list[str | None]] = {
        "shop": [f"s{s}" for s in rng.integers(0, 4, n)],
        "card": [None if c == 0 else f"c{c}" for c in rng.integers(0, 30, n)],
    }
    times = np.sort(rng.integers(0, 20 * DAY, n)) + rng.integers(-DAY, DAY, n)
    return strings, times, [("ok", "fraud", "error")[y] for y in rng.choice(3, n, p=(0.8, 0.1, 0.1))]


def learn(rates: LabelRates, rows: slice) -> None:
    strings, times, labels = feedback()
    rates.learn({name: values[rows] for name, values in strings.items()}, times[rows], labels[rows])


def said(rates: LabelRates) -> np.ndarray:
    return rates.say({"shop": ["s1", "s9", None], "card": ["c1", "c2", "c3"]}, 3)


@pytest.mark.parametrize("most", [2, 1_000])
def test_bits_do_not_depend_on_how_feedback_is_cut(most: int) -> None:
    whole, cut = LabelRates(SETTINGS, most), LabelRates(SETTINGS, most)
    learn(whole, slice(0, 300))
    for start in range(0, 300, 11):
        learn(cut, slice(start, start + 11))
    assert said(cut).tobytes() == said(whole).tobytes()
    assert {n: a.tobytes() for n, a in cut.state_dict().items()} == {
        n: a.tobytes() for n, a in whole.state_dict().items()
    }


def test_rates_that_are_restored_go_on_with_the_same_bits() -> None:
    whole, first, second = (LabelRates(SETTINGS, 5) for _ in range(3))
    learn(whole, slice(0, 300))
    learn(first, slice(0, 100))
    second.load_state_dict(first.state_dict())
    learn(second, slice(100, 300))
    assert said(second).tobytes() == said(whole).tobytes()


def test_asking_changes_nothing_and_no_label_is_seen_before_it_is_learnt() -> None:
    """A rate that saw the labels to come would be right in a replay and wrong in service."""
    rates, other = LabelRates(SETTINGS, 10), LabelRates(SETTINGS, 10)
    assert np.isnan(said(rates)).all()
    learn(rates, slice(0, 50))
    learn(other, slice(0, 50))
    before = said(rates)
    said(rates)
    learn(other, slice(50, 300))
    assert said(rates).tobytes() == before.tobytes()
    assert said(other).tobytes() != before.tobytes()


def test_windows_end_where_the_labels_do_however_late_they_come() -> None:
    """A window that ended now would be empty where labels are later than it is long."""
    rates = LabelRates([ProfileSettings(key="shop", windows=("1d",), rate=("fraud",))], 10)
    old, new = [-3 * DAY] * 4, [0, 0]
    rates.learn({"shop": ["a"] * 4 + ["a", "b"]}, np.array(old + new), ["fraud"] * 4 + ["ok", "ok"])
    usual = 4 / 6
    assert rates.say({"shop": ["a", "b", "c"]}, 3)[:, 0].tolist() == [usual / 2, usual / 2, usual]


def test_one_event_of_a_wrong_time_moves_no_window() -> None:
    times = feedback()[1]
    rates, other = LabelRates(SETTINGS, 100), LabelRates(SETTINGS, 100)
    learn(rates, slice(0, 300))
    learn(other, slice(0, 300))
    for one, time in ((rates, 10**14), (other, int(times[-1]))):
        one.learn({"shop": ["elsewhere"], "card": [None]}, np.array([time]), ["ok"])
    assert said(rates).tobytes() == said(other).tobytes()
    assert LATEST > 2


def test_a_label_has_one_name_whatever_the_config_calls_it() -> None:
    rates = LabelRates([ProfileSettings(key="shop", windows=("1d",), rate=(True,))], 10)
    rates.learn({"shop": ["a", "a"]}, np.array([0, 0]), ["1", "0"])
    assert rates.say({"shop": ["a"]}, 1)[0, 0] == pytest.approx((1 + 0.5) / 3)
