"""All settings that the state of a model depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Self

from pydantic import Field, model_validator

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.base import ClassName, FrozenSettings
from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.config.experts import DEFAULT_EXPERTS, AnyExpert, pool_mistake
from tocsin.config.fusion import FusionSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.config.routing import ReliabilitySettings, RouterSettings
from tocsin.config.schema import FeatureSettings

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class ModelSettings(FrozenSettings):
    """All settings that the state of a model depends on, and no others. Their digest names the config in decisions."""

    features: tuple[FeatureSettings, ...] = ()
    text: bool = False
    classes: tuple[ClassName, ...] = ()
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
    seed: Seed = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistake := pool_mistake(self.experts):
            raise ValueError(mistake)
        if self.classes:
            named = {name for true, row in self.abstention.costs.items() for name in (true, *row)}
            if unknown := sorted(named - set(self.classes)):
                raise ValueError(f"abstention.costs names {unknown[0]!r}, which is none of the classes")
        return self

    def digest(self) -> str:
        """Sixteen hex digits that change whenever a setting of the model does, and with nothing else."""
        text = json.dumps(self.dump_under_first_names(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
