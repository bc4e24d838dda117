"""Decide: a micro-batch of events to decisions, alerts and reviews, and what to keep of each until its label comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from tocsin.config.settings import Settings
from tocsin.explain.brief import Explanations
from tocsin.explain.decision import Explainer
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.scores import Scores
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.decision_texts import decision_texts, ending
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.event_columns import EventColumns, batch_of
from tocsin.streams.wire.kinds.novelty import NovelGroup
from tocsin.streams.wire.packed.beside import SeenBeside, beside_of
from tocsin.streams.wire.packed.events import More, read_packed, unpacked
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.packed.packing import Verdicts, kept_of, layout_of, packed_batch
from tocsin.streams.wire.records import Decision, ModelVersion, Reason, Shed, SubjectState
from tocsin.streams.worker.circumstances.circumstances import Circumstances, Deciders, OverBudget, ToldOfEvents
from tocsin.streams.worker.circumstances.of_records import OfRecords
from tocsin.streams.worker.circumstances.of_state import OfState
from tocsin.streams.worker.deciding.quick_labels import asked_for
from tocsin.streams.worker.deciding.review_budget import reviewable
from tocsin.streams.worker.deciding.traffic import traffic_ratios

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


class JudgedEvents(NamedTuple):
    """B events that are decided, and of which no record is made yet."""

    events: EventColumns
    scores: Scores
    verdicts: Verdicts
    told: ToldOfEvents
    own: Floats | None
    """What profiles say of the events by those before them, [B, columns of events]."""

    def named(self) -> Ints:
        """The class of each event that it was decided for, else its most probable one, int64 [B]; -1 for none."""
        betp = self.scores.betp
        probable = betp.argmax(axis=1) if betp.shape[1] else np.full(self.events.size, -1)
        return np.where(self.verdicts.label >= 0, self.verdicts.label, probable).astype(np.int64)


class Decide:
    """Turns events into decisions with one classifier."""

    def __init__(
        self, settings: Settings, classifier: Classifier, decoder: Decoder, config_digest: str | None = None
    ) -> None:
        """`config_digest` is what decisions name their config by, where that is not the digest of the settings."""
        self._settings = settings
        self._classifier = classifier
        self._decoder = decoder
        self._explainer = Explainer(classifier, settings.explanation)
        self._explanations = Explanations(self._explainer, encode)
        self._deciders = Deciders(settings, classifier)
        self._digest, self._config_digest = classifier.digest, config_digest or settings.digest()
        self.traffic = self._deciders.traffic
        self.novel_groups = self._deciders.novel_groups
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
        return self.written(self.judge(events, transaction, now))

    def judge(
        self,
        events: EventColumns,
        transaction: Transaction,
        now: int,
        notes: Notes | None = None,
        own: Floats | None = None,
    ) -> JudgedEvents:
        """Decide events, and write what they changed of their partitions and subjects, but make no records.

        `notes` and `own` are those of `OfState`.
        """
        circumstances = OfState(self._deciders, transaction, self.partitions, notes, own)
        self.last = scores = self._score(events, circumstances, self.shed)
        told = circumstances.told(events, scores)
        verdicts = self._verdicts(scores, told.over_budget, now)
        return JudgedEvents(events, scores, verdicts, told, circumstances.own)

    def again(
        self, events: EventColumns, decisions: Sequence[Decision], before: Mapping[str, SubjectState]
    ) -> list[bytes]:
        """The decisions on events as this model writes them where all else is as earlier decisions on them say.

        `decisions` are those, in the order of the events; all have the same `shed`. `before` has the states of subjects
        before the first of their events. Nothing is kept. See `tocsin.streams.worker.circumstances.of_records`.
        """
        circumstances, shed = OfRecords(self._deciders, decisions, before), decisions[0].shed
        scores = self._score(events, circumstances, shed)
        told = circumstances.told(events, scores)
        verdicts = self._verdicts(scores, told.over_budget, np.array([one.decided_at for one in decisions], np.int64))
        explained = np.flatnonzero([one.explanation is not None for one in decisions])
        return self._texts(events, scores, verdicts, told, explained, shed)

    @property
    def reads_subjects(self) -> bool:
        """Whether what a subject wrote before has a part in its decisions."""
        return self._deciders.early_risk.reads_subjects

    @property
    def keeps_subjects(self) -> bool:
        """Whether decisions say how their subjects stand."""
        return self._deciders.early_risk.keeps_subjects

    def _score(self, events: EventColumns, circumstances: Circumstances, shed: Shed | None) -> Scores:
        batch = circumstances.with_profiles(events, batch_of(events, self._decoder.kinds))
        batch = circumstances.with_subject_texts(batch)
        share = self._settings.overload.share if shed == "experts" else 1.0
        return self._classifier.score(batch, circumstances.streams(events), share)

    def _verdicts(self, scores: Scores, over_budget: Sequence[OverBudget | None], decided_at: int | Ints) -> Verdicts:
        decided, reasons = scores.decided, scores.reasons
        turned = [i for i, over in enumerate(over_budget) if over is not None and over.decidable]
        if turned:
            decided, reasons = decided.copy(), list(reasons)
            decided[turned] = True
            for i in turned:
                reasons[i] = None
        return Verdicts(decided, np.where(decided, scores.label, -1), reasons, self._version(), decided_at)

    def seen(self, judged: JudgedEvents) -> list[SeenBeside]:
        """What this model saw of events that another one decides."""
        layout = layout_of(judged.scores, self._decoder.layout, judged.verdicts.model)
        return beside_of(layout, kept_of(layout, judged.events, judged.scores, judged.verdicts))

    def written(self, judged: JudgedEvents, beside: Sequence[SeenBeside] = ()) -> DecidedBatch:
        """The records of events that are decided, and what to keep of each.

        `beside` is what another model saw of each, where there is one.
        """
        events, scores, verdicts, told, _ = judged
        layout, packed, decisions = self._records(judged, beside)
        outputs = self._outputs(self._settings.topics.decisions, events, decisions)
        for i in range(events.size):
            if told.raises(i):
                outputs[i] += self._alerts(events, scores, i, told)
        quick = self._review(events, scores, verdicts, told, outputs)
        label = [scores.classes[k] if k >= 0 else None for k in verdicts.label.tolist()]
        spent = sum(over is not None for over in told.over_budget)
        return DecidedBatch(events, outputs, layout, packed, label, verdicts.reasons, spent, quick)

    def decisions_alone(self, judged: JudgedEvents, topic: str) -> list[Output]:
        """The decisions alone, as records of a topic."""
        _, _, decisions = self._records(judged, ())
        return [output for [output] in self._outputs(topic, judged.events, decisions)]

    def _records(self, judged: JudgedEvents, beside: Sequence[SeenBeside]) -> tuple[Layout, list[bytes], list[bytes]]:
        """What is kept of each event, with its layout, and the decisions."""
        events, scores, verdicts, told, _ = judged
        layout = layout_of(scores, self._decoder.layout, verdicts.model)
        columns = zip(told.over_budget, told.after, told.alerts, strict=True)
        more = [
            _more(self._said_of_budget(over), None if after is None else after.state, alert)
            for over, after, alert in columns
        ]
        if beside:
            more = [msgspec.structs.replace(a or More(), beside=b) for a, b in zip(more, beside, strict=True)]
        packed = packed_batch(layout, events, scores, verdicts, more)
        kept = self._to_explain(verdicts, told)
        if events.size <= FEW:
            return layout, packed, [self._plain(scores, i, layout, blob, i in kept) for i, blob in enumerate(packed)]
        return layout, packed, self._texts(events, scores, verdicts, told, kept, self.shed)

    def _outputs(self, topic: str, events: EventColumns, decisions: Sequence[bytes]) -> list[list[Output]]:
        """The decision on each event, as a list to which other outputs can be added."""
        return [
            [Output(topic, subject.encode(), decision, record.headers, record)]
            for subject, decision, record in zip(events.subjects, decisions, events.records, strict=True)
        ]

    def _review(
        self, events: EventColumns, scores: Scores, verdicts: Verdicts, told: ToldOfEvents, outputs: list[list[Output]]
    ) -> int:
        """Add what goes to review to the outputs of each event; returns for how many a quick label was asked."""
        quick = asked_for(self._settings, self._classifier, events, scores)
        abstained = [i for i in np.flatnonzero(~verdicts.decided).tolist() if told.over_budget[i] is None]
        reviewed = [i for i in abstained if reviewable(verdicts.reasons[i], self._settings.review)]
        for i in sorted({*reviewed, *quick}):
            decision, rest = outputs[i][0], _rest_of_review(quick.get(i), told.novelty.get(i))
            review = b'{"event":%b,"decision":%b%b}' % (encode(events.event(i)), decision.value, rest)
            outputs[i].append(decision._replace(topic=self._settings.topics.review, value=review))
        return len(quick)

    def _texts(
        self,
        events: EventColumns,
        scores: Scores,
        verdicts: Verdicts,
        told: ToldOfEvents,
        explained: Ints,
        shed: Shed | None,
    ) -> list[bytes]:
        """The records of the decisions, of which some rows are explained."""
        texts = JsonTexts()
        explanations = self._explanations.columns_of(explained, scores, texts)
        columns = zip(
            told.over_budget, self._ratios(scores), told.after, traffic_ratios(scores), told.alerts, strict=True
        )
        endings = [
            ending(self._said_of_budget(over), ratio, None if after is None else after.state, shed, traffic, alert)
            for over, ratio, after, traffic, alert in columns
        ]
        profiles = self._deciders.profiling.columns
        return decision_texts(events, scores, verdicts, explanations, endings, profiles, texts)

    def _to_explain(self, verdicts: Verdicts, told: ToldOfEvents) -> Ints:
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

    def _alerts(self, events: EventColumns, scores: Scores, i: int, told: ToldOfEvents) -> list[Output]:
        """The alerts that event i raised, for its subject and by itself."""
        explanation, event = self._explainer.explain(scores, i), events.event(i)
        record, after = events.records[i], told.after[i]
        alerts = []
        if after is not None:
            alerts += [
                self._deciders.early_risk.alert(event, raised, after.state, explanation) for raised in after.raised
            ]
        if told.alerts[i] is not None:
            on_events = self._deciders.event_alerts
            alerts.append(on_events.alert(event, on_events.probability(scores, i), explanation))
        key = event.subject.encode()
        return [Output(self._settings.topics.alerts, key, encode(alert), record.headers, record) for alert in alerts]

    def _version(self) -> ModelVersion:
        return ModelVersion(self._classifier.feedback_offset, self._digest, SEGMENT, self._config_digest)

    def _said_of_budget(self, over: OverBudget | None) -> Reason | msgspec.UnsetType | None:
        """What a decision says of the budget; nothing where there is none."""
        if self._deciders.reviews is None:
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
