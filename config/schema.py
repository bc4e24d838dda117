"""How a user's own JSON maps to events and labels: dot paths, so that no producer has to change."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tocsin.config.base import DotPath, FrozenSettings
from tocsin.config.inputs.profiles import ProfileSettings, hidden_keys, profile_columns, profiles_mistake

Path = DotPath
TimeUnit = Literal["auto", "seconds", "milliseconds", "microseconds", "nanoseconds"]
Keys = tuple[str, ...]
"""A dot path, taken apart."""


@lru_cache(maxsize=16_384)  # past events ask for the same few with every event
def keys_of(path: str) -> Keys:
    r"""The keys that a dot path consists of.

    >>> keys_of("account.id"), keys_of(r"user\.name.first")
    (('account', 'id'), ('user.name', 'first'))
    """
    return tuple(re.sub(r"\\(.)", r"\1", key, flags=re.DOTALL) for key in re.findall(r"(?:\\.|[^.])+", path, re.DOTALL))


class FeatureSettings(FrozenSettings):
    """One feature of an event, which is one column of X."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"path", "required"})

    name: str = Field(min_length=1, max_length=128)
    kind: Literal["number", "category", "boolean"] = "number"
    path: Path | None = None
    """Where the feature stands in the event: at `features.<name>` without a value."""
    required: bool = True
    """Whether every event must have the key. Its value may be null, which means not known."""

    @property
    def keys(self) -> Keys:
        """The keys that lead to the value."""
        return keys_of(self.path) if self.path else ("features", self.name)


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
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two features are named {twice[0]!r}")
        if mistake := profiles_mistake(self.profiles, self.kinds):
            raise ValueError(f"profiles: {mistake}")
        return self

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
