"""What is done to the features of an event before any expert sees them."""

from __future__ import annotations

from tocsin.config.base import FrozenSettings
from tocsin.config.inputs.categories import CategoriesSettings
from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.config.inputs.gaps import GapsSettings
from tocsin.config.inputs.imputation import ImputationSettings
from tocsin.config.inputs.relevance import RelevanceSettings
from tocsin.config.inputs.tails import TailsSettings


class InputsSettings(FrozenSettings):
    """What is done to the features of an event before any expert sees them."""

    categories: CategoriesSettings = CategoriesSettings()
    """How categories become numbers."""
    clipping: ClippingSettings = ClippingSettings()
    """How extreme values are clipped."""
    gaps: GapsSettings = GapsSettings()
    """When it counts that something is not known."""
    imputation: ImputationSettings = ImputationSettings()
    """How what is not known is guessed."""
    relevance: RelevanceSettings = RelevanceSettings()
    """When a column is left out because it tells nothing."""
    tails: TailsSettings = TailsSettings()
    """When a column goes by rank."""
