"""Roles: which columns are the id, the subject, the time and the text of an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.times import in_order
from tocsin.streams.replay.inference.words import (
    LATER,
    TEXT,
    TIME,
    is_id,
    is_subject,
    may_be_secret,
    words_of,
)

_ENOUGH_ROWS = 50
"""Below so many rows, that all values differ says little."""
_LEAST_SUBJECTS = 3
_POSTS = 1.2
"""A subject has so many events on average, at the least."""
_LONGEST_NAME = 512
"""`bounds.string_length`: characters of an id or a subject."""


@dataclass
class Roles:
    """The columns that are no features, by what they are; and of those that might have been, why they are not."""

    label: str | None
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    text: str | None = None
    label_time: str | None = None
    """When the label became known."""
    left_out: dict[str, str] = field(default_factory=dict)
    other_times: set[str] = field(default_factory=set)
    """Times of which none is the event's own."""

    @property
    def taken(self) -> frozenset[str]:
        """The columns that have a role."""
        every = (self.label, self.id, self.subject, self.time, self.text, self.label_time)
        return frozenset(one for one in every if one is not None)


def find_roles(profiles: Mapping[str, Profile], columns: Mapping[str, Sequence[Any]], label: str | None) -> Roles:
    """The roles of the columns besides the label, and those columns that are ruled out on the way.

    `columns` holds the values by column.
    """
    roles = Roles(label)
    rest = {name: p for name, p in profiles.items() if name != label and not may_be_secret(name)}
    roles.time = _time(rest, columns, roles)
    roles.id = _id(_without(rest, roles), roles)
    roles.subject = _subject(_without(rest, roles))
    roles.text = _text(_without(rest, roles), roles)
    return roles


def _without(profiles: Mapping[str, Profile], roles: Roles) -> dict[str, Profile]:
    ruled_out = roles.taken | roles.left_out.keys() | roles.other_times
    return {name: p for name, p in profiles.items() if name not in ruled_out}


def _time(profiles: Mapping[str, Profile], columns: Mapping[str, Sequence[Any]], roles: Roles) -> str | None:
    """The event's own time: of several the one that a name says, else one in whose order the rows stand, else the
    earliest."""
    found: list[tuple[bool, bool, bool, float, str]] = []
    for name, profile in profiles.items():
        words = set(words_of(name))
        times = profile.times
        if times is None or profile.nested or not (profile.is_text or words & TIME or profile.looks_like_dates):
            continue
        if not profile.is_complete and profile.shape == "table":
            roles.other_times.add(name)  # the event's time is one that all have
            continue
        unordered = not in_order(columns[name])
        found.append((bool(words & LATER), not profile.is_complete, unordered, sorted(times)[len(times) // 2], name))
    if not found:
        return None
    chosen = min(found)[-1]
    roles.other_times |= {name for *_, name in found if name != chosen}
    return chosen


def _id(profiles: Mapping[str, Profile], roles: Roles) -> str | None:
    """What tells all rows apart and can be an id; of several the one whose name is shortest in words."""
    found = []
    for name, profile in profiles.items():
        if not _can_name(profile) or not profile.is_complete or profile.distinct < profile.rows:
            continue
        if is_id(name) or (profile.rows >= _ENOUGH_ROWS and profile.is_text and _is_token(profile)):
            found.append((not is_id(name), is_subject(name), len(words_of(name)), name))
    if not found:
        return None
    chosen = min(found)[-1]
    for *_, name in found:
        if name != chosen:
            roles.left_out[name] = f"an id: every row has another value (the event's id is {chosen})"
    return chosen


def _subject(profiles: Mapping[str, Profile]) -> str | None:
    """Who the events are about: a name that says so, and values that come again; of several the one with most."""
    found = []
    for name, profile in profiles.items():
        complete = profile.is_complete or profile.shape == "table"
        if not is_subject(name) or not _can_name(profile) or not complete or profile.distinct < _LEAST_SUBJECTS:
            continue
        if profile.present >= _POSTS * profile.distinct:
            found.append((-profile.distinct, name))
    return min(found)[-1] if found else None


def _text(profiles: Mapping[str, Profile], roles: Roles) -> str | None:
    """What people wrote: of several the longest."""
    found = [(profile.length, name) for name, profile in profiles.items() if is_written(profile)]
    if not found:
        return None
    chosen = max(found)[-1]
    for _, name in found:
        if name != chosen:
            roles.left_out[name] = f"a second text: an event has one, which is {chosen}. Join the two, to have both"
    return chosen


def is_written(profile: Profile) -> bool:
    """Whether a column holds sentences rather than categories: of several words, and seldom twice the same."""
    if not profile.is_text or profile.times is not None:
        return False
    share = profile.distinct / max(profile.present, 1)
    if TEXT & set(words_of(profile.name)):
        return profile.words >= 2 and (share >= 0.3 or profile.distinct > 1_000)
    return profile.words >= 4 and profile.length >= 20 and share >= 0.3


def _can_name(profile: Profile) -> bool:
    """Whether its values can be ids or subjects: texts or whole numbers; JSON takes no fractions there."""
    if profile.nested or profile.longest > _LONGEST_NAME or profile.looks_like_dates:
        return False
    if profile.types == {str}:
        return not (profile.numbers and not profile.is_whole)
    return (
        profile.types <= {str, int}
        if profile.shape == "json"
        else profile.types <= {str, int, float} and profile.is_whole
    )


def _is_token(profile: Profile) -> bool:
    """Whether its values are single words and no numbers, such as UUIDs."""
    return profile.words <= 1 and profile.number_share < 0.5 and profile.longest <= _LONGEST_NAME
