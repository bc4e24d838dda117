"""A fast decoder of one table of fields: msgspec reads a record into structs that follow the table's dot paths.

It takes a record only if all of it is as the table says, with no key beside the table's own; it never takes one that
`tocsin.streams.wire.schema.read_fields` refuses, and gives the same values. Whatever it does not take is read once more
by `read_fields`, which accepts more and words the refusals. A property test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from tocsin.streams.wire.schema import Field

_UNNAMED = re.compile(r'["\\\x00-\x1f]')
"""Characters that msgspec takes in no name of a field."""


class NotTakenError(Exception):
    """The record is not of the usual form: it may be wrong, or right in a way that only the plain reader knows."""


class _Node(NamedTuple):
    """An object in the record."""

    struct: type[msgspec.Struct]
    children: tuple[_Node | int, ...]
    """What stands in the struct's fields, in their order: an object, or the field of the table with this number."""
    required: bool


Tree = dict[str, "Tree | int"]
"""The keys of an object: to the keys of an object within it, or to the number of a field."""


class CompiledDecoder:
    """Decodes records of one table of fields."""

    def __init__(self, fields: Sequence[Field], root: _Node) -> None:
        self._root = root
        self._count = len(fields)
        places: list[str] = [""] * len(fields)
        _name_places(root, "", places)
        self._all: Callable[[Any], tuple[Any, ...]] | None = attrgetter(*places) if len(fields) > 1 else None
        self._decoder = msgspec.json.Decoder(root.struct)
        # A number, a boolean or a text is in its canonical form when it is decoded.
        self._others = [
            (i, field.kind.read, field.kind.canonical)
            for i, field in enumerate(fields)
            if field.kind.wire_type is not field.kind.canonical
        ]

    def __call__(self, value: bytes) -> list[Any]:
        """The canonical value of each field, None where it has none. Raises NotTakenError."""
        try:
            record = self._decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NotTakenError from None
        values = self._values(record)
        try:
            for i, read, canonical in self._others:
                if values[i] is not None and type(values[i]) is not canonical:
                    values[i] = read(values[i])
        except ValueError:
            raise NotTakenError from None
        return values

    def _values(self, record: Any) -> list[Any]:
        if self._all is not None:
            try:
                return list(self._all(record))
            except AttributeError:  # an object that holds fields is null or missing
                pass
        values: list[Any] = [None] * self._count
        _collect(record, self._root, values)
        return values


def compiled(fields: Sequence[Field], nesting: int) -> CompiledDecoder | None:
    """A decoder of these fields, whose records nest no deeper than `nesting`.

    None where two fields stand at one place, or one within another: only the plain reader can tell such apart. None,
    too, where a key holds a character that msgspec takes in no name.
    """
    tree = _tree(fields)
    if tree is None or any(len(field.keys) > nesting or any(map(_UNNAMED.search, field.keys)) for field in fields):
        return None
    return CompiledDecoder(fields, _node(tree, fields))


def apart(fields: Sequence[Field]) -> bool:
    """Whether no two fields stand at one place, or one within another."""
    return _tree(fields) is not None


def _tree(fields: Sequence[Field]) -> Tree | None:
    tree: Tree = {}
    return tree if all(_plant(tree, field.keys, number) for number, field in enumerate(fields)) else None


def _plant(tree: Tree, keys: Sequence[str], number: int) -> bool:
    """Put a field into the tree; False where another one is in its way."""
    for key in keys[:-1]:
        child = tree.setdefault(key, {})
        if isinstance(child, int):
            return False
        tree = child
    if keys[-1] in tree:
        return False
    tree[keys[-1]] = number
    return True


def _node(tree: Tree, fields: Sequence[Field]) -> _Node:
    children: list[_Node | int] = []
    definitions: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for place, child in enumerate(tree.values()):
        if isinstance(child, int):
            field = fields[child]
            children.append(child)
            kind, required, nullable = field.kind.wire_type, field.required, field.nullable
        else:
            node = _node(child, fields)
            children.append(node)
            kind, required, nullable = node.struct, node.required, not node.required
        wire_type = kind | None if nullable else kind
        definitions.append((f"f{place}", wire_type) if required else (f"f{place}", wire_type, None))
    struct = msgspec.defstruct(
        "Record",
        definitions,
        rename={f"f{place}": key for place, key in enumerate(tree)},
        kw_only=True,  # so that a field that may be missing can stand before one that may not
        forbid_unknown_fields=True,  # what msgspec skips it does not check
    )
    return _Node(struct, tuple(children), any(len(definition) == 2 for definition in definitions))


def _name_places(node: _Node, before: str, places: list[str]) -> None:
    """Say for each field of the table by which attributes it is reached from the record."""
    for child, name in zip(node.children, node.struct.__struct_fields__, strict=True):
        if isinstance(child, int):
            places[child] = before + name
        else:
            _name_places(child, f"{before}{name}.", places)


def _collect(record: Any, node: _Node, values: list[Any]) -> None:
    for child, value in zip(node.children, msgspec.structs.astuple(record), strict=True):
        if isinstance(child, int):
            values[child] = value
        elif value is not None:
            _collect(value, child, values)
