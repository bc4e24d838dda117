"""Streaming classification on Kafka: experts that keep learning from late labels, explain and abstain."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"
__all__ = ["SS3", "Classifier", "DriftMoE", "HoeffdingTree", "__version__"]

if TYPE_CHECKING:
    from tocsin.models.classifier import Classifier as Classifier
    from tocsin.models.driftmoe import DriftMoE as DriftMoE
    from tocsin.models.hoeffding_tree import HoeffdingTree as HoeffdingTree
    from tocsin.models.ss3 import SS3 as SS3


def __getattr__(name: str) -> object:
    """The models, loaded when they are first named: `import tocsin` alone costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("tocsin.models"), name)
