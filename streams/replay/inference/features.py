"""Features: what kind each remaining column is, or why no feature is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from tocsin.config.schema import TimePart
from tocsin.streams.replay.inference.leaks import LEAK, SUSPICIOUS, avoided
from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.reading.flat import path_to
from tocsin.streams.replay.inference.reading.past_rows import Shape
from tocsin.streams.replay.inference.roles import Roles
from tocsin.streams.replay.inference.times import habits, is_time_feature, milliseconds_of, parts_of
from tocsin.streams.replay.inference.words import CODE, may_be_secret, words_of

MOST_FEATURES = 1_000
"""More columns than that are left out, so that the config stays one that a person can read."""
_LONGEST_NAME, _LONGEST_CATEGORY = 128, 512
_DISTINCT_SHARE = 0.8
"""Categories of which more than this share differ say nothing of the next event."""
_ENOUGH_ROWS = 50
_FEW = 10
"""Whole numbers of so few different values may be codes."""
_LEAKS = (
    "suspicious, it leaks the label: alone it avoids {:.1%} of the errors of the commonest class. Is it a copy of the "
    "label, or set once the label was known? Add it to `features` only if it is known when the event comes"
)
_COUNTS = (
    "it only grows from row to row, as a counter or a clock does, and no later event has such values. Add it to "
    "`features` if the file is merely sorted by it"
)
_GROWING = 0.1
"""The share of rows in which a counter grows at the least."""
Kind = Literal["number", "category", "boolean", "time"]


class InferredFeature(NamedTuple):
    """One feature of the config to be."""

    name: str
    kind: Kind
    path: str | None
    """Where it stands; None where that follows from the name."""
    required: bool
    note: str
    """What is to be said of it."""
    parts: tuple[TimePart, ...] = ()
    """Of a time: what the model is to see of it."""


class LeftOutError(Exception):
    """No feature can be made of a column; the text says why."""


def find_features(
    profiles: Mapping[str, Profile], roles: Roles, columns: Mapping[str, Sequence[Any]], labels: Sequence[str | None]
) -> list[InferredFeature]:
    """The features among the columns without a role; `roles.left_out` is told of the others.

    `columns` holds the values by column, and `labels` the class of each row. Counters, and columns that leak the label,
    are kept where nothing else is there to tell it by.
    """
    of_events = None if roles.time is None else milliseconds_of(columns[roles.time])
    found: list[InferredFeature] = [] if of_events is None else _own_time(profiles, roles, of_events, labels)
    doubtful: dict[str, InferredFeature] = {}
    for name, profile in profiles.items():
        if name in roles.taken or name in roles.left_out:
            continue
        try:
            if len(found) >= MOST_FEATURES:
                raise LeftOutError(f"there are {MOST_FEATURES:,} features before it")
            if is_time_feature(profile):
                feature, doubt = _time_feature(profile, columns[name], labels, of_events)
            else:
                feature, doubt = _feature(profile, columns[name], labels)
        except LeftOutError as why:
            roles.left_out[name] = str(why)
            continue
        if doubt:
            doubtful[name], roles.left_out[name] = feature, doubt
        else:
            found.append(feature)
    if not found and roles.text is None:
        found = list(doubtful.values())
        for name in doubtful:
            del roles.left_out[name]
    return _with_names_of_their_own(found, roles)


def _feature(profile: Profile, column: Sequence[Any], labels: Sequence[str | None]) -> tuple[InferredFeature, str]:
    """The feature that a column is, and why it had better be left out; empty where nothing speaks against it.

    Raises LeftOutError where no feature can be made of it.
    """
    kind = _kind(profile)
    name, path = _place(profile.name, profile.shape)
    values = _values(profile, kind, column)
    share, counts = avoided(values, labels) or 0.0, kind == "number" and _only_grows(values)
    notes = [_described(profile, kind)]
    if share >= SUSPICIOUS:
        notes.append(f"SUSPICIOUS: alone it avoids {share:.1%} of the errors of the commonest class")
    if counts:
        notes.append("it only grows from row to row")
    required = not (profile.shape == "json" and profile.absent)
    doubt = _LEAKS.format(share) if share >= LEAK else _COUNTS if counts else ""
    return InferredFeature(name, kind, path, required, ", ".join(filter(None, notes))), doubt


def _time_feature(
    profile: Profile, column: Sequence[Any], labels: Sequence[str | None], of_events: Sequence[int | None] | None
) -> tuple[InferredFeature, str]:
    """As `_feature`, for a column of times besides the event's own, which are `of_events`."""
    if may_be_secret(profile.name):
        raise LeftOutError("by its name it may be a secret")
    values = milliseconds_of(column)
    told = "dates of several forms" if values is None else parts_of(values, of_events)
    if values is None or isinstance(told, str):
        raise LeftOutError(str(told))
    share = avoided(values, labels) or 0.0
    suspicious = f", SUSPICIOUS: alone it avoids {share:.1%} of the errors of the commonest class"
    note = told.note + (suspicious if share >= SUSPICIOUS else "")
    name, path = _place(profile.name, profile.shape)
    required = not (profile.shape == "json" and profile.absent)
    doubt = _LEAKS.format(share) if share >= LEAK else ""
    return InferredFeature(name, "time", path, required, note, told.parts), doubt


