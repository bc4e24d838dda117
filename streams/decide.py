"""Decide: a micro-batch of events to decisions, alerts and reviews, and what to keep of each until its label comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tocsin.config.settings import Settings
from tocsin.explain.decision import Explainer
from tocsin.models.batch import Floats
from tocsin.models.classifier import Classifier, Scores
from tocsin.models.early_risk import SubjectRisk, accumulate
from tocsin.models.text_expert import TextExpert
from tocsin.streams.decode import DecodedEvent, Decoder
from tocsin.streams.outputs import Output, encode, finite
from tocsin.streams.state import Transaction

SEGMENT = "default"


@dataclass(frozen=True, slots=True)
class Decided:
    """One event with its decision."""

    event: dict[str, Any]
    decision: dict[str, Any]
    outputs: list[Output]
    entry: dict[str, Any]
    """What to keep with the event until its label comes: the event, its partition, the decision without explanation,
    what was seen."""


class Decide:
    """Turns events into decisions with one classifier."""

    def __init__(self, settings: Settings, classifier: Classifier, decoder: Decoder) -> None:
        self._settings = settings
        self._classifier = classifier
        self._decoder = decoder
        self._explainer = Explainer(classifier, settings.explanation)
        self._digest = classifier.digest
        self._text_experts = [i for i, e in enumerate(classifier.experts) if isinstance(e, TextExpert)]
        self.last: Scores | None = None
        """The scores of the last batch, for telemetry."""

    def __call__(self, events: Sequence[DecodedEvent], transaction: Transaction, now: int) -> list[Decided]:
        """Decide events at one instant (epoch ms)."""
        if not events:
            return []
        scores = self._classifier.score(self._decoder.batch([decoded.event for decoded in events]))
        self.last = scores
        return [self._one(decoded, scores, i, transaction, now) for i, decoded in enumerate(events)]

    def _one(self, decoded: DecodedEvent, scores: Scores, i: int, transaction: Transaction, now: int) -> Decided:
        event, topics = decoded.event, self._settings.topics
        decision = self._decision(event, scores, i, now)
        entry_decision = {**decision, "explanation": None}
        key = event["subject"].encode()
        outputs: list[Output] = []
        if self._settings.early_risk.classes:
            risk, ringing = self._early_risk(event["subject"], scores, i, transaction)
            decision["risk"] = entry_decision["risk"] = risk
            alerts = [self._alert(event, c, risk, decision["explanation"]) for c in ringing]
            outputs += [Output(topics.alerts, key, encode(alert), decoded.record.headers) for alert in alerts]
        outputs.insert(0, Output(topics.decisions, key, encode(decision), decoded.record.headers))
        if decision["status"] == "abstained":
            review = {"event": event, "decision": decision}
            outputs.append(Output(topics.review, key, encode(review), decoded.record.headers))
        entry = {
            "event": event,
            "decision": entry_decision,
            "saw": saw(scores, i),
            "partition": decoded.record.partition,
        }
        return Decided(event, decision, outputs, entry)

    def _decision(self, event: dict[str, Any], scores: Scores, i: int, now: int) -> dict[str, Any]:
        decided = bool(scores.decided[i])
        return {
            "event": event["id"],
            "subject": event["subject"],
            "time": event["time"],
            "decided_at": now,
            "status": "decided" if decided else "abstained",
            "label": scores.classes[scores.label[i]] if decided else None,
            "belief": dict(zip(scores.classes, scores.belief[i].tolist(), strict=True)),
            "uncertainty": float(scores.uncertainty[i]),
            "conflict": float(scores.conflict[i]),
            "reason": scores.reasons[i],
            "set": [c for c, within in zip(scores.classes, scores.sets[i].tolist(), strict=True) if within],
            "explanation": self._explainer.explain(scores, i),
            "model": {
                "feedback_offset": self._classifier.feedback_offset,
                "config": self._digest,
                "segment": SEGMENT,
            },
        }

    def _early_risk(
        self, subject: str, scores: Scores, i: int, transaction: Transaction
    ) -> tuple[dict[str, Any], list[str]]:
        """The subject's state after this event, and the classes that ring now."""
        kept = transaction.subject(subject)
        state = SubjectRisk(**kept) if kept else SubjectRisk()
        ringing = accumulate(state, self._contribution(scores, i), list(scores.classes), self._settings.early_risk)
        result = asdict(state)
        transaction.set_subject(subject, result, self._settings.bounds.subjects)
        return result, ringing

    def _contribution(self, scores: Scores, i: int) -> Floats:
        """What one event adds to its subject's risk [K]: the text experts' evidence, else the pignistic probability."""
        if not self._text_experts:
            betp: Floats = scores.betp[i]
            return betp
        evidence: Floats = np.sum(scores.evidence[i, self._text_experts], axis=0)
        return evidence

    @staticmethod
    def _alert(event: dict[str, Any], name: str, risk: dict[str, Any], explanation: Any) -> dict[str, Any]:
        return {
            "subject": event["subject"],
            "class": name,
            "time": event["time"],
            "delay": risk["alerts"][name],
            "risk": risk["risk"].get(name, 0.0),
            "explanation": explanation,
        }


def saw(scores: Scores, i: int) -> dict[str, Any]:
    """What the model saw of event i, as `tocsin.streams.records.Saw`."""
    seen = scores.seen(i)
    return {
        "history": seen.history,
        "subject_label": seen.subject_label,
        "evidence": np.ascontiguousarray(seen.evidence),
        "betp": np.ascontiguousarray(seen.betp),
        "threshold": finite(seen.threshold),
        "learnt": seen.learnt,
    }
