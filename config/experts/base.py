"""What the settings of every kind of expert share, and how a kind is found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable
from functools import cache
from typing import Annotated, Any, ClassVar, Union

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tocsin.config.base import FrozenSettings


class ExpertSettings(FrozenSettings):
    """The settings of one expert of the pool.

    A subclass names its kind by the default of `kind`; from then on a config can name that kind. Every module of
    `tocsin.config.experts` is loaded before the first config is read, so a new kind there needs no list.
    """

    kind: str
    name: str
    strength: float

    sees: ClassVar[tuple[str, ...]] = ()
    """The fields that say what the expert sees of an event. Experts of one kind that see the same can be merged."""
    reads_text: ClassVar[bool] = False
    """Whether the expert needs `schema.text`."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make the kind known to configs."""
        super().__pydantic_init_subclass__(**kwargs)
        kind = str(cls.model_fields["kind"].default)
        known = _KINDS.get(kind)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"the kind {kind!r} is that of {known.__qualname__}: give {cls.__qualname__} another")
        _KINDS[kind] = cls
        _adapter.cache_clear()

    @property
    def label_history(self) -> int:
        """How many of the stream's last known labels the expert wants to see."""
        return int(getattr(self, "history", 0))

    @property
    def follows_subjects(self) -> bool:
        """Whether the expert wants each subject's last known label."""
        return False

    @property
    def kin(self) -> Hashable:
        """Equal for experts that are of one kind and see the same of an event."""
        return (self.kind, *(getattr(self, field) for field in self.sees))


_KINDS: dict[str, type[ExpertSettings]] = {}


def kinds() -> dict[str, type[ExpertSettings]]:
    """The settings of every kind of expert, by the name of the kind."""
    _load_all()
    return dict(_KINDS)


@cache
def _load_all() -> None:
    from tocsin.config import experts

    for module in pkgutil.iter_modules(experts.__path__):
        importlib.import_module(f"{experts.__name__}.{module.name}")


@cache
def _adapter() -> TypeAdapter[ExpertSettings]:
    """What reads the settings of an expert by their `kind`."""
    every: Any = Union[tuple(kinds().values())]  # noqa: UP007 - the members are only known at run time
    return TypeAdapter(Annotated[every, Field(discriminator="kind")])


class _ByKind:
    """Tells pydantic to read an expert's settings by their `kind`, among all kinds that are known by then."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: _adapter().validate_python(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_adapter().core_schema)


AnyExpert = Annotated[ExpertSettings, _ByKind()]
"""The settings of an expert of any kind."""