def _own_time(
    profiles: Mapping[str, Profile], roles: Roles, of_events: Sequence[int | None], labels: Sequence[str | None]
) -> list[InferredFeature]:
    """The event's own time as a feature, where the classes differ by its hour or its weekday."""
    parts = habits(of_events, labels)
    if not parts or roles.time is None:
        return []
    name, path = _place(roles.time, profiles[roles.time].shape)
    if profiles[roles.time].shape == "table":
        path = "time"  # where a replay puts it, as `schema.time` says
    note = f"the event's own time: the classes differ by its {' and its '.join(parts)} (in UTC; `zone` says where)"
    return [InferredFeature(name, "time", path or roles.time, False, note, parts)]


def _only_grows(numbers: Sequence[float | None]) -> bool:
    """Whether numbers are those of a counter or a clock: none is less than the one before, and many are greater."""
    known = [number for number in numbers if number is not None]
    if len(known) < _ENOUGH_ROWS:
        return False
    steps = [after - before for before, after in pairwise(known)]
    return min(steps) >= 0 and sum(step > 0 for step in steps) >= _GROWING * len(steps)


def _kind(profile: Profile) -> Kind:
    """The kind of a feature. Raises LeftOutError."""
    _refuse_unfit(profile)
    if profile.is_boolean:
        return "boolean"
    asked = profile.present - profile.said_missing
    if profile.number_share == 1.0 and asked and not profile.is_code:
        named_as_code = profile.is_whole and bool(CODE & set(words_of(profile.name)))
        if not named_as_code or profile.types - {str, int}:
            return "number"
    _refuse_no_category(profile)
    return "category"


def _refuse_unfit(profile: Profile) -> None:
    """Raise LeftOutError for what is no feature of any kind."""
    if may_be_secret(profile.name):
        raise LeftOutError("by its name it may be a secret")
    if profile.nested:
        raise LeftOutError("it holds lists or objects: name one of their places, as `items.0.price`, for a feature")
    if not profile.present or profile.present == profile.said_missing:
        raise LeftOutError("it holds no value")
    if profile.distinct == 1 and not profile.missing:
        raise LeftOutError("constant: every row has the same value")
    if profile.looks_like_dates:
        raise LeftOutError("dates of a form of their own: Tocsin reads ISO 8601 and epoch numbers")
    if profile.has_decimal_commas:
        raise LeftOutError("numbers with a comma before the fraction: write a point there")


def _refuse_no_category(profile: Profile) -> None:
    """Raise LeftOutError where a column that holds no numbers holds no categories, either."""
    fractions = not profile.types <= {str, int, bool} and not profile.is_whole
    if 0.5 <= profile.number_share < 1.0 and (fractions or profile.distinct > _ENOUGH_ROWS):
        raise LeftOutError(
            f"mixed: {profile.number_share:.1%} of its values are numbers, the others are none. Have one kind sent"
        )
    if float in profile.types and profile.is_code:
        raise LeftOutError("whole numbers so large that JSON's readers round them: send them as texts")
    if fractions:
        raise LeftOutError("mixed: fractions among texts, which are neither numbers nor categories")
    if profile.longest > _LONGEST_CATEGORY:
        raise LeftOutError(f"it has values of {profile.longest:,} characters, and a category has {_LONGEST_CATEGORY}")
    if profile.present >= _ENOUGH_ROWS and profile.distinct > _DISTINCT_SHARE * profile.present:
        raise LeftOutError(f"nearly an id: {profile.distinct:,} different values in {profile.present:,} rows")


def _values(profile: Profile, kind: Kind, column: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as its feature will have them."""
    if kind != "number":
        return column
    numbers = profile.numbers
    return [numbers.get((type(value), value)) for value in column]


def _described(profile: Profile, kind: Kind) -> str:
    gone = profile.missing + (profile.said_missing if kind != "category" else 0)
    missing = f"{gone / profile.rows:.1%} missing" if gone else ""
    if kind == "boolean":
        return missing
    if kind == "category":
        return ", ".join(filter(None, (f"{profile.distinct:,} different values", missing)))
    numbers = profile.numbers.values()
    span = f"from {min(numbers):g} to {max(numbers):g}"
    codes = ""
    if profile.is_whole and 2 < len(profile.numbers) <= _FEW:
        codes = f"{len(profile.numbers)} whole numbers (if these are codes: kind: category)"
    return ", ".join(filter(None, (span, missing, codes)))


def _place(name: str, shape: Shape) -> tuple[str, str | None]:
    """The feature's name, and its path where that does not follow. Raises LeftOutError."""
    if shape == "json":
        inner = name.removeprefix("features.")
        if inner != name and "." not in inner and "\\" not in inner and len(inner) <= _LONGEST_NAME:
            return inner, None
        return name[-_LONGEST_NAME:], name
    if len(name) <= _LONGEST_NAME:
        return name, None
    path = path_to([name])
    if path is None:
        raise LeftOutError("its name is too long")
    return name[:_LONGEST_NAME], path


def _with_names_of_their_own(found: Sequence[InferredFeature], roles: Roles) -> list[InferredFeature]:
    """The features of which none has the name of one before it."""
    kept: dict[str, InferredFeature] = {}
    for feature in found:
        if feature.name in kept:
            roles.left_out[feature.path or feature.name] = f"another feature is called {feature.name}"
        else:
            kept[feature.name] = feature
    return list(kept.values())
