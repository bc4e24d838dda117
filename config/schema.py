"""How a user's own JSON maps to events and labels: dot paths, so that no producer has to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tocsin.config.base import DotPath, FrozenSettings
from tocsin.config.inputs.profiles import ProfileSettings, hidden_keys, profile_columns, profiles_mistake

Path = DotPath
TimeUnit = Literal["auto", "seconds", "milliseconds", "microseconds", "nanoseconds"]
TimePart = Literal["hour", "weekday", "day-of-month", "day-of-year", "age", "days"]
Keys = tuple[str, ...]
"""A dot path, taken apart."""
_OF_TIMES = ("unit", "zone", "parts")
"""The settings of a feature that only times have."""


@lru_cache(maxsize=16_384)  # past events ask for the same few with every event
def keys_of(path: str) -> Keys:
    r"""The keys that a dot path consists of.

    >>> keys_of("account.id"), keys_of(r"user\.name.first")
    (('account', 'id'), ('user.name', 'first'))
    """
    return tuple(re.sub(r"\\(.)", r"\1", key, flags=re.DOTALL) for key in re.findall(r"(?:\\.|[^.])+", path, re.DOTALL))


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no zone, a folder of zones, or a path that leads elsewhere
        near = get_close_matches(name, sorted(available_timezones()), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name!r} is no time zone such as UTC or Europe/Berlin{hint}") from None
    return name


class FeatureColumn(NamedTuple):
    """One column of X."""

    name: str
    """By which explanations and rules know it."""
    is_category: bool


_COLUMNS_OF_PARTS: dict[TimePart, tuple[FeatureColumn, ...]] = {
    "hour": (
        FeatureColumn("hour of day of {}", False),
        FeatureColumn("sine of hour of day of {}", False),
        FeatureColumn("cosine of hour of day of {}", False),
    ),
    "weekday": (FeatureColumn("weekday of {}", True),),
    "day-of-month": (FeatureColumn("day of month of {}", False),),
    "day-of-year": (
        FeatureColumn("day of year of {}", False),
        FeatureColumn("sine of day of year of {}", False),
        FeatureColumn("cosine of day of year of {}", False),
    ),
    "age": (FeatureColumn("days since {}", False),),
    "days": (FeatureColumn("days from 1970 to {}", False),),
}
"""The columns that each part of a time becomes, with the feature's name left open."""


