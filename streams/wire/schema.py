"""The fields of one config's events and labels: where each stands in the user's JSON, and what may stand there.

The config's `schema` maps any JSON to events and labels by dot paths. `EventSchema` makes a table of fields from it,
and `read_fields` reads such a table from a parsed record, field by field, with an error that names what is wrong. It is
the plain form; `tocsin.streams.wire.compiled` is the fast one, made from the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tocsin.config.schema import FeatureSettings, Keys, keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.times.reading import LATEST
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.dot_paths import walk
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.records import Label
from tocsin.streams.wire.values import (
    BOOLEAN,
    NUMBER,
    Kind,
    Spellings,
    category_kind,
    class_kind,
    name_kind,
    text_kind,
    time_feature_kind,
    time_kind,
    weight_kind,
)


class UnfitError(Exception):
    """A record that cannot be used. Its kind names the dead letter's `exception`, its text says what to mend."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Field(NamedTuple):
    """One field of an event or a label."""

    name: str
    """Tocsin's own name of it, which errors use."""
    keys: Keys
    """Where it stands in the user's JSON."""
    kind: Kind
    required: bool = True
    """Whether its key must be there."""
    nullable: bool = False
    """Whether null may stand there."""


class EventSchema:
    """How the records of one service are read."""

    def __init__(self, settings: Settings) -> None:
        self.bounds = settings.bounds
        self.features = settings.schema_.features
        self.keys = settings.schema_.keys
        """What is read of an event for its profiles alone."""
        self.said = settings.schema_.said
        """What profiles add to an event's features."""
        paths, longest = settings.schema_, settings.bounds.string_length
        named, labelled = name_kind(longest), class_kind(longest, spellings_of(settings))
        times = time_kind(paths.time_unit)
        read = (*self.features, *self.keys)
        self.feature_fields = tuple(None if paths.is_own_time(one) else _feature(one, longest) for one in read)
        """Those of the features, and of the keys of profiles behind them; None for a feature that is the event's own
        time, which is read once."""
        fields = tuple(field for field in self.feature_fields if field is not None)
        self.event_fields = (
            Field("id", keys_of(paths.id), named, required=False, nullable=True),
            Field("subject", keys_of(paths.subject), named),
            Field("time", keys_of(paths.time), times, required=False, nullable=True),
            *fields,
            *self._text(paths.text, needed=not self.features),
        )
        label = paths.label
        self.label_fields = (
            Field("event", keys_of(label.event), named, required=False, nullable=True),
            Field("subject", keys_of(label.subject), named, required=False, nullable=True),
            Field("label", keys_of(label.label), labelled, nullable=True),
            Field("time", keys_of(label.time), times, required=False, nullable=True),
            Field("source", keys_of(label.source), named, required=False, nullable=True),
            Field("weight", keys_of(label.weight), weight_kind(), required=False, nullable=True),
        )
        self._label_text = self._text(paths.text, needed=False)
        self._names = tuple(feature.name for feature in (*self.features, *self.keys))
        self._read = len(fields)

    @property
    def inputs(self) -> tuple[Field, ...]:
        """The fields of an event besides its id, subject and time: its features, the keys of profiles, its text."""
        return self.event_fields[3:]

    def _text(self, path: str | None, needed: bool) -> tuple[Field, ...]:
        if path is None:
            return ()
        kind = text_kind(self.bounds.text_length)
        return (Field("text", keys_of(path), kind, required=needed, nullable=not needed),)

    def columns(self, records: list[Record], values: Sequence[Sequence[Any]]) -> EventColumns:
        """The events of records whose `event_fields` have these canonical values, an id and a time among them."""
        features, text = slice(3, 3 + self._read), 3 + self._read
        with_text = len(self.event_fields) > text
        return EventColumns(
            records=records,
            ids=[one[0] for one in values],
            subjects=[one[1] for one in values],
            times=[one[2] for one in values],
            features=[self.with_own_times(one[features], one[2]) for one in values],
            texts=[one[text] for one in values] if with_text else [None] * len(values),
            names=self._names,
        )

    def with_own_times(self, values: Sequence[Any], time: int) -> Sequence[Any]:
        """The values of all features, from those that have a field of their own, and the event's time."""
        if self._read == len(self.feature_fields):
            return values
        read = iter(values)
        return [time if field is None else next(read) for field in self.feature_fields]

    def label(
        self,
        values: Sequence[Any],
        default_time: int = -1,
        features: dict[str, Any] | None = None,
        text: str | None = None,
    ) -> Label:
        """The label of the canonical values of `label_fields`; `default_time` is for one without a time.

        Raises UnfitError where it speaks of nothing, or has no time at all.
        """
        event, subject, label, time, source, weight = values
        if event is None and subject is None:
            raise UnfitError("invalid", "record: a label needs `event` (the event's id) or `subject`")
        return Label(
            event=event,
            subject=subject,
            label=label,
            time=time_of(time, default_time),
            source=source,
            weight=weight,
            features=features,
            text=text,
        )

    def read_label(self, raw: dict[str, Any], default_time: int = -1) -> Label:
        """The label in a parsed record; `default_time` is for one without a time. Raises UnfitError of kind `invalid`.

        It has features only where it brings all required ones: a key that labels and events happen to share does not
        make a label self-contained.
        """
        features, count = self._features_brought(raw), len(self.label_fields)
        values = read_fields((*self.label_fields, *features, *self._label_text), raw)
        brought = None
        if features:
            time = time_of(values[3], default_time)
            inputs = self.with_own_times(values[count : count + len(features)], time)
            brought = dict(zip(self._names, inputs, strict=True))
        return self.label(
            values[:count],
            default_time,
            brought,
            values[-1] if self._label_text else None,
        )

    def _features_brought(self, raw: dict[str, Any]) -> tuple[Field, ...]:
        features = self.inputs[: self._read - len(self.keys)]
        there = [walk(raw, field.keys)[0] for field in features]
        complete = all(found or not field.required for found, field in zip(there, features, strict=True))
        return self.inputs[: self._read] if any(there) and complete else ()


