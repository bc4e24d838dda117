"""What: experts, router, evidence, abstention. Compatible with river; knows no Kafka."""

from tocsin.models.batch import Batch, FeedbackBatch, Seen
from tocsin.models.classifier import Classifier, Scores, UnknownClassError
from tocsin.models.expert import Expert, SnapshotError
from tocsin.models.ss3 import SS3

__all__ = [
    "SS3",
    "Batch",
    "Classifier",
    "Expert",
    "FeedbackBatch",
    "Scores",
    "Seen",
    "SnapshotError",
    "UnknownClassError",
]
