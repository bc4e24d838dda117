"""Raw records to what they hold: events and labels from outside, and Tocsin's own records; and events to columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.features import category_code
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.compiled import NotTakenError, apart, compiled
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.packed.layout import Kind, Layout
from tocsin.streams.wire.records import Event, Label
from tocsin.streams.wire.repaired import parsed
from tocsin.streams.wire.schema import EventSchema, UnfitError, read_fields, time_of

NAN = float("nan")


class DecodedLabel(NamedTuple):
    """One label, with the raw record it came in."""

    record: Record
    label: Label


Rejected = tuple[Record, UnfitError]
Value = TypeVar("Value")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no record of a type."""


class Decoder:
    """Decodes what one config's producers send."""

    def __init__(self, schema: EventSchema) -> None:
        self._schema = schema
        self._fast_event = compiled(schema.event_fields, schema.bounds.nesting)
        # It refuses a label that brings features or a text, unless these stand within the label's own fields.
        safe = apart((*schema.label_fields, *schema.inputs))
        self._fast_label = compiled(schema.label_fields, schema.bounds.nesting) if safe else None
        self._columns = [(feature.name, feature.kind) for feature in (*schema.features, *schema.said)]
        self._has_categories = any(kind == "category" for _, kind in self._columns)

    def events(self, records: Sequence[Record]) -> tuple[EventColumns, list[Rejected]]:
        """The events among raw records, in their order, and the records that are none."""
        good, bad = _sort(records, self._event_values)
        return self._schema.columns([record for record, _ in good], [values for _, values in good]), bad

    def labels(self, records: Sequence[Record]) -> tuple[list[DecodedLabel], list[Rejected]]:
        """The labels among raw records, in their order, and the records that are none."""
        good, bad = _sort(records, self.label)
        return [DecodedLabel(record, label) for record, label in good], bad

    def event(self, record: Record) -> Event:
        """One event; a missing id becomes `topic-partition-offset`. Raises UnfitError."""
        return self._schema.columns([record], [self._event_values(record)]).event(0)

    def _event_values(self, record: Record) -> list[Any]:
        """The canonical values of an event's fields, with its id and time. Raises UnfitError."""
        value = self._checked(record)
        values = None
        if self._fast_event is not None:
            try:
                values = self._fast_event(value)
            except NotTakenError:
                values = None
        if values is None:
            values = read_fields(self._schema.event_fields, self._parsed(value))
        if values[0] is None:
            values[0] = f"{record.topic}-{record.partition}-{record.offset}"
        values[2] = time_of(values[2], record.timestamp)
        return values

    def label(self, record: Record) -> Label:
        """One label. Raises UnfitError."""
        value = self._checked(record)
        if self._fast_label is not None:
            try:
                return self._schema.label(self._fast_label(value), record.timestamp)
            except (NotTakenError, UnfitError):  # the plain reader words the refusal
                pass
        return self._schema.read_label(self._parsed(value), record.timestamp)

    def _checked(self, record: Record) -> bytes:
        """A record's value, if it is not too large to be parsed."""
        value, most = record.value, self._schema.bounds.record_bytes
        if value is None:
            raise UnfitError("empty", "the record has no value")
        if len(value) > most:
            raise UnfitError("too-large", f"{len(value)} bytes, more than bounds.record_bytes = {most}")
        return value

    def _parsed(self, value: bytes) -> dict[str, Any]:
        nesting = self._schema.bounds.nesting
        try:
            raw = parsed(value)
        except ValueError as error:
            raise UnfitError("not-json", str(error)) from None
        # A record with no more brackets than that cannot nest deeper.
        if value.count(b"{") + value.count(b"[") > nesting and depth(raw, nesting) > nesting:
            raise UnfitError("too-deep", f"nested deeper than bounds.nesting = {nesting}")
        return raw

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those of the features, in their order, without what profiles say."""
        return tuple(feature.kind for feature in self._schema.features)

    @cached_property
    def layout(self) -> Layout:
        """That of events of which nothing but the features is packed."""
        keys, said = self._schema.keys, self._schema.said
        packed = (*self._schema.features, *keys, *said)
        names, kinds = tuple(one.name for one in packed), tuple(one.kind for one in packed)
        return Layout(names, kinds, keys=tuple(key.name for key in keys), said=len(said))

    def batch(self, events: Sequence[Event]) -> Batch:
        """Events as columns. Raises TypeError, ValueError or AttributeError for features that do not fit them."""
        names: list[dict[int, str]] = [{} for _ in events] if self._has_categories else []
        rows = [self._row(event.features, names[i] if names else None) for i, event in enumerate(events)]
        X: Floats = np.array(rows, np.float64).reshape(len(events), len(self._columns))
        return Batch(
            ids=[event.id for event in events],
            subjects=[event.subject for event in events],
            times=np.array([event.time for event in events], np.int64),
            X=X,
            texts=[event.text for event in events],
            history=np.zeros((len(events), 0), np.int64),
            subject_label=np.full(len(events), -1, np.int64),
            categories=names,
        )

    def refitted(self, event: Event) -> tuple[Event, int]:
        """An event that was read under another config as this one sees it, and how many values do not fit.

        A value of a feature that is of another kind now is read as if it came now; one that would be refused, or that
        was not asked for, is not known.
        """
        features, unfit = {}, 0
        read = (*self._schema.features, *self._schema.keys)
        for one, field in zip(read, self._schema.feature_fields, strict=True):
            name, kind = one.name, one.kind
            value = event.time if field is None else event.features.get(name)
            as_it_is = field is None or (kind == "time" and type(value) is int) or type(value) is field.kind.canonical
            if field is not None and value is not None and not as_it_is:
                whole = type(value) is float and value.is_integer()  # JSON has one form for 3 and 3.0 in our records
                try:
                    value = field.kind.read(int(value) if whole else value)
                except ValueError:
                    value, unfit = None, unfit + 1
            features[name] = value
        for one in self._schema.said:  # under another config it may be the name of a feature of another kind
            value = event.features.get(one.name)
            features[one.name] = value if isinstance(value, float) else None
        return msgspec.structs.replace(event, features=features), unfit

    def _row(self, features: dict[str, Any], names: dict[int, str] | None) -> list[float]:
        row: list[float] = []
        for name, kind in self._columns:
            value = features.get(name)
            if value is None:
                row.append(NAN)
            elif kind == "category":
                code = category_code(value)
                if names is not None:
                    names[code] = value
                row.append(float(code))
            else:
                row.append(float(value))
        return row


def _sort(
    records: Sequence[Record], decode: Callable[[Record], Value]
) -> tuple[list[tuple[Record, Value]], list[Rejected]]:
    good: list[tuple[Record, Value]] = []
    bad: list[Rejected] = []
    for record in records:
        try:
            good.append((record, decode(record)))
        except UnfitError as error:
            bad.append((record, error))
    return good, bad


def depth(value: Any, limit: int) -> int:
    """How deep objects and arrays nest; counts no further than limit + 1."""
    level, deep = [value], 0
    while level and deep <= limit:
        level = [v for v in level if isinstance(v, dict | list)]
        if not level:
            break
        deep += 1
        level = [child for v in level for child in (v.values() if isinstance(v, dict) else v)]
    return deep


def read_own(record: Record, kind: type[Value]) -> Value | None:
    """A record that Tocsin wrote to one of its own topics; None for what somebody else wrote there."""
    try:
        return msgspec.json.decode(record.value or b"", type=kind)
    except UNREADABLE:
        return None