def spellings_of(settings: Settings) -> Spellings:
    """How the labels of one config are read, from its topic and from past events."""
    costs = settings.abstention.costs
    named = {*settings.early_risk.classes, *costs, *(decided for row in costs.values() for decided in row)}
    return Spellings(settings.classes, settings.class_map, named)


def read_fields(fields: Sequence[Field], raw: dict[str, Any]) -> list[Any]:
    """The canonical value of each field of a parsed record, None where it has none.

    Raises UnfitError of kind `invalid`, which names the first field that is wrong and counts the others.
    """
    values: list[Any] = []
    mistakes: list[str] = []
    for field in fields:
        there, value = walk(raw, field.keys)
        result = None
        if not there:
            if field.required:
                mistakes.append(f"{field.name}: is missing")
        elif value is not None or not field.nullable:
            try:
                result = field.kind.read(value)
            except ValueError as error:
                mistakes.append(f"{field.name}: {error}")
        values.append(result)
    if mistakes:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise UnfitError("invalid", mistakes[0] + more)
    return values


def time_of(time: int | None, default: int) -> int:
    """A time, or that of the Kafka record where there is none. Raises UnfitError where that is none either."""
    if time is not None:
        return time
    if not 0 <= default <= LATEST:
        raise UnfitError("invalid", "time: is missing, and the Kafka record has no time either")
    return default


def _feature(feature: FeatureSettings, longest: int) -> Field:
    name, kinds = f"features.{feature.name}", {"number": NUMBER, "boolean": BOOLEAN}
    if feature.kind == "time":
        kind = time_feature_kind(feature)
    else:
        kind = category_kind(longest) if feature.kind == "category" else kinds[feature.kind]
    return Field(name, feature.keys, kind, required=feature.required, nullable=True)
