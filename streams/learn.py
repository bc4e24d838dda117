"""Learn: fold the feedback log into the model, in its order. Nothing else teaches a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from tocsin.models.batch import FeedbackBatch, Seen
from tocsin.models.classifier import Classifier
from tocsin.streams.decode import Decoder
from tocsin.streams.logs.log import Record
from tocsin.streams.state import Transaction, fingerprint


class FeedbackError(Exception):
    """The feedback log holds what Tocsin did not write: the model cannot be folded past it."""


class Learn:
    """Teaches one classifier from raw feedback records."""

    def __init__(self, classifier: Classifier, decoder: Decoder, known_most: int) -> None:
        self._classifier = classifier
        self._decoder = decoder
        self._known_most = known_most

    def __call__(self, records: Sequence[Record], transaction: Transaction) -> int:
        """Learn the records that the model has not learnt yet; returns how many.

        Every record's label is noted as known, so that it is not joined again. Raises FeedbackError.
        """
        feedback = [(record, self._parsed(record)) for record in records]
        for _, item in feedback:
            note_known(item, transaction, self._known_most)
        new = [(record, item) for record, item in feedback if record.offset >= self._classifier.feedback_offset]
        if new:
            self._classifier.learn(self._columns([item for _, item in new]))
            self._classifier.feedback_offset = new[-1][0].offset + 1
        return len(new)

    @staticmethod
    def _parsed(record: Record) -> dict[str, Any]:
        try:
            item: dict[str, Any] = orjson.loads(record.value or b"")
            item["event"]["id"], item["label"], item["weight"]
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise FeedbackError(
                f"{record.topic}, partition {record.partition}, offset {record.offset} is no feedback record "
                f"({error}): only Tocsin may write to this topic"
            ) from error
        return item

    def _columns(self, feedback: Sequence[dict[str, Any]]) -> FeedbackBatch:
        return FeedbackBatch(
            batch=self._decoder.batch([item["event"] for item in feedback]),
            labels=[item["label"] for item in feedback],
            weight=np.array([item["weight"] for item in feedback], np.float64),
            seen=[_seen(item["saw"]) for item in feedback],
            posts=[item["posts"] for item in feedback],
        )


def _seen(saw: dict[str, Any] | None) -> Seen | None:
    if saw is None:
        return None
    evidence = np.array(saw["evidence"], np.float64)
    return Seen(
        history=saw["history"],
        subject_label=saw["subject_label"],
        evidence=evidence.reshape(len(saw["evidence"]), -1),
        betp=np.array(saw["betp"], np.float64),
        threshold=math.inf if saw["threshold"] is None else saw["threshold"],
        learnt=saw["learnt"],
    )


def label_key(about: str, identity: str) -> bytes:
    """What a label is asked for by: an event's id or a subject's name."""
    return fingerprint(about, identity)


def note_known(item: dict[str, Any], transaction: Transaction, most: int) -> None:
    """Note that the feedback log holds this label."""
    about = item["about"]
    identity = item["event"]["id"] if about == "event" else item["event"]["subject"]
    transaction.set_known_label(label_key(about, identity), item["source"] or "", item["label"], most)