class FeatureSettings(FrozenSettings):
    """One feature of an event, which is one column of X, or several where it is a time."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"path", "required", "unit"})

    name: str = Field(min_length=1, max_length=128)
    kind: Literal["number", "category", "boolean", "time"] = "number"
    path: Path | None = None
    """Where the feature stands in the event: at `features.<name>` without a value."""
    required: bool = True
    """Whether every event must have the key. Its value may be null, which means not known."""
    unit: TimeUnit = "auto"
    """Of a time: what its numbers count since 1970. `auto` finds it by their size, as `schema.time_unit` does, and
    refuses numbers from -10 ** 8 to 10 ** 8, because nothing tells their unit. A time may also be ISO 8601: a date, or
    a date and a time of day, with an offset or without."""
    zone: Annotated[str, AfterValidator(_known_zone), Field(max_length=64)] = "UTC"
    """Of a time: the time zone whose clock and calendar its hour and its day are told by, such as `Europe/Berlin`. A
    date or time without an offset is taken for one of this zone."""
    parts: tuple[TimePart, ...] = Field(default=("hour", "weekday", "age"), min_length=1)
    """Of a time: what the model sees of it. `hour`: the hour of the day, as a number with a fraction, and as sine and
    cosine, in which midnight is near to 23:59. `weekday`: a category, Monday to Sunday. `day-of-month`: 1 to 31.
    `day-of-year`: 1 to 366, and its sine and cosine. `age`: the days from it to the event's own time. `days`: the days
    from 1970 to it; no later event has such values again, so take it only where that means something."""

    @property
    def keys(self) -> Keys:
        """The keys that lead to the value."""
        return keys_of(self.path) if self.path else ("features", self.name)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of X that it becomes, at least one."""
        if self.kind != "time":
            return (FeatureColumn(self.name, self.kind == "category"),)
        return tuple(
            FeatureColumn(column.name.format(self.name), column.is_category)
            for part in self.parts
            for column in _COLUMNS_OF_PARTS[part]
        )

    @model_validator(mode="after")
    def _settings_of_times(self) -> Self:
        fields = type(self).model_fields
        if self.kind != "time":
            for key in _OF_TIMES:
                if getattr(self, key) != fields[key].default:
                    raise ValueError(f"`{key}` is for times only: {self.name!r} is of kind {self.kind}")
        if len(set(self.parts)) != len(self.parts):
            raise ValueError(f"parts: a part of the time {self.name!r} is named twice")
        return self

    @model_serializer(mode="wrap")
    def _without_settings_of_times(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only times have the settings of times, so that the digests of configs without any stay as they were."""
        dumped: dict[str, Any] = dump(self)
        return dumped if self.kind == "time" else {k: v for k, v in dumped.items() if k not in _OF_TIMES}


def most_columns(features: object) -> int:
    """The most columns that features become which nobody has checked yet: settings, or the mappings of a file."""
    if not isinstance(features, Sequence):
        return 0
    kinds = [one.get("kind") if isinstance(one, Mapping) else getattr(one, "kind", None) for one in features]
    of_time = sum(map(len, _COLUMNS_OF_PARTS.values()))
    return len(kinds) + (of_time - 1) * kinds.count("time")


def columns_in(features: Sequence[FeatureSettings]) -> list[FeatureColumn]:
    """The columns of X. Each feature has one at its own place; what else a time becomes stands behind all of them."""
    columns = [feature.columns for feature in features]
    return [own[0] for own in columns] + [column for own in columns for column in own[1:]]


class LabelPathsSettings(FrozenSettings):
    """Where a label's parts stand in the user's JSON."""

    event: Path = "event"
    subject: Path = "subject"
    label: Path = "label"
    time: Path = "time"
    source: Path = "source"
    weight: Path = "weight"


class SchemaSettings(FrozenSettings):
    """Where an event's parts stand in the user's JSON. The defaults are Tocsin's own shape."""

    id: Path = "id"
    """Where the event's id stands. An event without one gets `topic-partition-offset`."""
    subject: Path = "subject"
    time: Path = "time"
    """Where the time stands. An event without one has the time of its Kafka record."""
    time_unit: TimeUnit = "auto"
    """What times that are numbers count since 1970. `auto` finds it for each by its size: numbers below 10 ** 11 are
    seconds (from 10 ** 8 on), those below 10 ** 14 milliseconds, those below 10 ** 17 microseconds, all others
    nanoseconds. That is right for every instant since March 1973; for earlier ones name the unit."""
    features: tuple[FeatureSettings, ...] = Field(default=(), max_length=4_096)
    text: Path | None = None
    """Where the text stands. Without a value events have no text."""
    label: LabelPathsSettings = LabelPathsSettings()
    profiles: tuple[ProfileSettings, ...] = Field(default=(), max_length=16)
    """What subjects and other keys did before, as further columns of their next event: see docs/profiles.md."""

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = Counter(feature.name for feature in self.features)
        if twice := sorted(name for name, times in names.items() if times > 1):
            raise ValueError(f"two features are named {twice[0]!r}")
        columns = Counter(column.name for column in columns_in(self.features))
        if twice := sorted(name for name, times in columns.items() if times > 1):
            raise ValueError(f"{twice[0]!r} is a part of a time: give the feature of that name another one")
        own = next((f for f in self.features if self.is_own_time(f) and f.unit != "auto"), None)
        if own is not None:
            raise ValueError(f"{own.name!r} is the event's own time: say its unit in `schema.time_unit`")
        if mistake := profiles_mistake(self.profiles, self.kinds):
            raise ValueError(f"profiles: {mistake}")
        return self

    def is_own_time(self, feature: FeatureSettings) -> bool:
        """Whether a feature is the event's own time. It is read once, by the rules of `time`."""
        return feature.kind == "time" and feature.keys == keys_of(self.time)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each feature."""
        return {feature.name: feature.kind for feature in self.features}

    @property
    def keys(self) -> tuple[FeatureSettings, ...]:
        """The keys of profiles that are neither the subject nor a feature: they are read, and no model sees them."""
        hidden = hidden_keys(self.profiles, self.kinds)
        return tuple(
            FeatureSettings(name=key, kind="category", path=path, required=False) for key, path in hidden.items()
        )

    @property
    def said(self) -> tuple[FeatureSettings, ...]:
        """What profiles say of an event, as features."""
        own, of_labels = profile_columns(self.profiles, self.kinds)
        return tuple(FeatureSettings(name=name, required=False) for name in (*own, *of_labels))
