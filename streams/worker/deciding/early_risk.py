"""Early risk in a worker: folds events into the states of their subjects, and words the alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from tocsin.config.settings import Settings
from tocsin.explain.explanation import Explanation
from tocsin.explain.tipping import Policy, tipping
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.subject_text import SubjectStanding, SubjectText
from tocsin.models.decision.scores import Scores
from tocsin.models.early_risk.peers import Counts
from tocsin.models.early_risk.policies import Post, RaisedAlert, SubjectRisk, add_post
from tocsin.streams.state.peer_baselines import PeerGroup, peer_group
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.records import Alert, Event, SubjectState, SubjectTextState
from tocsin.streams.wire.subject_state import risk_from_wire, state_to_wire, text_from_wire, text_to_wire


class SubjectStates(Protocol):
    """The states of subjects: see `tocsin.streams.state.subjects.Subjects`."""

    def get(self, subject: str) -> SubjectState | None:
        """A subject's accumulated state."""
        ...

    def put(self, subject: str, state: SubjectState, most: int, group: PeerGroup) -> None:
        """Keep a subject's state, of at most so many."""
        ...

    def peers(self, group: PeerGroup) -> Mapping[str, Counts]:
        """By class of a group, how many live subjects have which excess of its evidence per post."""
        ...


class SubjectAfter(NamedTuple):
    """What one event did to its subject."""

    state: SubjectState
    raised: list[RaisedAlert]
    """The alerts that the event raised."""


class EarlyRisk:
    """Accumulates what subjects wrote. What it changes stays in memory until the subjects are written."""

    def __init__(self, settings: Settings, classifier: Classifier) -> None:
        self._reader = next(iter(classifier.whole_subject_experts), None)
        """What says how a subject stands."""
        auto: Policy = "accumulated" if self._reader is None else "learnt"
        policy = settings.early_risk.policy
        self._policy: Policy = auto if policy == "auto" else policy
        self._settings = settings.early_risk.model_copy(update={"policy": self._policy})
        self._classes, self._class_map = frozenset(settings.classes), settings.class_map
        self._most = settings.bounds.subjects
        self._group = peer_group(settings.early_risk)
        self._readers_of_posts = [
            i for i, expert in enumerate(classifier.experts) if expert.reads_text and not expert.whole_subject
        ]
        model, whole = settings.model, {expert.name for expert in classifier.whole_subject_experts}
        self._readers_of_subjects = {e.name: model.reader_digest(e) for e in model.experts if e.name in whole}
        self.keeps_subjects = bool(self._settings.classes or self._readers_of_subjects)
        """Whether anything is kept of subjects at all."""
        self.reads_subjects = bool(self._readers_of_subjects)
        """Whether what a subject wrote before has a part in its decisions."""
        self.asks_peers = bool(self._group.classes)
        """Whether an alert depends on how all other subjects stand."""

    def with_subject_texts(self, batch: Batch, subjects: SubjectStates) -> Batch:
        """The batch with what its subjects wrote before, for the experts that read whole subjects."""
        if not self._readers_of_subjects:
            return batch
        texts: dict[tuple[str, str], SubjectText] = {}
        for subject in dict.fromkeys(batch.subjects):
            state = subjects.get(subject)
            for name in self._readers_of_subjects:
                if state is not None and name in (kept := self._readable(state)):
                    texts[name, subject] = text_from_wire(kept[name])
        return replace(batch, subject_texts=texts)

    def fold(self, events: EventColumns, scores: Scores, subjects: SubjectStates) -> list[SubjectAfter | None]:
        """Fold events into their subjects, one after the other; None for each where nothing is kept of subjects."""
        if not self.keeps_subjects:
            return [None] * events.size
        return [self._fold(events, scores, i, subjects) for i in range(events.size)]

    def _fold(self, events: EventColumns, scores: Scores, i: int, subjects: SubjectStates) -> SubjectAfter:
        subject = events.subjects[i]
        before = subjects.get(subject)
        risk = SubjectRisk() if before is None else self._risk(before)
        raised = add_post(
            risk,
            self._contribution(scores, i),
            list(scores.classes),
            self._settings,
            Post(events.ids[i], events.times[i], scores.betp[i], self._standing(scores, i, risk.posts + 1)),
            subjects.peers(self._group),
        )
        texts = {} if before is None else self._readable(before)
        for name, after in scores.subject_texts.items():
            texts[name] = text_to_wire(after[i], self._readers_of_subjects[name])
        state = state_to_wire(risk, texts)
        subjects.put(subject, state, self._most, self._group)
        return SubjectAfter(state, raised)

    def _standing(self, scores: Scores, i: int, posts: int) -> SubjectStanding | None:
        """How the subject of an event stands after it, which is its post of this number."""
        if self._policy != "learnt" or self._reader is None:
            return None
        texts = scores.subject_texts.get(self._reader.name)
        return None if texts is None else self._reader.standing(texts[i], posts)

    def _risk(self, state: SubjectState) -> SubjectRisk:
        """A subject's risk, under the names that classes have today; of a class that is no more nothing is left."""
        risk = risk_from_wire(state)
        for name in self._class_map.keys() & {*risk.risk, *risk.alerts, *risk.odds}:
            today = self._class_map[name]
            risk.risk[today] = risk.risk.get(today, 0.0) + risk.risk.pop(name, 0.0)
            if name in risk.alerts:
                risk.alerts[today] = min(risk.alerts.pop(name), risk.alerts.get(today, risk.posts))
            if name in risk.odds:
                risk.odds[today] = max(risk.odds.pop(name), risk.odds.get(today, -math.inf))
        if self._classes:
            risk.risk = {name: value for name, value in risk.risk.items() if name in self._classes}
        return risk

    def _readable(self, state: SubjectState) -> dict[str, SubjectTextState]:
        """What the experts of this config keep of a subject; the weights that another one added up mean nothing."""
        readers = self._readers_of_subjects
        return {name: text for name, text in state.texts.items() if text.reader == readers.get(name)}

    def _contribution(self, scores: Scores, i: int) -> Floats:
        """What one event adds to its subject's risk [K]: the evidence of experts that read its own text, else BetP."""
        if not self._readers_of_posts:
            betp: Floats = scores.betp[i]
            return betp
        evidence: Floats = np.sum(scores.evidence[i, self._readers_of_posts], axis=0)
        return evidence

    def alert(self, event: Event, raised: RaisedAlert, state: SubjectState, explanation: Explanation | None) -> Alert:
        """The record of an alert that an event raised; `explanation` is that of the event's decision."""
        policy = self._policy
        if explanation is not None:
            explanation = msgspec.structs.replace(explanation, alert=tipping(policy, raised))
        return Alert(
            subject=event.subject,
            event=event.id,
            class_=raised.name,
            time=event.time,
            delay=state.alerts[raised.name],
            risk=raised.score if policy in ("fused", "learnt") else state.risk.get(raised.name, 0.0),
            explanation=explanation,
        )
