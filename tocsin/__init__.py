"""Streaming classification on Kafka: experts that keep learning from late labels, explain their decisions, and abstain.

The names below are those that users need from Python. Each is imported when it is first used, so that `import tocsin`
alone costs nothing.
"""

from __future__ import annotations

import importlib
import typing

from tocsin.version import __version__

if typing.TYPE_CHECKING:
    from tocsin.models import SS3, Classifier, DriftMoE, HoeffdingTree

__all__ = ["SS3", "Classifier", "DriftMoE", "HoeffdingTree", "__version__"]


def __getattr__(name: str) -> object:
    """Import a model by its name. Raises AttributeError for any other name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tocsin.models"), name)


def __dir__() -> list[str]:
    """What editors and shells offer: the names above, whether they are imported yet or not."""
    return __all__
