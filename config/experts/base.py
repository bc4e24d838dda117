"""What the settings of every kind of expert share, and how a kind is found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, Union

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tocsin.config.base import FrozenSettings


class ExpertSettings(FrozenSettings):
    """The settings of one expert of the pool.

    A subclass gives the name of its kind by the default of `kind`. Defining the class suffices for a config to use that
    kind: every module of `tocsin.config.experts` is imported before the first config is read, so there is no list of
    kinds to extend.
    """

    kind: str
    name: str
    """Unique in the pool; decisions, metrics and snapshots name the expert by it."""
    strength: float
    must_earn: bool = False
    """Whether the expert is put to sleep where another expert is as accurate (`lifecycle.earned`). It is tried again
    after a drift, or after `lifecycle.probation` windows, which double each time that it was in vain."""
    undersample: float = Field(default=0.0, ge=0, le=0.5)
    """Where every class but one is rare, the expert learns so few events of that one that the rare ones have this share
    of what it learns; what it says is then corrected for it. 0 learns all events."""

    sees: ClassVar[tuple[str, ...]] = ()
    """The fields that determine what the expert sees of an event. Experts of one kind that see the same can be
    merged."""
    hears: ClassVar[bool] = False
    """Whether it is shown what the experts before it in the pool say."""
    stays: ClassVar[bool] = False
    """Whether the lifecycle leaves it as it is, because its worth does not show in the router's shares."""
    sees_rates: ClassVar[bool] = False
    """Whether the expert sees categories as `inputs.categories` makes numbers of them."""
    reads_text: ClassVar[bool] = False
    """Whether the expert needs `schema.text`."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the kind, so that configs can name it. Raises TypeError where another class has the same kind."""
        super().__pydantic_init_subclass__(**kwargs)
        kind = str(cls.model_fields["kind"].default)
        known = _KINDS.get(kind)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"the kind {kind!r} is that of {known.__qualname__}: give {cls.__qualname__} another")
        _KINDS[kind] = cls
        _adapter.cache_clear()

    @model_validator(mode="after")
    def _can_undersample(self) -> Self:
        if self.undersample and (self.hears or self.reads_text):
            raise ValueError(f"undersample: an expert of kind {self.kind!r} learns every event: leave it out")
        return self

    def cost(self, features: int, classes: int) -> float:
        """About how many microseconds an answer costs on one core, as `benchmarks/engagement.py` measured it.

        It only ranks experts against one another, so that the gate knows whom to ask first.
        """
        return 0.3 + 0.0025 * features * classes

    @property
    def label_history(self) -> int:
        """How many of the stream's last known labels the expert needs."""
        return int(getattr(self, "history", 0))

    @property
    def follows_subjects(self) -> bool:
        """Whether the expert needs each subject's last known label."""
        return False

    @property
    def kin(self) -> Hashable:
        """A key that is equal for experts of one kind that see the same of an event."""
        return (self.kind, *(getattr(self, field) for field in self.sees))


_KINDS: dict[str, type[ExpertSettings]] = {}


def kinds() -> dict[str, type[ExpertSettings]]:
    """The settings of every kind of expert, by the name of the kind."""
    _load_all()
    return dict(_KINDS)


@cache
def _load_all() -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")


@cache
def _adapter() -> TypeAdapter[ExpertSettings]:
    """Validates the settings of an expert of any kind that is known by now."""
    every: Any = Union[tuple(kinds().values())]  # noqa: UP007 - the members are only known at run time
    return TypeAdapter(Annotated[every, Field(discriminator="kind")])


class _ByKind:
    """Tells pydantic to validate an expert's settings by their `kind`, among all kinds known when a config is read."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: _adapter().validate_python(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_adapter().core_schema)


AnyExpert = Annotated[ExpertSettings, _ByKind()]
"""The settings of an expert of any kind."""
