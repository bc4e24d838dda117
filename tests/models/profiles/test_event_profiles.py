"""Profiles of events: what columns they make, and that nothing but the order of events matters."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.inputs.profiles import ProfileSettings
from tocsin.models.profiles.event_profiles import EventProfiles, ProfiledEvents

KINDS = {"amount": "number", "kind": "category", "age": "number"}
SETTINGS = (
    ProfileSettings(key="card", windows=("1h", "100 events"), of=("amount",), distinct=("shop",), share=("kind",)),
    ProfileSettings(key="shop", windows=("1d",), say=("count", "sum", "since_last")),
)
HOUR = 3_600_000


def stream(n: int = 400, cards: int = 20) -> ProfiledEvents:
    rng = np.random.default_rng(1)
    strings = {
        "card": [None if c == 0 else f"c{c}" for c in rng.integers(0, cards, n)],
        "shop": [f"s{s}" for s in rng.integers(0, 5, n)],
        "kind": [("red", "blue", None)[k] for k in rng.integers(0, 3, n)],
    }
    times = np.sort(rng.integers(0, 48 * HOUR, n)) + rng.integers(-HOUR, HOUR, n)
    return ProfiledEvents(strings, times, rng.normal(size=(n, 3)))


def rows_of(events: ProfiledEvents, rows: slice) -> ProfiledEvents:
    strings = {name: values[rows] for name, values in events.strings.items()}
    return ProfiledEvents(strings, events.times[rows], events.numbers[rows])


def kept(profiles: EventProfiles) -> list[dict[str, bytes]]:
    return [{key: known.rows[row].tobytes() for key, row in known.places.items()} for known in profiles.rows]


def test_the_columns_have_the_names_that_the_config_says() -> None:
    names = [name for one in SETTINGS for name in one.own_columns(KINDS)]
    profiles = EventProfiles(SETTINGS, KINDS, 100)
    events = ProfiledEvents(
        {"card": ["a"] * 3, "shop": ["x", "y", "x"], "kind": ["red", "blue", "red"]},
        np.array([0, 60_000, 120_000]),
        np.array([[4.0, 0.0, 1.0], [6.0, 0.0, 1.0], [10.0, 0.0, 1.0]]),
    )
    said = dict(zip(names, profiles.say_and_add(events)[2].tolist(), strict=True))
    assert profiles.width == len(names)
    assert said["count of card over 1h"] == said["count of card over 100 events"] == 2.0
    assert said["mean of amount of card over 1h"] == 5.0
    assert said["max of amount of card over 1h"] == 6.0
    assert said["std of amount of card over 1h"] == 1.0
    assert said["ratio of amount of card over 1h"] == 2.0
    assert said["distinct shop of card over 1h"] == 2.0
    assert said["share of kind of card"] == 0.5
    assert said["seconds since last of card"] == 60.0
    assert said["seconds since last of shop"] == 120.0
    assert said["sum of amount of shop over 1d"] == 4.0
    assert said["sum of age of shop over 1d"] == 1.0


@pytest.mark.parametrize("most", [3, 1_000])
def test_bits_do_not_depend_on_how_events_are_cut(most: int) -> None:
    events = stream()
    whole, cut = EventProfiles(SETTINGS, KINDS, most), EventProfiles(SETTINGS, KINDS, most)
    said = whole.say_and_add(events)
    pieces = [cut.say_and_add(rows_of(events, slice(i, i + 7))) for i in range(0, len(said), 7)]
    assert np.concatenate(pieces).tobytes() == said.tobytes()
    assert kept(cut) == kept(whole)


def test_no_more_keys_are_kept_than_may_be_and_those_are_the_last() -> None:
    events = stream()
    profiles = EventProfiles(SETTINGS, KINDS, 3)
    profiles.say_and_add(events)
    last = list(dict.fromkeys(key for key in events.strings["card"][::-1] if key is not None))[:3]
    assert list(profiles.rows[0].places) == last[::-1]
    assert len(profiles.rows[0].rows) == 3


def test_a_forgotten_key_begins_anew() -> None:
    profiles = EventProfiles([ProfileSettings(key="card", windows=("1d",))], {}, 1)
    said = profiles.say_and_add(ProfiledEvents({"card": ["a", "a", "b", "a"]}, np.zeros(4, np.int64), np.zeros((4, 0))))
    assert said[:, 1].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_profiles_that_are_restored_go_on_with_the_same_bits() -> None:
    events = stream()
    whole, first, second = (EventProfiles(SETTINGS, KINDS, 5) for _ in range(3))
    said = whole.say_and_add(events)
    first.say_and_add(rows_of(events, slice(0, 150)))
    for known, other in zip(first.rows, second.rows, strict=True):
        other.restore(list(zip(known.names, known.rows.copy(), strict=False)))
    assert second.say_and_add(rows_of(events, slice(150, 400))).tobytes() == said[150:].tobytes()
    assert kept(second) == kept(whole)


def test_an_unknown_key_says_nothing_and_leaves_nothing() -> None:
    profiles = EventProfiles([ProfileSettings(key="card")], {}, 10)
    nobody = ProfiledEvents({"card": [None]}, np.zeros(1, np.int64), np.zeros((1, 0)))
    assert np.isnan(profiles.say_and_add(nobody)).all()
    assert not profiles.rows[0].places


def test_a_value_that_is_forgotten_leaves_the_rows_of_all_others_as_they_were() -> None:
    profiles = EventProfiles(SETTINGS, KINDS, 100)
    profiles.say_and_add(stream())
    before = kept(profiles)
    for card in ("c3", "c19", "c1", "nobody"):
        gone = profiles.rows[0].forget(card)
        assert (gone is None) == (card == "nobody")
        before[0].pop(card, None)
        assert kept(profiles) == before
        rows = profiles.rows[0]
        assert [rows.names[row] for row in rows.places.values()] == list(rows.places)
        assert not rows.rows[len(rows.names) :].any()
    again = profiles.say_and_add(rows_of(stream(), slice(0, 50)))
    assert np.isfinite(again).any()
