"""Decide: a micro-batch of events to decisions, alerts and reviews, and what to keep of each until its label comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tocsin.config.settings import Settings
from tocsin.explain.decision import Explainer
from tocsin.explain.tipping import tipping
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.decision.prior_shift import RecentPriors, Shift
from tocsin.models.decision.scores import Scores
from tocsin.models.early_risk.policies import (
    Post,
    Ring,
    SubjectRisk,
    ringing,
)
from tocsin.models.experts.base import Reader
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.decode import DecodedEvent, Decoder
from tocsin.streams.wire.encode import Output, encode, finite
from tocsin.streams.worker.peer_baselines import spread_of
from tocsin.streams.worker.review_budget import (
    Budget,
    decidable,
    doubt_in,
    share,
)

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
        self._of_one_post = [
            i for i, e in enumerate(classifier.experts) if isinstance(e, Reader) and not e.whole_subject
        ]
        self._followers = [expert.name for expert in classifier.followers]
        self._keeps_subjects = bool(settings.early_risk.classes or self._followers)
        self._spread_of = spread_of(settings.early_risk)
        self._budget = settings.abstention.budget
        self.partitions = 1
        """Of the events, among which the budget of reviews is shared."""
        self.last: Scores | None = None
        """The scores of the last batch, for telemetry."""

    def __call__(self, events: Sequence[DecodedEvent], transaction: Transaction, now: int) -> list[Decided]:
        """Decide events at one instant (epoch ms)."""
        if not events:
            return []
        batch = self._decoder.batch([decoded.event for decoded in events])
        scores = self._classifier.score(self._with_threads(batch, transaction), self._shift(events, transaction))
        self.last = scores
        over = self._over_budget(events, scores, transaction)
        return [self._one(decoded, scores, i, over[i], transaction, now) for i, decoded in enumerate(events)]

    def _shift(self, events: Sequence[DecodedEvent], transaction: Transaction) -> Shift | None:
        """What the priors of late of each partition make of its events."""
        settings = self._settings.prior_shift
        if not settings.enabled:
            return None
        partition = np.array([decoded.record.partition for decoded in events])

        def shift(betp: Floats, usual: Floats) -> Floats:
            ratios = np.empty_like(betp)
            for index in np.unique(partition).tolist():
                recent = RecentPriors(settings, transaction.priors(index, self._digest))
                ratios[partition == index] = recent.ratios(betp[partition == index], usual)
                transaction.set_priors(index, self._digest, recent.kept())
            return ratios

        return shift

    def _over_budget(
        self, events: Sequence[DecodedEvent], scores: Scores, transaction: Transaction
    ) -> list[str | None]:
        """Why events would have gone to review, had the budget not been spent; None for all others."""
        over: list[str | None] = [None] * len(events)
        if self._budget is None:
            return over
        budgets: dict[int, Budget] = {}
        doubt = doubt_in(scores.belief, scores.uncertainty)
        for i in np.flatnonzero(~scores.decided).tolist():
            partition = events[i].record.partition
            if partition not in budgets:
                budgets[partition] = Budget(transaction.budget(partition))
            most = share(self._budget, self.partitions, partition)
            if not budgets[partition].spend(most, events[i].event["time"], float(doubt[i])):
                over[i] = scores.reasons[i]
        for partition, budget in budgets.items():
            transaction.set_budget(partition, budget.kept())
        return over

    def _with_threads(self, batch: Batch, transaction: Transaction) -> Batch:
        """The batch with what its subjects wrote before, for the experts that read it."""
        if not self._followers:
            return batch
        threads: dict[tuple[str, str], SubjectText] = {}
        for subject in dict.fromkeys(batch.subjects):
            kept = transaction.subject(subject) or {}
            for name in self._followers:
                if name in kept.get("threads", {}):
                    threads[name, subject] = SubjectText.of(kept["threads"][name])
        return replace(batch, threads=threads)

    def _one(
        self, decoded: DecodedEvent, scores: Scores, i: int, over: str | None, transaction: Transaction, now: int
    ) -> Decided:
        event, topics = decoded.event, self._settings.topics
        decision = self._decision(event, scores, i, over, now)
        entry_decision = {**decision, "explanation": None}
        key = event["subject"].encode()
        outputs: list[Output] = []
        if self._keeps_subjects:
            risk, rings = self._early_risk(event, scores, i, transaction)
            decision["risk"] = entry_decision["risk"] = risk
            alerts = [self._alert(event, ring, risk, decision["explanation"]) for ring in rings]
            outputs += [Output(topics.alerts, key, encode(alert), decoded.record.headers) for alert in alerts]
        outputs.insert(0, Output(topics.decisions, key, encode(decision), decoded.record.headers))
        if decision["status"] == "abstained" and over is None:
            review = {"event": event, "decision": decision}
            outputs.append(Output(topics.review, key, encode(review), decoded.record.headers))
        entry = {
            "event": event,
            "decision": entry_decision,
            "saw": saw(scores, i),
            "partition": decoded.record.partition,
        }
        return Decided(event, decision, outputs, entry)

    def _decision(self, event: dict[str, Any], scores: Scores, i: int, over: str | None, now: int) -> dict[str, Any]:
        one = slice(i, i + 1)
        turned = over is not None and decidable(over, float(doubt_in(scores.belief[one], scores.uncertainty[one])[0]))
        decided = bool(scores.decided[i]) or turned
        decision = {
            "event": event["id"],
            "subject": event["subject"],
            "time": event["time"],
            "decided_at": now,
            "status": "decided" if decided else "abstained",
            "label": scores.classes[scores.label[i]] if decided else None,
            "belief": dict(zip(scores.classes, scores.belief[i].tolist(), strict=True)),
            "uncertainty": float(scores.uncertainty[i]),
            "conflict": float(scores.conflict[i]),
            "reason": None if decided else scores.reasons[i],
            "set": [c for c, within in zip(scores.classes, scores.sets[i].tolist(), strict=True) if within],
            "explanation": self._explainer.explain(scores, i),
            "model": {
                "feedback_offset": self._classifier.feedback_offset,
                "config": self._digest,
                "segment": SEGMENT,
            },
        }
        if self._budget is not None:
            decision["over_budget"] = over
        if scores.ratio is not None and scores.follows(i):
            decision["priors"] = dict(zip(scores.classes, scores.ratio[i].tolist(), strict=True))
        return decision

    def _early_risk(
        self, event: dict[str, Any], scores: Scores, i: int, transaction: Transaction
    ) -> tuple[dict[str, Any], list[Ring]]:
        """The subject's state after this event, and the classes that ring now."""
        settings, subject = self._settings.early_risk, event["subject"]
        kept = transaction.subject(subject)
        state = SubjectRisk(**kept) if kept else SubjectRisk()
        rings = ringing(
            state,
            self._contribution(scores, i),
            list(scores.classes),
            settings,
            Post(event["id"], event["time"], scores.betp[i]),
            transaction.spread(self._spread_of),
        )
        for name, threads in scores.threads.items():
            state.threads[name] = threads[i].plain()
        result = state.plain()
        transaction.set_subject(subject, result, self._settings.bounds.subjects, self._spread_of)
        return result, rings

    def _contribution(self, scores: Scores, i: int) -> Floats:
        """What one event adds to its subject's risk [K]: the evidence of experts that read its own text, else BetP."""
        if not self._of_one_post:
            betp: Floats = scores.betp[i]
            return betp
        evidence: Floats = np.sum(scores.evidence[i, self._of_one_post], axis=0)
        return evidence

    def _alert(self, event: dict[str, Any], ring: Ring, risk: dict[str, Any], explanation: Any) -> dict[str, Any]:
        policy = self._settings.early_risk.policy
        return {
            "subject": event["subject"],
            "class": ring.name,
            "time": event["time"],
            "delay": risk["alerts"][ring.name],
            "risk": ring.score if policy == "fused" else risk["risk"].get(ring.name, 0.0),
            "explanation": explanation and {**explanation, "alert": tipping(policy, ring)},
        }


def saw(scores: Scores, i: int) -> dict[str, Any]:
    """What the model saw of event i, as `tocsin.streams.wire.records.Saw`."""
    seen = scores.seen(i)
    result = {
        "history": seen.history,
        "subject_label": seen.subject_label,
        "evidence": np.ascontiguousarray(seen.evidence),
        "betp": np.ascontiguousarray(seen.betp),
        "threshold": finite(seen.threshold),
        "learnt": seen.learnt,
    }
    asked = {
        "limits": seen.limits,
        "nonconformity": seen.nonconformity,
        "plain": None if seen.plain is None else np.ascontiguousarray(seen.plain),
        "ratio": None if seen.ratio is None else np.ascontiguousarray(seen.ratio),
    }
    return result | {name: value for name, value in asked.items() if value is not None}
