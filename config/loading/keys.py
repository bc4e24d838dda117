"""The keys that the tree of settings takes at each of its places."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from tocsin.config.experts import ExpertSettings, kinds
from tocsin.config.settings import Settings


def valid_keys(path: Sequence[int | str]) -> list[str]:
    """The keys that the group of settings at this path, as pydantic tells it, takes."""
    _, groups = _follow(path)
    return sorted({field.alias or name for group in groups for name, field in group.model_fields.items()})


@cache
def all_keys() -> frozenset[str]:
    """The keys that any group of settings takes."""
    found: set[str] = set()
    groups: list[type[BaseModel]] = [Settings]
    seen: set[type[BaseModel]] = set()
    while groups:
        group = groups.pop()
        if group not in seen:
            seen.add(group)
            found |= {field.alias or name for name, field in group.model_fields.items()}
            groups += [below for field in group.model_fields.values() for below in _groups_of(field.annotation)]
    return frozenset(found)


def without_tags(path: Sequence[int | str]) -> list[int | str]:
    """A path of pydantic's as a user would write it: pydantic adds the kind of an expert or a router after its key."""
    keys, _ = _follow(path)
    return keys


def _follow(path: Sequence[int | str]) -> tuple[list[int | str], list[type[BaseModel]]]:
    """The keys of the path without tags, and the groups of settings that may stand at its end."""
    keys: list[int | str] = []
    groups: list[type[BaseModel]] = [Settings]
    for key in path:
        tagged = [group for group in groups if _kind(group) == key] if len(groups) > 1 else []
        if tagged:
            groups = tagged
            continue
        keys.append(key)
        if not isinstance(key, int):
            groups = [below for group in groups for below in _below(group, key)]
    return keys, groups


def _kind(group: type[BaseModel]) -> object:
    field = group.model_fields.get("kind")
    return None if field is None else field.default


def _below(group: type[BaseModel], key: str) -> Iterator[type[BaseModel]]:
    """The groups that stand behind a key of a group."""
    for name, field in group.model_fields.items():
        if key in (name, field.alias):
            yield from _groups_of(field.annotation)


def _groups_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The groups of settings that a field's type names, however deep in tuples and unions."""
    if annotation is ExpertSettings:
        yield from kinds().values()
        return
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _groups_of(argument)
