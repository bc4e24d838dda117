"""What: experts, router, evidence, abstention. Compatible with river; knows no Kafka."""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from tocsin.models.classifier import Classifier, UnknownClassError
    from tocsin.models.data.batch import Batch, PredictionContext
    from tocsin.models.data.feedback import FeedbackBatch
    from tocsin.models.data.snapshot import SnapshotError
    from tocsin.models.decision.scores import Scores
    from tocsin.models.driftmoe import DriftMoE
    from tocsin.models.experts.base import Expert
    from tocsin.models.hoeffding_tree import HoeffdingTree
    from tocsin.models.ss3.model import SS3

__all__ = [
    "SS3",
    "Batch",
    "Classifier",
    "DriftMoE",
    "Expert",
    "FeedbackBatch",
    "HoeffdingTree",
    "PredictionContext",
    "Scores",
    "SnapshotError",
    "UnknownClassError",
]
_MODULES = {
    "SS3": "ss3.model",
    "Batch": "data.batch",
    "Classifier": "classifier",
    "DriftMoE": "driftmoe",
    "Expert": "experts.base",
    "FeedbackBatch": "data.feedback",
    "HoeffdingTree": "hoeffding_tree",
    "PredictionContext": "data.batch",
    "Scores": "decision.scores",
    "SnapshotError": "data.snapshot",
    "UnknownClassError": "classifier",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for: the models of river that some need take seconds to load."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
