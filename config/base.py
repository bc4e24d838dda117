"""What every group of settings shares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

LONGEST_TEXT = 1024 * 1024
"""Characters of the longest text in a config, which is all of a config file. Because a text has a bound, pydantic looks
into it and refuses half characters (lone surrogates), which no record and no topic can hold."""
RENAMED = "renamed_setting"
"""The type of pydantic's error for a key or a value that stands under its old name."""
_OLD_NAMES_ARE_READ = ContextVar("_OLD_NAMES_ARE_READ", default=False)


def _share(value: Any) -> Any:
    """The share that a percentage such as `1%` stands for; anything else is left to pydantic."""
    if isinstance(value, str) and value.strip().endswith("%"):
        with suppress(ValueError):
            return float(value.strip()[:-1]) / 100.0
    return value


Share = Annotated[float, BeforeValidator(_share)]
"""A share of all, written as a number from 0 to 1 or as a percentage."""


@contextmanager
def old_names_are_read() -> Iterator[None]:
    """Within this block settings are read under whatever names they ever had, as records and snapshots hold them."""
    token = _OLD_NAMES_ARE_READ.set(True)
    try:
        yield
    finally:
        _OLD_NAMES_ARE_READ.reset(token)


class FrozenSettings(BaseModel):
    """A group of settings: it is immutable, and an unknown key is an error rather than a silent default.

    A key or a value whose name has changed is refused with an error that names the new one.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        str_max_length=LONGEST_TEXT,
        hide_input_in_errors=True,  # an input may hold a secret
    )

    renamed_keys: ClassVar[Mapping[str, str]] = {}
    """The old name of a key, and its name today."""
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """By key: the old name of a value, and its name today."""
    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Keys that change nothing of what a model computes."""

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> Self:
        """The settings that a record or a snapshot holds, under whatever names they had when it was written."""
        with old_names_are_read():
            return cls.model_validate(values)

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        """Refuse old names, unless the settings are those of a record."""
        if not isinstance(values, Mapping):
            return values
        if _OLD_NAMES_ARE_READ.get():
            return cls._under_names_of_today(values)
        # A name may have gone to another key since: then it is only in records that it still stands for the first one.
        old_names = {old: new for old, new in cls.renamed_keys.items() if old not in cls.model_fields}
        renamed = [(old, f"is now called {new}") for old, new in old_names.items() if old in values]
        for key, names in cls.renamed_values.items():
            value = values.get(key)
            if isinstance(value, str) and value in names:
                renamed.append((key, f"{value} is now called {names[value]}"))
        if renamed:
            raise ValidationError.from_exception_data(cls.__name__, [_mistake(*one) for one in renamed])
        return values

    @classmethod
    def _under_names_of_today(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        result = {}
        for key, value in values.items():
            key_today = cls.renamed_keys.get(key, key)
            if key in cls.model_fields and key_today in values:
                key_today = key  # the name has gone to another key since, and both stand here under those of today
            names = cls.renamed_values.get(key_today, {})
            result[key_today] = names.get(value, value) if isinstance(value, str) else value
        return result

    def dump_under_first_names(self) -> dict[str, Any]:
        """The settings as JSON, in which each renamed key and value stands under the first name it ever had."""
        result: dict[str, Any] = _under_first_names(self, self.model_dump(mode="json"))
        return result

    def canonical(self) -> dict[str, Any]:
        """What tells these settings from the defaults, under first names, as far as a model computes by it.

        What identifies a model is computed from this. So neither a renamed setting, nor a new one that has its default,
        nor a key of `without_effect` changes the identity of any model.
        """
        result: dict[str, Any] = _canonical(self, self.model_dump(mode="json"))
        return result


def _mistake(key: str, message: str) -> InitErrorDetails:
    error = PydanticCustomError(RENAMED, "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=(key,), input=None)


def _under_first_names(settings: Any, dumped: Any) -> Any:
    """`dumped` is the dump of `settings`, which may be any value of a field."""
    if isinstance(settings, tuple):
        return [_under_first_names(*pair) for pair in zip(settings, dumped, strict=True)]
    if not isinstance(settings, FrozenSettings):
        return dumped
    result = {}
    for key, value in dumped.items():
        first_key, first_value = _first_name(settings, key, _under_first_names(getattr(settings, key), value))
        result[first_key] = first_value
    return result


def _canonical(settings: Any, dumped: Any) -> Any:
    """`dumped` is the dump of `settings`, which may be any value of a field."""
    if isinstance(settings, tuple):
        return [_canonical(*pair) for pair in zip(settings, dumped, strict=True)]
    if not isinstance(settings, FrozenSettings):
        return dumped
    fields, result = type(settings).model_fields, {}
    for key, value in dumped.items():
        own = getattr(settings, key)
        at_default = key != "kind" and own == fields[key].get_default(call_default_factory=True)
        if key in settings.without_effect or at_default:
            continue
        first_key, first_value = _first_name(settings, key, _canonical(own, value))
        if first_value != {} or not isinstance(own, FrozenSettings):  # a group may differ without any effect
            result[first_key] = first_value
    return result


def _first_name(settings: FrozenSettings, key: str, value: Any) -> tuple[str, Any]:
    """A key and its value under the first names that they ever had."""
    first_values = _first_names(settings.renamed_values.get(key, {}))
    first_key = _first_names(settings.renamed_keys).get(key, key)
    return first_key, first_values.get(value, value) if isinstance(value, str) else value


def _first_names(renamed: Mapping[str, str]) -> dict[str, str]:
    """A name today, and the first that it ever had: of several old names the one listed first."""
    first: dict[str, str] = {}
    for old, new in renamed.items():
        first.setdefault(new, old)
    return first


WHOLE = 1e15
"""Floats below this are written without an exponent, and as whole numbers where they are whole."""


def short_digest(plain: Any) -> str:
    """Sixteen hex digits that name a value which JSON can hold, whatever the order of its keys."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def class_name(label: object) -> str:
    """The name of the class that a label stands for: `true` or `false` for a boolean, the digits of a number.

    >>> class_name(True), class_name(3), class_name(3.0), class_name("spam")
    ('true', '3', '3', 'spam')
    """
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float) and abs(label) < WHOLE and label.is_integer():
        label = int(label)
    return str(label)


def _as_class_name(value: Any) -> Any:
    """The name of a class that YAML reads as a number or a boolean; anything else is left to pydantic."""
    return class_name(value) if isinstance(value, int | float) else value


def _without_nul(value: Any) -> Any:
    if "\0" in str(value):
        raise ValueError("holds a NUL character, at which a path or a name ends for the operating system")
    return value


PlainText = Annotated[str, AfterValidator(_without_nul)]
"""A name that the operating system or a client library takes."""
FilePath = Annotated[Path, AfterValidator(_without_nul)]
"""A path of a file or a folder."""
ClassName = Annotated[str, BeforeValidator(_as_class_name), Field(min_length=1, max_length=128)]
"""The name of a class."""
_KEY = r"(?:\\.|[^.\\])+"
DotPath = Annotated[str, StringConstraints(pattern=rf"^(?:\\.|[^.\\\s])(?:\\.|[^.\\])*(?:\.{_KEY})*$", max_length=256)]
"""Keys joined by dots: `account.id` is the value at `{"account": {"id": ...}}`, and `items.0.price` that of the
first of an array. `account.id` also finds the value at `{"account.id": ...}` where there is no key `account`. A dot
that surely belongs to a key is written `\\.`, and a backslash `\\\\`."""
