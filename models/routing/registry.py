"""The kinds of routers by the name that a config gives them."""

from __future__ import annotations

import importlib

from tocsin.config.model import ModelSettings
from tocsin.models.routing.base import Router

KINDS = {
    "multi-hot": "tocsin.models.routing.multi_hot:MultiHotRouter",
    "reliability": "tocsin.models.routing.reliability:ReliabilityRouter",
    "skill": "tocsin.models.routing.skill:SkillRouter",
}
"""Where the class of each kind stands. It is imported when a config names it: the multi-hot router needs torch."""


def build_router(settings: ModelSettings, experts: int, features: int) -> Router:
    """The router that the config names, for E experts and F features.

    Raises ValueError where it needs a library that is not installed.
    """
    module, _, name = KINDS[settings.router.kind].partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ValueError(
            f"router.kind: {settings.router.kind} needs torch, which is not installed: pip install 'tocsin[gpu]'"
        ) from None
    made: Router = kind.from_settings(settings, experts, features)
    return made
