"""What is done to the features of an event before any expert sees them."""

from __future__ import annotations

from tocsin.config.base import FrozenSettings
from tocsin.config.inputs.clipping import ClippingSettings


class InputsSettings(FrozenSettings):
    """What is done to the features of an event before any expert sees them."""

    clipping: ClippingSettings = ClippingSettings()
