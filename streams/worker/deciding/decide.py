"""Decide: a micro-batch of events to decisions, alerts and reviews, and what to keep of each until its label comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import msgspec
import numpy as np

from tocsin.config.settings import Settings
from tocsin.explain.decision import Explainer
from tocsin.explain.explanation import Explanation
from tocsin.models.classifier import Classifier
from tocsin.models.decision.prior_shift import StreamPriors
from tocsin.models.decision.scores import Scores
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.pending import PendingEvent
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.context import context_to_wire
from tocsin.streams.wire.decode import DecodedEvent, Decoder
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.records import Decision, Event, ModelVersion, Reason, Review
from tocsin.streams.worker.deciding.early_risk import EarlyRisk, SubjectAfter
from tocsin.streams.worker.deciding.review_budget import Budget, decidable, doubt_in, reviewable, share

SEGMENT = "default"


class Decided(NamedTuple):
    """One event with its decision."""

    decision: Decision
    outputs: list[Output]
    """The decision first, then alerts and what goes to review."""
    pending: PendingEvent
    """What to keep of the event until its label comes."""


class _OverBudget(NamedTuple):
    """An event that would have gone to review, had the budget not been spent."""

    reason: Reason
    """Why it would have gone."""
    decidable: bool
    """Whether it is decided instead; else it is abstained from, and goes to nobody."""


class _Findings(NamedTuple):
    """What is found out of one event beside its scores."""

    over_budget: _OverBudget | None
    explanation: Explanation | None
    subject: SubjectAfter | None


class Decide:
    """Turns events into decisions with one classifier."""

    def __init__(self, settings: Settings, classifier: Classifier, decoder: Decoder) -> None:
        self._settings = settings
        self._classifier = classifier
        self._decoder = decoder
        self._explainer = Explainer(classifier, settings.explanation)
        self._early_risk = EarlyRisk(settings, classifier)
        self._digest, self._config_digest = classifier.digest, settings.digest()
        self.partitions = 1
        """Of the events, among which the budget of reviews is shared."""
        self.last: Scores | None = None
        """The scores of the last batch, for telemetry."""

    def __call__(self, events: Sequence[DecodedEvent], transaction: Transaction, now: int) -> list[Decided]:
        """Decide events at one instant (epoch ms), and write what they changed of their partitions and subjects."""
        if not events:
            return []
        notes, subjects = transaction.notes, transaction.subjects
        batch = self._decoder.batch([decoded.event for decoded in events])
        batch = self._early_risk.with_subject_texts(batch, subjects)
        priors = self._read_priors(events, notes)
        budgets = self._read_budgets(events, notes)

        self.last = scores = self._classifier.score(batch, priors)
        over_budget = self._spend(budgets, events, scores)
        explanations = [self._explainer.explain(scores, i) for i in range(len(events))]
        after = self._early_risk.fold([decoded.event for decoded in events], scores, subjects)

        for partition, state in scores.priors.items():
            notes.set_priors(partition, self._digest, state)
        for partition, budget in budgets.items():
            if budget.changed:
                notes.set_budget(partition, budget.state())
        subjects.write()

        findings = [_Findings(*found) for found in zip(over_budget, explanations, after, strict=True)]
        return [self._decided(events[i], scores, i, findings[i], now) for i in range(len(events))]

    def _read_priors(self, events: Sequence[DecodedEvent], notes: Notes) -> StreamPriors | None:
        """The class priors of late of each partition that the events come from."""
        if not self._settings.prior_shift.enabled:
            return None
        partition = np.array([decoded.record.partition for decoded in events])
        states = {int(p): notes.priors(int(p), self._digest) for p in np.unique(partition)}
        return StreamPriors(partition, states)

    def _read_budgets(self, events: Sequence[DecodedEvent], notes: Notes) -> dict[int, Budget]:
        """What each partition that the events come from spent of the budget of reviews; nothing without a budget."""
        if self._settings.abstention.budget is None:
            return {}
        partitions = dict.fromkeys(decoded.record.partition for decoded in events)
        return {partition: Budget(notes.budget(partition)) for partition in partitions}

    def _spend(
        self, budgets: dict[int, Budget], events: Sequence[DecodedEvent], scores: Scores
    ) -> list[_OverBudget | None]:
        """Spend the budget of reviews on the events that were abstained from; returns those for which it is spent."""
        over: list[_OverBudget | None] = [None] * len(events)
        budget = self._settings.abstention.budget
        if budget is None:
            return over
        doubt = doubt_in(scores.belief, scores.uncertainty)
        for i in np.flatnonzero(~scores.decided).tolist():
            partition, reason = events[i].record.partition, _reason(scores, i)
            if not reviewable(reason, self._settings.review):
                continue
            most = share(budget, self.partitions, partition)
            if not budgets[partition].spend(most, events[i].event.time, float(doubt[i])) and reason is not None:
                over[i] = _OverBudget(reason, decidable(reason, float(doubt[i])))
        return over

    def _decided(self, decoded: DecodedEvent, scores: Scores, i: int, findings: _Findings, now: int) -> Decided:
        event, after = decoded.event, findings.subject
        decision = self._decision(event, scores, i, findings, now)
        topics, key, record = self._settings.topics, event.subject.encode(), decoded.record
        outputs = [Output(topics.decisions, key, encode(decision), record.headers, record)]
        for raised in [] if after is None else after.raised:
            assert after is not None
            alert = self._early_risk.alert(event, raised, after.state, findings.explanation)
            outputs.append(Output(topics.alerts, key, encode(alert), record.headers, record))
        abstained = decision.status == "abstained" and findings.over_budget is None
        if abstained and reviewable(decision.reason, self._settings.review):
            outputs.append(Output(topics.review, key, encode(Review(event, decision)), record.headers, record))
        pending = PendingEvent(
            event=event,
            decision=msgspec.structs.replace(decision, explanation=None),
            context=context_to_wire(scores.context(i)),
            partition=decoded.record.partition,
            content=decoded.content,
        )
        return Decided(decision, outputs, pending)

    def _decision(self, event: Event, scores: Scores, i: int, findings: _Findings, now: int) -> Decision:
        over = findings.over_budget
        decided = bool(scores.decided[i]) or (over is not None and over.decidable)
        priors = scores.ratio[i].tolist() if scores.ratio is not None and scores.follows(i) else None
        return Decision(
            event=event.id,
            subject=event.subject,
            time=event.time,
            decided_at=now,
            status="decided" if decided else "abstained",
            label=scores.classes[scores.label[i]] if decided else None,
            belief=dict(zip(scores.classes, scores.belief[i].tolist(), strict=True)),
            uncertainty=float(scores.uncertainty[i]),
            conflict=float(scores.conflict[i]),
            reason=None if decided else _reason(scores, i),
            set=[c for c, within in zip(scores.classes, scores.sets[i].tolist(), strict=True) if within],
            explanation=findings.explanation,
            model=self._version(),
            over_budget=self._said_of_budget(over),
            priors=None if priors is None else dict(zip(scores.classes, priors, strict=True)),
            risk=None if findings.subject is None else findings.subject.state,
        )

    def _version(self) -> ModelVersion:
        return ModelVersion(self._classifier.feedback_offset, self._digest, SEGMENT, self._config_digest)

    def _said_of_budget(self, over: _OverBudget | None) -> Reason | msgspec.UnsetType | None:
        """What a decision says of the budget; nothing where there is none."""
        if self._settings.abstention.budget is None:
            return msgspec.UNSET
        return None if over is None else over.reason


def _reason(scores: Scores, i: int) -> Reason | None:
    """Why an event was abstained from."""
    return cast("Reason | None", scores.reasons[i])
