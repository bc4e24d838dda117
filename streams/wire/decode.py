"""Raw records to columns: the hot path.

It accepts and rejects exactly what the models of `tocsin.streams.wire.schema` do, and a property test holds the two
together. What does not fit is judged once more by the model, whose error names the field and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.features import category_code
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.records import LATEST, epoch_milliseconds
from tocsin.streams.wire.schema import EventSchema, Keys

NAN = float("nan")


class UnfitError(Exception):
    """A record that cannot be used. Its kind names the dead letter's `exception`, its text says what to mend."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _OddError(Exception):
    """The quick path met something it does not know; the model decides what it is."""


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """One event, with the raw record it came in."""

    record: Record
    event: dict[str, Any]
    """As `tocsin.streams.wire.records.Event`."""


@dataclass(frozen=True, slots=True)
class DecodedLabel:
    """One label, with the raw record it came in."""

    record: Record
    label: dict[str, Any]
    """As `tocsin.streams.wire.records.Label`."""


Rejected = tuple[Record, UnfitError]


class Decoder:
    """Decodes what one config's producers send."""

    def __init__(self, schema: EventSchema) -> None:
        self._schema = schema
        self._columns = [(f.name, f.at, f.kind, f.required) for f in schema.features]
        self._parents = _common_parent([f.at for f in schema.features])
        self._categories = [i for i, f in enumerate(schema.features) if f.kind == "category"]

    def events(self, records: Sequence[Record]) -> tuple[list[DecodedEvent], list[Rejected]]:
        """The events among raw records, in their order, and what is none."""
        return self._sort(records, self.event, DecodedEvent)

    def labels(self, records: Sequence[Record]) -> tuple[list[DecodedLabel], list[Rejected]]:
        """The labels among raw records, in their order, and what is none."""
        return self._sort(records, self.label, DecodedLabel)

    @staticmethod
    def _sort(records: Sequence[Record], decode: Any, kind: Any) -> tuple[list[Any], list[Rejected]]:
        good: list[Any] = []
        bad: list[Rejected] = []
        for record in records:
            try:
                good.append(kind(record, decode(record)))
            except UnfitError as error:
                bad.append((record, error))
        return good, bad

    def event(self, record: Record) -> dict[str, Any]:
        """One event as its model would give it. Raises UnfitError."""
        raw = self._json(record)
        try:
            event = self._quick_event(raw)
        except _OddError:
            event = self._judged(self._schema.event_model, self._schema.map_event(raw))
        if event["id"] is None:
            event["id"] = f"{record.topic}-{record.partition}-{record.offset}"
        return event

    def label(self, record: Record) -> dict[str, Any]:
        """One label as its model would give it. Raises UnfitError.

        Labels are far fewer than events in most streams, and go through the model itself.
        """
        raw = self._json(record)
        return self._judged(self._schema.label_model, self._schema.map_label(raw))

    def _json(self, record: Record) -> dict[str, Any]:
        value, bounds = record.value, self._schema.bounds
        if value is None:
            raise UnfitError("empty", "the record has no value")
        if len(value) > bounds.record_bytes:
            raise UnfitError("too-large", f"{len(value)} bytes, more than bounds.record_bytes = {bounds.record_bytes}")
        try:
            raw = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise UnfitError("not-json", f"the record is not JSON in UTF-8: {error}") from None
        if not isinstance(raw, dict):
            raise UnfitError("not-json", f"the record is a JSON {type(raw).__name__}, expected an object")
        if value.count(b"{") + value.count(b"[") > bounds.nesting and depth(raw, bounds.nesting) > bounds.nesting:
            raise UnfitError("too-deep", f"nested deeper than bounds.nesting = {bounds.nesting}")
        return raw

    def _quick_event(self, raw: dict[str, Any]) -> dict[str, Any]:
        schema = self._schema
        identity = _at(raw, schema.id)
        return {
            "id": None if identity is None else self._name(identity),
            "subject": self._name(_at(raw, schema.subject)),
            "time": _time(_at(raw, schema.time)),
            "features": self.quick_features(raw),
            "text": self._text(raw),
        }

    def _name(self, value: Any) -> str:
        if type(value) is int:
            value = str(value)
        if type(value) is not str or not 0 < len(value) <= self._schema.bounds.string_length:
            raise _OddError
        return value

    def _text(self, raw: dict[str, Any]) -> str | None:
        if self._schema.text is None:
            return None
        text = _at(raw, self._schema.text)
        if text is None:
            if self._columns:
                return None
            raise _OddError
        if type(text) is not str or len(text) > self._schema.bounds.text_length:
            raise _OddError
        return text

    def quick_features(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The features of a raw event, by name."""
        parent: Any = raw
        if self._parents is not None:
            parent = _at(raw, self._parents)
            if type(parent) is not dict:
                parent = {}
        result: dict[str, Any] = {}
        for name, keys, kind, required in self._columns:
            there = parent if self._parents is not None else _at(raw, keys[:-1])
            value = there.get(keys[-1]) if type(there) is dict else None
            if value is None:
                if required and not (type(there) is dict and keys[-1] in there):
                    raise _OddError
                result[name] = None
            elif kind == "number":
                if type(value) is int:
                    value = float(value)  # JSON integers are at most 64 bits wide here: no overflow
                elif type(value) is not float:
                    raise _OddError
                result[name] = value
            elif kind == "boolean":
                if type(value) is not bool:
                    raise _OddError
                result[name] = value
            else:
                result[name] = self._category(value)
        return result

    def _category(self, value: Any) -> str:
        if type(value) is not str:
            if type(value) is bool:
                value = "true" if value else "false"
            elif type(value) is int:
                value = str(value)
            else:
                raise _OddError
        if len(value) > self._schema.bounds.string_length:
            raise _OddError
        return str(value)

    def _judged(self, model: type[BaseModel], mapped: dict[str, Any]) -> dict[str, Any]:
        try:
            checked = model.model_validate(mapped)
        except ValidationError as error:
            raise UnfitError("invalid", describe(error)) from None
        result = {name: getattr(checked, name) for name in type(checked).model_fields}
        features = result.get("features")
        if features is not None:
            result["features"] = features.model_dump(by_alias=True)
        return result

    def batch(self, events: Sequence[dict[str, Any]]) -> Batch:
        """Canonical events as columns."""
        names: list[dict[int, str]] = [{} for _ in events] if self._categories else []
        rows = [self._row(event["features"], names[i] if names else None) for i, event in enumerate(events)]
        X: Floats = np.array(rows, np.float64).reshape(len(events), len(self._columns))
        return Batch(
            ids=[event["id"] for event in events],
            subjects=[event["subject"] for event in events],
            times=np.array([event["time"] for event in events], np.int64),
            X=X,
            texts=[event["text"] for event in events],
            history=np.zeros((len(events), 0), np.int64),
            subject_label=np.full(len(events), -1, np.int64),
            categories=names,
        )

    def _row(self, features: dict[str, Any], names: dict[int, str] | None) -> list[float]:
        row: list[float] = []
        for name, _, kind, _ in self._columns:
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


def _at(value: Any, keys: Keys) -> Any:
    """What stands at the end of the keys; None where nothing does."""
    for key in keys:
        if type(value) is not dict:
            return None
        value = value.get(key)
    return value


def _time(value: Any) -> int:
    if type(value) is int and 0 <= value <= LATEST:
        return value
    try:
        return epoch_milliseconds(value)
    except ValueError:
        raise _OddError from None


def _common_parent(paths: Sequence[Keys]) -> Keys | None:
    """The keys all paths share but for their last; None where they stand in different objects."""
    parents = {keys[:-1] for keys in paths}
    return parents.pop() if len(parents) == 1 else None


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


def describe(error: ValidationError) -> str:
    """The first mistake of a record, with the field it is in."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    message = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field or 'record'}: {message}{more}"
