"""All settings that the state of a model depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.base import ClassName, FrozenSettings, short_digest
from tocsin.config.early_risk import EarlyRiskSettings, alerts
from tocsin.config.experts import DEFAULT_EXPERTS, AnyExpert, ExpertSettings, default_experts, pool_mistake
from tocsin.config.fusion import FusionSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.profiles import ProfileSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.config.routing import ReliabilitySettings, RouterSettings
from tocsin.config.schema import FeatureSettings, most_columns

Seed = Annotated[int, Field(ge=0, lt=2**63)]
COMPUTATION = 5
"""Raised when the same settings compute something else than before, because a default or a formula has changed. What
models of the earlier computation left behind is then scored anew. `tests/config/defaults.json` has the defaults."""


def class_map_mistake(class_map: Mapping[str, str], classes: Sequence[str]) -> str | None:
    """What is wrong with a map from names of classes to names of today; None where it is right."""
    for old, new in class_map.items():
        if old in classes or old in class_map.values():
            return f"{old!r} is mapped to {new!r}, so it is no class any more: name it nowhere else"
        if classes and new not in classes:
            return f"{old!r} is mapped to {new!r}, which is not one of `classes`"
    return None


class ModelSettings(FrozenSettings):
    """All settings that the state of a model depends on."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"early_risk"})  # it follows what the model says

    features: tuple[FeatureSettings, ...] = ()
    """The features of events, and behind them what profiles say."""
    profiles: tuple[ProfileSettings, ...] = ()
    text: bool = False
    classes: tuple[ClassName, ...] = ()
    class_map: dict[ClassName, ClassName] = Field(default_factory=dict)
    inputs: InputsSettings = InputsSettings()
    experts: tuple[AnyExpert, ...] = DEFAULT_EXPERTS
    router: RouterSettings = ReliabilitySettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    fusion: FusionSettings = FusionSettings()
    prior_shift: PriorShiftSettings = PriorShiftSettings()
    abstention: AbstentionSettings = AbstentionSettings()
    early_risk: EarlyRiskSettings = EarlyRiskSettings()
    max_classes: int = Field(default=64, ge=2)
    max_vocabulary: int = Field(default=200_000, ge=1)
    max_text: int = Field(default=100_000, ge=1)
    max_subjects: int = Field(default=1_000_000, ge=1)
    max_profile_keys: int = Field(default=20_000, ge=1)
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _default_pool(cls, values: Any) -> Any:
        """Where no experts are named, take those that suit what events have."""
        if not isinstance(values, Mapping) or "experts" in values:
            return values
        known = most_columns(values.get("features", ()))
        early_risk = alerts(values.get("early_risk"))
        return {**values, "experts": default_experts(known, values.get("text") is True, early_risk)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistake := pool_mistake(self.experts):
            raise ValueError(mistake)
        if self.classes:
            named = {name for true, row in self.abstention.costs.items() for name in (true, *row)}
            if unknown := sorted(named - set(self.classes)):
                raise ValueError(f"abstention.costs names {unknown[0]!r}, which is none of the classes")
        if mistake := class_map_mistake(self.class_map, self.classes):
            raise ValueError(f"class_map: {mistake}")
        return self

    def in_order(self, classes: Sequence[str]) -> Self:
        """The same with the named classes in this order, which may be that of a model that another went on from."""
        if not self.classes or self.classes == tuple(classes):
            return self
        return self.model_copy(update={"classes": tuple(classes)})

    def reader_digest(self, expert: ExpertSettings) -> str:
        """What names all that an expert's reading of texts depends on: itself and the classes, in their order."""
        depends = {"classes": self.classes, "class_map": self.class_map, "bounds": [self.max_classes, self.max_text]}
        return short_digest({"computation": COMPUTATION, "expert": expert.canonical(), **depends})

    def digest(self, lineage: str = "") -> str:
        """The model digest: sixteen hex digits that change with whatever changes what the model computes.

        A decision has it as `model.config`. What was seen by a model of another digest is scored anew. `lineage` is
        that of a model which went on from another one, instead of being folded from the beginning of the feedback.
        """
        return short_digest(
            {"computation": COMPUTATION, **({"lineage": lineage} if lineage else {}), **self.canonical()}
        )
