"""Profiles: what a subject or any other key of events did before, as features of its next event."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from tocsin.config.base import ClassName, DotPath, FrozenSettings

SUBJECT = "subject"
"""The key that every event has."""
BUCKETS = 8
"""A window is cut in so many buckets, and forgets a bucket at once: of its length it covers seven eighths to all."""
MOST_DISTINCT = 32
"""Different categories that are remembered of one key. A count of them stands still there."""
MOST_COLUMNS = 1_000
"""Columns that all profiles of a config may add."""
_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WINDOW = re.compile(r"([1-9]\d{0,8}) ?(s|m|h|d|events?)")
_LONGEST = 3_660 * _MILLISECONDS["d"]

Said = Literal["count", "sum", "mean", "max", "std", "ratio", "since_last"]
OF_NUMBERS: tuple[Said, ...] = ("sum", "mean", "max", "std", "ratio")
"""What is said of each number of `of`, in the order of their columns."""


class Window(NamedTuple):
    """How far back a profile looks."""

    by_events: bool
    """Whether it counts events of the key; else milliseconds."""
    length: int
    name: str
    """As it is written in names of columns."""

    @property
    def width(self) -> int:
        """Events or milliseconds of one bucket."""
        return -(-self.length // BUCKETS)

    @property
    def reach(self) -> int:
        """In how many buckets it is cut."""
        return -(-self.length // self.width)


def window_of(text: str) -> Window:
    """A window as a config writes it. Raises ValueError.

    >>> window_of("7d"), window_of("100 events").width
    (Window(by_events=False, length=604800000, name='7d'), 13)
    """
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is no window: write a time as 90s, 15m, 1h or 7d, or a number as 100 events")
    count, unit = int(found[1]), found[2]
    if unit.startswith("event"):
        return Window(True, count, f"{count} events")
    length = count * _MILLISECONDS[unit]
    if length > _LONGEST:
        raise ValueError(f"{text!r} is longer than 3660d, the longest window")
    return Window(False, length, f"{count}{unit}")


def _checked(text: str) -> str:
    window_of(text)
    return text


WindowText = Annotated[str, StringConstraints(max_length=64), AfterValidator(_checked)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class ProfileSettings(FrozenSettings):
    """What is remembered of each value of one key, and said of it as columns of its next event."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"path"})

    key: Name
    """What is remembered by: `subject`, a feature that is a category, or any other value of the event (`terminal`)."""
    path: DotPath | None = None
    """Where a key that is neither the subject nor a feature stands in the event: at `features.<key>` without a
    value."""
    windows: tuple[WindowText, ...] = Field(default=("1h", "1d", "7d"), max_length=8)
    """How far back it looks: `90s`, `15m`, `1h`, `7d`, or `100 events`."""
    of: tuple[Name, ...] | None = Field(default=None, max_length=64)
    """The features, which are numbers, that are added up. Without a value all features that are numbers."""
    say: tuple[Said, ...] = ("count", "mean", "max", "std", "ratio", "since_last")
    """What is said for each window: how many events the key had (`count`), and of each number its `sum`, `mean`,
    `max`, standard deviation (`std`), and the event's own value over the mean (`ratio`). `since_last` is once: the
    seconds since the key's last event. The event itself is never among what is said of it."""
    distinct: tuple[Name, ...] = Field(default=(), max_length=8)
    """Categories or other keys of which it is said how many different ones came with the key in each window, up to
    32."""
    share: tuple[Name, ...] = Field(default=(), max_length=8)
    """Categories or other keys of which it is said in which share of the key's events the one of this event came."""
    rate: tuple[ClassName, ...] = Field(default=(), max_length=16)
    """Classes of which it is said for each window how large their share was among the key's events whose labels were
    known."""

    @field_validator("windows", "of", "say", "distinct", "share", "rate")
    @classmethod
    def _each_once(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if twice := sorted({value for value in values or () if (values or ()).count(value) > 1}):
            raise ValueError(f"{twice[0]!r} is named twice")
        return values

    @property
    def spans(self) -> tuple[Window, ...]:
        """The windows, read."""
        return tuple(window_of(text) for text in self.windows)

    @property
    def coded(self) -> tuple[str, ...]:
        """The categories that are remembered with a key, in their order."""
        return tuple(dict.fromkeys((*self.distinct, *self.share)))

    def numbers(self, kinds: Mapping[str, str]) -> tuple[str, ...]:
        """The numbers that are added up, where features have these kinds."""
        return tuple(name for name, kind in kinds.items() if kind == "number") if self.of is None else self.of

    def own_columns(self, kinds: Mapping[str, str]) -> list[str]:
        """The names of the columns that events themselves make, in their order."""
        numbers, spans = self.numbers(kinds), self.spans
        names = [f"seconds since last of {self.key}"] if "since_last" in self.say else []
        for window in spans:
            names += [f"count of {self.key} over {window.name}"] if "count" in self.say else []
            names += [
                f"{said} of {number} of {self.key} over {window.name}"
                for number in numbers
                for said in OF_NUMBERS
                if said in self.say
            ]
        names += [f"distinct {c} of {self.key} over {window.name}" for c in self.distinct for window in spans]
        return [*names, *(f"share of {c} of {self.key}" for c in self.share)]

    def label_columns(self) -> list[str]:
        """The names of the columns that labels make, in their order."""
        return [f"rate of {name} of {self.key} over {window.name}" for name in self.rate for window in self.spans]


def profile_columns(profiles: Sequence[ProfileSettings], kinds: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The columns of all profiles that events make, and those that labels make; they stand in this order."""
    own = [name for profile in profiles for name in profile.own_columns(kinds)]
    return own, [name for profile in profiles for name in profile.label_columns()]


def hidden_keys(profiles: Sequence[ProfileSettings], kinds: Mapping[str, str]) -> dict[str, str | None]:
    """The keys that are neither the subject nor a feature, each with its path."""
    named = {profile.key: profile.path for profile in profiles}
    return {key: path for key, path in named.items() if key != SUBJECT and key not in kinds}


def profiles_mistake(profiles: Sequence[ProfileSettings], kinds: Mapping[str, str]) -> str | None:
    """What is wrong with profiles of events whose features have these kinds; None where they are right."""
    keys = [profile.key for profile in profiles]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        return f"two profiles have the key {twice[0]!r}: put all that is said of it into one"
    known = {SUBJECT, *kinds, *keys}
    for profile in profiles:
        if mistake := _mistake_of(profile, kinds, known):
            return f"the profile of {profile.key!r}: {mistake}"
    own, of_labels = profile_columns(profiles, kinds)
    columns = [*own, *of_labels]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        return f"two of their columns are named {twice[0]!r}: give a key or a feature another name"
    if taken := sorted(set(columns) & {*kinds, *keys}):
        return f"{taken[0]!r} is the name of a profile's column: give the feature another name"
    if long := [name for name in columns if len(name) > 128]:
        return f"the column {long[0]!r} has a name of more than 128 characters: give its key or feature a shorter one"
    if len(columns) > MOST_COLUMNS:
        return f"profiles add {len(columns):,} columns, and {MOST_COLUMNS:,} are the most: name the numbers in `of`"
    return None


def _mistake_of(profile: ProfileSettings, kinds: Mapping[str, str], known: set[str]) -> str | None:
    if kinds.get(profile.key, "category") != "category":
        return f"the feature is a {kinds[profile.key]}, and a key is a category: give it `kind: category`"
    if profile.path is not None and (profile.key == SUBJECT or profile.key in kinds):
        return "its path is known already, because it is the subject or a feature: leave `path` out"
    for number in profile.of or ():
        if kinds.get(number) != "number":
            return f"of: {number!r} is no feature of `kind: number`; a profile adds up numbers"
    for category in profile.coded:
        if category not in known or kinds.get(category, "category") != "category":
            return f"{category!r} is neither a feature of `kind: category` nor the key of a profile"
    if not profile.windows:
        return "windows: name at least one, such as 1d"
    if not profile.own_columns(kinds) and not profile.rate:
        return "it says nothing: name something in `say`, `distinct`, `share` or `rate`"
    return None
