"""The config of a shadow: how to decide, under all other settings of the config that names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tocsin.config.loading import document, environment
from tocsin.config.loading.errors import ConfigError
from tocsin.config.loading.mistakes import describe
from tocsin.config.settings import OF_THE_SHADOW, Settings
from tocsin.config.shadow.plain import PlainSettings

OWN = frozenset(
    {
        "inputs", "experts", "router", "lifecycle", "fusion", "prior_shift", "abstention", "early_risk", "alert",
        "explanation", "seed",
    }
)  # fmt: skip
"""The keys in which a shadow may differ from the first config: they say how to decide."""

Document = tuple[Path, yaml.Node | None, Mapping[str, Any]]
"""A config file: its path, its nodes, which know their lines, and its values."""


def beside(first: Settings, first_values: Mapping[str, Any], other: Document) -> Settings | None:
    """The settings of a shadow: the keys of `OWN` from its file, all others from the first config.

    `first_values` are the values in the first file. The environment says nothing of the keys of `OWN` here: what it
    overrides of them, it overrides in the first config alone. None where both decide by the same config. Raises
    ConfigError where the shadow's file says something else of the settings that hold for both.
    """
    path, root, values = other
    held = {_alias(name): getattr(first, name) for name in Settings.model_fields}
    for key, value in values.items():
        if key not in OWN and key not in OF_THE_SHADOW and first_values.get(key) != value:
            _refuse_another(held, key, value, other)
    shared = {key: value for key, value in held.items() if key not in OWN and key not in OF_THE_SHADOW}
    made = _made({**shared, **{key: values[key] for key in values if key in OWN}}, path, root)
    return None if made.digest() == first.digest() else made


def _refuse_another(held: Mapping[str, Any], key: str, value: Any, other: Document) -> None:
    """Raise ConfigError where a value of the shadow's file is not what holds for both."""
    path, root, _ = other
    ours = held[key]
    dumped = ours.model_dump(by_alias=True) if isinstance(ours, BaseModel) else ours
    made = _made({**held, key: _merged(dumped, value)}, path, root)
    theirs = getattr(made, "schema_" if key == "schema" else key)
    if theirs == ours:
        return
    keys = [key, *_where_they_differ(ours, theirs, value)]
    line, _ = document.find(root, keys)
    raise ConfigError(
        f"{path}{'' if line is None else f':{line}'}: {'.'.join(keys)}: is another one than in the config that names "
        "this file as its `shadow`, and one value holds for both: leave it out here, or say the same in both"
    )


def _made(values: Mapping[str, Any], path: Path, root: yaml.Node | None) -> Settings:
    try:
        return PlainSettings(**values)
    except ValidationError as error:
        with environment.left_out():
            mistakes = [describe(path, root, details) for details in error.errors()]
        raise ConfigError(*dict.fromkeys(mistakes)) from None


def _merged(ours: Any, theirs: Any) -> Any:
    """Our values, under those that the other file names."""
    if not (isinstance(ours, dict) and isinstance(theirs, Mapping)):
        return theirs
    return {**ours, **{key: _merged(ours.get(key), value) for key, value in theirs.items()}}


def _where_they_differ(ours: Any, theirs: Any, named: Any) -> list[str]:
    """The keys, from the group on, of the first setting that the other file names and that differs."""
    if not (isinstance(named, Mapping) and isinstance(ours, BaseModel) and isinstance(theirs, BaseModel)):
        return []
    by_alias: dict[str, str] = {field.alias or name: name for name, field in type(ours).model_fields.items()}
    for key, value in named.items():
        name = by_alias[key]
        one, other = getattr(ours, name), getattr(theirs, name)
        if one != other:
            return [key, *_where_they_differ(one, other, value)]
    return []


def _alias(name: str) -> str:
    return Settings.model_fields[name].alias or name
