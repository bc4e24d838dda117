"""Decide: a micro-batch of events to decisions, alerts and reviews, and what to keep of each until its label comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
import numpy as np

from tocsin.config.alert.budget import rate_of
from tocsin.config.settings import Settings
from tocsin.explain.brief import Explanations
from tocsin.explain.decision import Explainer
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.decision_texts import decision_texts, ending
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.event_columns import EventColumns, batch_of
from tocsin.streams.wire.kinds.novelty import NovelGroup
from tocsin.streams.wire.packed.events import More, read_packed, unpacked
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.packed.packing import Verdicts, layout_of, packed_batch
from tocsin.streams.wire.records import ModelVersion, Reason, Shed, SubjectState
from tocsin.streams.worker.deciding.early_risk import EarlyRisk, SubjectAfter
from tocsin.streams.worker.deciding.event_alerts import EventAlerts
from tocsin.streams.worker.deciding.novel_groups import NovelGroupsKeeper
from tocsin.streams.worker.deciding.profiling import Profiling
from tocsin.streams.worker.deciding.quick_labels import asked_for
from tocsin.streams.worker.deciding.review_budget import Budget, decidable, doubt_in, reviewable, share
from tocsin.streams.worker.deciding.traffic import TrafficKeeper, traffic_ratios

SEGMENT = "default"
FEW = 3
"""So few events are written one by one, which takes less time than arrays do."""


class DecidedBatch(NamedTuple):
    """B events with their decisions."""

    events: EventColumns
    outputs: list[list[Output]]
    """Of each event: the decision first, then alerts and what goes to review."""
    layout: Layout
    packed: list[bytes]
    """What to keep of each event until its label comes."""
    label: list[str | None]
    """The class that each was decided for."""
    reasons: Sequence[str | None]
    """Why each was abstained from."""
    over_budget: int
    """Events that would have gone to review, had the budget not been spent."""
    quick: int
    """Events for which a quick label was asked."""


class _OverBudget(NamedTuple):
    """An event that would have gone to review, had the budget not been spent."""

    reason: Reason
    """Why it would have gone."""
    decidable: bool
    """Whether it is decided instead; else it is abstained from, and goes to nobody."""


class _Said(NamedTuple):
    """What the budgets and the subject make of each of B events."""

    over_budget: Sequence[_OverBudget | None]
    after: Sequence[SubjectAfter | None]
    alerts: Sequence[float | None]
    """The threshold of alerts that an event reached which raises one."""
    novelty: Mapping[int, NovelGroup]
    """By row, the group of each novel event that goes to review."""

    def raises(self, i: int) -> bool:
        """Whether event i raises any alert."""
        after = self.after[i]
        return self.alerts[i] is not None or (after is not None and bool(after.raised))


class Decide:
    """Turns events into decisions with one classifier."""

    def __init__(self, settings: Settings, classifier: Classifier, decoder: Decoder) -> None:
        self._settings = settings
        self._classifier = classifier
        self._decoder = decoder
        self._explainer = Explainer(classifier, settings.explanation)
        self._explanations = Explanations(self._explainer, encode)
        self._early_risk = EarlyRisk(settings, classifier)
        self._event_alerts = EventAlerts(settings)
        budget = settings.abstention.budget
        self._reviews = None if budget is None else rate_of(budget)
        self._profiling = Profiling(settings)
        self._digest, self._config_digest = classifier.digest, settings.digest()
        self.traffic = TrafficKeeper(classifier)
        self.novel_groups = NovelGroupsKeeper(settings.abstention, classifier)
        self.partitions = 1
        """Of the events, among which the budgets of reviews and alerts are shared."""
        self.shed: Shed | None = None
        """What is given up, because the worker is too far behind."""
        self.last: Scores | None = None
        """The scores of the last batch, for telemetry."""

    def go_on_from(self, before: Decide) -> None:
        """Decide as the worker stands, in place of another one."""
        self.partitions, self.shed, self.last = before.partitions, before.shed, before.last

    def __call__(self, events: EventColumns, transaction: Transaction, now: int) -> DecidedBatch:
        """Decide events at one instant (epoch ms), and write what they changed of their partitions and subjects."""
        notes, subjects = transaction.notes, transaction.subjects
        batch = batch_of(events, self._decoder.kinds)
        batch = self._profiling.with_profiles(events, batch, transaction.profiles, self._classifier)
        batch = self._early_risk.with_subject_texts(batch, subjects)
        streams = self._read_streams(events, notes)
        budgets = self._read_budgets(events, notes)

        share = self._settings.overload.share if self.shed == "experts" else 1.0
        self.last = scores = self._classifier.score(batch, streams, share)
        over_budget = self._spend(budgets, events, scores)
        novelty = self.novel_groups.join(events, scores, lambda i: over_budget[i] is None, notes)
        alerts = self._event_alerts.thresholds(events, scores, notes, self.partitions)
        after = self._early_risk.fold(events, scores, subjects)

        for partition, state in scores.priors.items():
            notes.set_priors(partition, self._digest, state)
        self.traffic.write(notes, scores)
        for partition, budget in budgets.items():
            if budget.changed and self._reviews is not None:
                notes.set_budget(partition, budget.state(), self._reviews.period)
        subjects.write()
        said = _Said(over_budget, after, alerts, novelty)
        return self._decided(events, scores, self._verdicts(scores, over_budget, now), said)

    def _read_streams(self, events: EventColumns, notes: Notes) -> Streams | None:
        """What came of late in each partition that the events come from: class priors, and traffic."""
        follows = self._settings.prior_shift.enabled
        if not (follows or self.traffic.compares):
            return None
        partition = np.array([record.partition for record in events.records], np.int64)
        among = np.unique(partition).tolist()
        priors = {p: notes.priors(p, self._digest) for p in among if follows}
        return Streams(partition, priors, self.traffic.read(among, self.partitions, notes))

    def _read_budgets(self, events: EventColumns, notes: Notes) -> dict[int, Budget]:
        """What each partition that the events come from spent of the budget of reviews; nothing without a budget."""
        if self._reviews is None:
            return {}
        partitions, period = dict.fromkeys(record.partition for record in events.records), self._reviews.period
        return {partition: Budget(notes.budget(partition, period), period) for partition in partitions}

    def _spend(self, budgets: dict[int, Budget], events: EventColumns, scores: Scores) -> list[_OverBudget | None]:
        """Spend the budget of reviews on the events that were abstained from; returns those for which it is spent."""
        over: list[_OverBudget | None] = [None] * events.size
        if self._reviews is None:
            return over
        doubt = doubt_in(scores.belief, scores.uncertainty)
        for i in np.flatnonzero(~scores.decided).tolist():
            partition, reason = events.records[i].partition, _reason(scores, i)
            if not reviewable(reason, self._settings.review):
                continue
            most = share(self._reviews.number, self.partitions, partition)
            if not budgets[partition].spend(most, events.times[i], float(doubt[i])) and reason is not None:
                over[i] = _OverBudget(reason, decidable(reason, float(doubt[i])))
        return over

    def _verdicts(self, scores: Scores, over_budget: Sequence[_OverBudget | None], now: int) -> Verdicts:
        decided, reasons = scores.decided, scores.reasons
        turned = [i for i, over in enumerate(over_budget) if over is not None and over.decidable]
        if turned:
            decided, reasons = decided.copy(), list(reasons)
            decided[turned] = True
            for i in turned:
                reasons[i] = None
        return Verdicts(decided, np.where(decided, scores.label, -1), reasons, self._version(), now)

    def _decided(
        self,
        events: EventColumns,
        scores: Scores,
        verdicts: Verdicts,
        told: _Said,
    ) -> DecidedBatch:
        over_budget, after, alerts, novelty = told
        said = [self._said_of_budget(over) for over in over_budget]
        risks = [None if one is None else one.state for one in after]
        layout = layout_of(scores, self._decoder.layout, verdicts.model)
        more = [_more(*one) for one in zip(said, risks, alerts, strict=True)]
        packed = packed_batch(layout, events, scores, verdicts, more)
        kept = self._to_explain(verdicts, told)
        if events.size <= FEW:
            decisions = [self._plain(scores, i, layout, blob, i in kept) for i, blob in enumerate(packed)]
        else:
            texts = JsonTexts()
            explanations = self._explanations.columns_of(kept, scores, texts)
            few = zip(said, self._ratios(scores), risks, traffic_ratios(scores), alerts, strict=True)
            endings = [ending(budget, ratio, risk, self.shed, *rest) for budget, ratio, risk, *rest in few]
            profiles = self._profiling.columns
            decisions = decision_texts(events, scores, verdicts, explanations, endings, profiles, texts)
        outputs = [
            [Output(self._settings.topics.decisions, subject.encode(), decision, record.headers, record)]
            for subject, decision, record in zip(events.subjects, decisions, events.records, strict=True)
        ]
        for i in range(events.size):
            if told.raises(i):
                outputs[i] += self._alerts(events, scores, i, told)
        quick = asked_for(self._settings, self._classifier, events, scores)
        abstained = [i for i in np.flatnonzero(~verdicts.decided).tolist() if over_budget[i] is None]
        reviewed = [i for i in abstained if reviewable(verdicts.reasons[i], self._settings.review)]
        for i in sorted({*reviewed, *quick}):
            rest = _rest_of_review(quick.get(i), novelty.get(i))
            review = b'{"event":%b,"decision":%b%b}' % (encode(events.event(i)), decisions[i], rest)
            outputs[i].append(outputs[i][0]._replace(topic=self._settings.topics.review, value=review))
        label = [scores.classes[k] if k >= 0 else None for k in verdicts.label.tolist()]
        spent = sum(over is not None for over in over_budget)
        return DecidedBatch(events, outputs, layout, packed, label, verdicts.reasons, spent, len(quick))

    def _to_explain(self, verdicts: Verdicts, told: _Said) -> Ints:
        """The events that are explained: all, or those that people look at while explanations are given up."""
        rows = np.arange(len(told.alerts))
        if self.shed is None:
            return rows
        raised = np.array([told.raises(i) for i in rows.tolist()], np.bool_)
        return rows[~verdicts.decided | raised]

    def _plain(self, scores: Scores, i: int, layout: Layout, packed: bytes, explained: bool) -> bytes:
        """The record of decision i, by way of a struct; `packed` is what is kept of it."""
        decision = unpacked(layout, read_packed(packed)).decision
        assert decision is not None  # it was made just now
        explanation = self._explainer.explain(scores, i) if explained else None
        return encode(msgspec.structs.replace(decision, explanation=explanation, shed=self.shed))

    def _ratios(self, scores: Scores) -> list[dict[str, float] | None]:
        """By class, how much more frequent than usual it is taken to be; None for an event where that is not so."""
        B = len(scores.batch)
        if scores.ratio is None:
            return [None] * B
        ratios = scores.ratio.tolist()
        return [dict(zip(scores.classes, ratios[i], strict=True)) if scores.follows(i) else None for i in range(B)]

    def _alerts(self, events: EventColumns, scores: Scores, i: int, told: _Said) -> list[Output]:
        """The alerts that event i raised, for its subject and by itself."""
        explanation, event = self._explainer.explain(scores, i), events.event(i)
        record, after = events.records[i], told.after[i]
        alerts = []
        if after is not None:
            alerts += [self._early_risk.alert(event, raised, after.state, explanation) for raised in after.raised]
        if told.alerts[i] is not None:
            alerts.append(self._event_alerts.alert(event, self._event_alerts.probability(scores, i), explanation))
        key = event.subject.encode()
        return [Output(self._settings.topics.alerts, key, encode(alert), record.headers, record) for alert in alerts]

    def _version(self) -> ModelVersion:
        return ModelVersion(self._classifier.feedback_offset, self._digest, SEGMENT, self._config_digest)

    def _said_of_budget(self, over: _OverBudget | None) -> Reason | msgspec.UnsetType | None:
        """What a decision says of the budget; nothing where there is none."""
        if self._reviews is None:
            return msgspec.UNSET
        return None if over is None else over.reason


def _rest_of_review(quick: int | None, novelty: NovelGroup | None) -> bytes:
    """What a review says beside its event and its decision."""
    soon = b"" if quick is None else b',"quick_within":%d' % quick
    return soon if novelty is None else soon + b',"novelty":' + encode(novelty)


def _more(said: str | msgspec.UnsetType | None, risk: SubjectState | None, alert: float | None) -> More | None:
    """What is packed of a decision beside its numbers."""
    if said is msgspec.UNSET and risk is None and alert is None:
        return None
    more = More(risk=risk, alert=alert)
    return more if said is msgspec.UNSET else msgspec.structs.replace(more, over_budget=said)


def _reason(scores: Scores, i: int) -> Reason | None:
    """Why an event was abstained from."""
    return cast("Reason | None", scores.reasons[i])
