"""Event profiles: what the earlier events of a key say, for all profiles of a config and one stream of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tocsin.config.base import short_digest
from tocsin.config.inputs.profiles import OF_NUMBERS, ProfileSettings
from tocsin.kernels.profiles.windows import SAID, Events, Shape, say_and_add
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.profiles.keyed_rows import KeyedRows

FORMAT = 1
"""Raised where rows mean something else than before, so that kept ones are made anew."""
Strings = Mapping[str, Sequence[str | None]]
"""The values [B] of the subject, of keys and of categories, by their names; None for what is not known."""
_code = lru_cache(maxsize=1 << 16)(category_code)


class ProfiledEvents(NamedTuple):
    """B events in their order, as profiles see them."""

    strings: Strings
    times: Ints
    """[B], epoch milliseconds."""
    numbers: Floats
    """[B, F], the features, of which those that are numbers are read."""


def windows_of(profile: ProfileSettings) -> Ints:
    """The windows as kernels read them, int64 [T, 3]."""
    return np.array([(window.by_events, window.width, window.reach) for window in profile.spans], np.int64)


class _Profile:
    """One profile: the rows of its key, and which of the numbers that they say are columns."""

    def __init__(self, settings: ProfileSettings, kinds: Mapping[str, str], most: int) -> None:
        self.key = settings.key
        self.windows = windows_of(settings)
        places = {name: f for f, name in enumerate(kinds)}
        numbers = settings.numbers(kinds) if set(settings.say) & set(OF_NUMBERS) else ()
        self.numbers = np.array([places[name] for name in numbers], np.int64)
        self.coded = settings.coded
        self.shape = Shape(len(self.windows), len(numbers), len(self.coded))
        self.rows = KeyedRows(self.shape.width, most)
        self.picked = np.array(_picked(settings, self.shape), np.int64)

    def say_and_add(self, events: ProfiledEvents) -> Floats:
        B = len(events.times)
        keys = events.strings[self.key]
        place, fresh = self.rows.place(keys)
        values = np.ascontiguousarray(events.numbers[:, self.numbers])
        codes = np.empty((B, len(self.coded)))
        for c, name in enumerate(self.coded):
            codes[:, c] = [np.nan if value is None else _code(value) for value in events.strings[name]]
        out, times = np.empty((B, self.shape.said)), np.ascontiguousarray(events.times)
        rows = self.rows
        say_and_add(rows.rows, Events(place, fresh, times, values, codes), self.windows, rows.touched, out)
        rows.touched += int((place >= 0).sum())
        said: Floats = out[:, self.picked]
        return said


def _picked(settings: ProfileSettings, shape: Shape) -> list[int]:
    """The places of the columns among what rows say, in the order of `ProfileSettings.own_columns`."""
    T, V, say = shape.windows, shape.values, settings.say
    picked = [0] if "since_last" in say else []
    for w in range(T):
        start = 1 + w * (1 + SAID * V)
        picked += [start] if "count" in say else []
        picked += [start + 1 + SAID * v + s for v in range(V) for s, name in enumerate(OF_NUMBERS) if name in say]
    start = 1 + T * (1 + SAID * V)
    coded = {name: start + c * (T + 1) for c, name in enumerate(settings.coded)}
    picked += [coded[name] + w for name in settings.distinct for w in range(T)]
    return picked + [coded[name] + T for name in settings.share]


class EventProfiles:
    """All profiles of one stream of events, a fold over its events in their order.

    >>> profiles = EventProfiles([ProfileSettings(key="card", windows=("2 events",))], {"amount": "number"}, most=10)
    >>> numbers, cards = np.array([[5.0], [7.0], [6.0]]), ["a", "a", "a"]
    >>> said = profiles.say_and_add(ProfiledEvents({"card": cards}, np.array([0, 60_000, 90_000]), numbers))
    >>> said[2].tolist()  # seconds since the last; of two events: count, mean, max, std and ratio of the amount
    [30.0, 2.0, 6.0, 7.0, 1.0, 1.0]
    """

    def __init__(self, settings: Sequence[ProfileSettings], kinds: Mapping[str, str], most: int) -> None:
        """`kinds` are those of the features, in the order of their columns; at most so many values of each key are
        kept."""
        self._profiles = [_Profile(one, kinds, most) for one in settings if one.own_columns(kinds)]
        self.digest = short_digest(
            [FORMAT, most, [one.model_dump(mode="json", exclude={"path"}) for one in settings], dict(kinds)]
        )
        """What names all that rows depend on."""

    @property
    def rows(self) -> list[KeyedRows]:
        """The rows of each profile."""
        return [profile.rows for profile in self._profiles]

    @property
    def keys(self) -> list[str]:
        """The key of each profile."""
        return [profile.key for profile in self._profiles]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return sum(len(profile.picked) for profile in self._profiles)

    def say_and_add(self, events: ProfiledEvents) -> Floats:
        """What is said of each of B events before it is added, float64 [B, `width`].

        NaN stands where nothing is known, and everywhere for a key that is None. How events are cut into calls makes
        no difference.
        """
        said = [profile.say_and_add(events) for profile in self._profiles]
        return np.concatenate(said, axis=1) if said else np.empty((len(events.times), 0))
