"""What: experts, router, evidence, abstention. Compatible with river; knows no Kafka."""

from tocsin.models.batch import Batch, FeedbackBatch, Seen
from tocsin.models.classifier import Classifier, UnknownClassError
from tocsin.models.driftmoe import DriftMoE
from tocsin.models.expert import Expert, SnapshotError
from tocsin.models.scores import Scores
from tocsin.models.ss3 import SS3
from tocsin.models.tree import HoeffdingTree

__all__ = [
    "SS3",
    "Batch",
    "Classifier",
    "DriftMoE",
    "Expert",
    "FeedbackBatch",
    "HoeffdingTree",
    "Scores",
    "Seen",
    "SnapshotError",
    "UnknownClassError",
]
