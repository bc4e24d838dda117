"""What: experts, router, evidence, abstention. Compatible with river; knows no Kafka."""

from tocsin.models.classifier import Classifier, UnknownClassError
from tocsin.models.data.batch import Batch, FeedbackBatch, PredictionContext
from tocsin.models.decision.scores import Scores
from tocsin.models.driftmoe import DriftMoE
from tocsin.models.experts.base import Expert, SnapshotError
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
