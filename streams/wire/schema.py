"""From a user's own JSON to an event or a label: dot paths, types and bounds of one config.

`EventSchema.event_model` and `label_model` are the definition: pydantic models of the mapped record with the config's
features and bounds in them. `tocsin.streams.wire.decode` is the quick form of the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    create_model,
)

from tocsin.config.schema import FeatureSettings
from tocsin.config.settings import Settings
from tocsin.streams.wire.records import (
    Category,
    ClassLabel,
    Event,
    Label,
    Name,
    Number,
    Time,
)

Keys = tuple[str, ...]


def walk(value: Any, keys: Keys) -> tuple[bool, Any]:
    """Whether something stands at the end of the keys, and what."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


def _keys(path: str) -> Keys:
    return tuple(path.split("."))


class EventSchema:
    """How this service reads events and labels."""

    def __init__(self, settings: Settings) -> None:
        self.bounds = settings.bounds
        self.features = settings.schema_.features
        self.classes = frozenset(settings.classes)
        paths = settings.schema_
        self.id, self.subject, self.time = _keys(paths.id), _keys(paths.subject), _keys(paths.time)
        self.text: Keys | None = _keys(paths.text) if paths.text else None
        label = paths.label
        self.label_parts: dict[str, Keys] = {
            "event": _keys(label.event),
            "subject": _keys(label.subject),
            "label": _keys(label.label),
            "time": _keys(label.time),
            "source": _keys(label.source),
            "weight": _keys(label.weight),
        }

    def map_event(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The event's parts that are there, under Tocsin's own names."""
        parts = {"id": self.id, "subject": self.subject, "time": self.time}
        mapped = self._present(raw, parts)
        if mapped.get("id", 0) is None:
            del mapped["id"]  # a null id is a missing one
        return mapped | self._map_inputs(raw)

    def map_label(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The label's parts that are there, under Tocsin's own names; features only where it brings all required ones.

        A key that labels and events happen to share does not make a label self-contained.
        """
        mapped = self._present(raw, self.label_parts)
        optional = ("event", "subject", "source", "weight")
        mapped = {k: v for k, v in mapped.items() if not (v is None and k in optional)}
        inputs = self._map_inputs(raw)
        brought = inputs["features"]
        if not brought or any(f.required and f.name not in brought for f in self.features):
            del inputs["features"]
        if inputs.get("text", 0) is None:
            del inputs["text"]
        return mapped | inputs

    def _map_inputs(self, raw: dict[str, Any]) -> dict[str, Any]:
        mapped: dict[str, Any] = {"features": self._present(raw, {f.name: f.at for f in self.features})}
        if self.text is not None:
            there, text = walk(raw, self.text)
            if there:
                mapped["text"] = text
        return mapped

    @staticmethod
    def _present(raw: dict[str, Any], parts: dict[str, Keys]) -> dict[str, Any]:
        found = {name: walk(raw, keys) for name, keys in parts.items()}
        return {name: value for name, (there, value) in found.items() if there}

    @cached_property
    def event_model(self) -> type[BaseModel]:
        """The pydantic model of a mapped event."""
        text: Any = (self._text, ...) if self.text is not None and not self.features else (self._text | None, None)
        return create_model(
            "MappedEvent",
            __base__=Event,
            id=(self._name | None, None),
            subject=(self._name, ...),
            time=(Time, ...),
            features=(self._features_model, ...),
            text=text if self.text is not None else (None, None),
        )

    @cached_property
    def label_model(self) -> type[BaseModel]:
        """The pydantic model of a mapped label."""
        return create_model(
            "MappedLabel",
            __base__=Label,
            event=(self._name | None, None),
            subject=(self._name | None, None),
            label=(self._label, ...),
            source=(self._name | None, None),
            features=(self._features_model | None, None),
            text=(self._text | None, None),
        )

    @property
    def _label(self) -> Any:
        return Annotated[ClassLabel, self._short, AfterValidator(self._known_class)]

    def _known_class(self, label: str) -> str:
        if self.classes and label not in self.classes:
            raise ValueError(f"{label!r} is not one of the classes {', '.join(sorted(self.classes))}")
        return label

    @property
    def _short(self) -> Any:
        return Field(max_length=self.bounds.string_length)

    @property
    def _name(self) -> Any:
        return Annotated[Name, self._short]

    @property
    def _text(self) -> Any:
        return Annotated[StrictStr, Field(max_length=self.bounds.text_length)]

    @cached_property
    def _features_model(self) -> Any:
        fields: dict[str, Any] = {f"f{i}": self._field(f) for i, f in enumerate(self.features)}
        return create_model("Features", __config__=ConfigDict(extra="ignore", frozen=True), **fields)

    def _field(self, feature: FeatureSettings) -> tuple[Any, Any]:
        kinds: dict[str, Any] = {
            "number": Number,
            "category": Annotated[Category, self._short],
            "boolean": Annotated[StrictBool, BeforeValidator(lambda value: value)],
        }
        default: Any = ... if feature.required else None
        return kinds[feature.kind] | None, Field(default, alias=feature.name)
