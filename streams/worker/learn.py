"""Learn: fold the feedback log into the model, in its order. Nothing else teaches a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError

from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import FeedbackBatch, Floats, PredictionContext
from tocsin.streams.state.store import Transaction, fingerprint
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder, describe
from tocsin.streams.wire.records import Feedback


class FeedbackError(Exception):
    """The feedback log holds what Tocsin did not write: the model cannot be folded past it."""


class Learn:
    """Teaches one classifier from raw feedback records."""

    def __init__(self, classifier: Classifier, decoder: Decoder, known_most: int, classes_most: int) -> None:
        self._classifier = classifier
        self._decoder = decoder
        self._known_most = known_most
        self._classes_most = classes_most

    def takes(self, label: str) -> bool:
        """Whether the model knows this class or has room for one more."""
        classes = self._classifier.classes
        return len(classes) < self._classes_most or label in classes

    def __call__(self, records: Sequence[Record], transaction: Transaction) -> int:
        """Learn the records that the model has not learnt yet; returns how many.

        Every record's label is noted as known, so that it is not joined again. A class for which the model has no
        room is passed over: which one came too late depends on the log alone. Raises FeedbackError.
        """
        feedback = [(record, self._parsed(record)) for record in records]
        for _, item in feedback:
            note_known(item, transaction, self._known_most)
        new = [(record, item) for record, item in feedback if record.offset >= self._classifier.feedback_offset]
        if not new:
            return 0
        fitting = self._fitting(new)
        if fitting:
            self._classifier.learn(self._columns(fitting))
        self._classifier.feedback_offset = new[-1][0].offset + 1
        return len(fitting)

    def _fitting(self, feedback: Sequence[tuple[Record, dict[str, Any]]]) -> list[tuple[Record, dict[str, Any]]]:
        """Those whose class is known, or among the first for which there is room."""
        classes = set(self._classifier.classes)
        fitting = []
        for record, item in feedback:
            if item["label"] in classes or len(classes) < self._classes_most:
                classes.add(item["label"])
                fitting.append((record, item))
        return fitting

    @staticmethod
    def _parsed(record: Record) -> dict[str, Any]:
        try:
            item: dict[str, Any] = orjson.loads(record.value or b"")
            names = item["event"]["id"], item["event"]["subject"], item["label"], item["source"] or "", item["about"]
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise _foreign(record, error) from error
        if not all(isinstance(name, str) for name in names):
            raise _foreign(record, TypeError("a name is no string"))
        if type(item.get("weight")) not in (int, float) or not isinstance(item.get("posts"), list):
            raise _foreign(record, TypeError("weight or posts"))
        return item

    def _columns(self, records: Sequence[tuple[Record, dict[str, Any]]]) -> FeedbackBatch:
        try:
            return self._batch([item for _, item in records])
        except (TypeError, KeyError, ValueError, AttributeError):
            for record, item in records:  # one of them is to blame
                try:
                    Feedback.model_validate(item)
                    self._batch([item])
                except (TypeError, KeyError, ValueError, AttributeError) as error:
                    raise _foreign(record, error) from error
            raise

    def _batch(self, feedback: Sequence[dict[str, Any]]) -> FeedbackBatch:
        return FeedbackBatch(
            batch=self._decoder.batch([item["event"] for item in feedback]),
            labels=[item["label"] for item in feedback],
            weight=np.array([item["weight"] for item in feedback], np.float64),
            seen=[_seen(item["saw"]) for item in feedback],
            posts=[item["posts"] for item in feedback],
        )


def _foreign(record: Record, error: Exception) -> FeedbackError:
    why = describe(error) if isinstance(error, ValidationError) else repr(error)
    return FeedbackError(
        f"{record.topic}, partition {record.partition}, offset {record.offset} is no feedback record ({why}): "
        "only Tocsin may write to this topic"
    )


def _seen(saw: dict[str, Any] | None) -> PredictionContext | None:
    if saw is None:
        return None
    evidence = np.array(saw["evidence"], np.float64)
    plain, ratio = _row(saw.get("plain")), _row(saw.get("ratio"))
    if (-1 if plain is None else len(plain)) != (-1 if ratio is None else len(ratio)):
        raise ValueError("plain and ratio are of one length")
    return PredictionContext(
        history=saw["history"],
        subject_label=saw["subject_label"],
        evidence=evidence.reshape(len(saw["evidence"]), -1),
        betp=np.array(saw["betp"], np.float64),
        threshold=math.inf if saw["threshold"] is None else saw["threshold"],
        learnt=saw["learnt"],
        limits=saw.get("limits"),
        nonconformity=saw.get("nonconformity"),
        plain=plain,
        ratio=ratio,
    )


def label_key(about: str, identity: str) -> bytes:
    """What a label is asked for by: an event's id or a subject's name."""
    return fingerprint(about, identity)


def note_known(item: dict[str, Any], transaction: Transaction, most: int) -> None:
    """Note that the feedback log holds this label."""
    about = item["about"]
    identity = item["event"]["id"] if about == "event" else item["event"]["subject"]
    key, source = label_key(about, identity), item["source"] or ""
    transaction.set_known_label(key, source, item["label"], most)
    transaction.drop_waiting(key, source, item["label"])


def _row(values: list[float] | None) -> Floats | None:
    return None if values is None else np.array(values, np.float64)
