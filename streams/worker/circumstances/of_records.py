"""Circumstances as the records of past decisions have them, so that the same events can be decided again.

What can be worked out is worked out, and only what cannot is believed: of a budget that it was spent, and not why the
event would have gone to review; of an alert the threshold, and not that the event reached it. What a record says that
the event and the model do not bear out is then missing from the decision that is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.belief import pignistic
from tocsin.models.decision.abstention import COLD_START
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams
from tocsin.models.early_risk.peers import Counts
from tocsin.streams.state.peer_baselines import PeerGroup
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.records import Decision, SubjectState
from tocsin.streams.worker.circumstances.circumstances import Deciders, OverBudget, ToldOfEvents, reason_of
from tocsin.streams.worker.deciding.review_budget import decidable, doubt_in, reviewable

_ROUNDING = 1e-9


class GivenSubjects:
    """The states of subjects before a batch, and then after each of its events."""

    def __init__(self, before: Mapping[str, SubjectState], said: Sequence[SubjectState | None] = ()) -> None:
        """Where the alerts that events raised are given, `said` are the states after the events, in their order."""
        self._states, self._said = dict(before), said
        self.after: list[SubjectState] = []
        """The state of its subject after each event."""

    def get(self, subject: str) -> SubjectState | None:
        """A subject's accumulated state."""
        return self._states.get(subject)

    def put(self, subject: str, state: SubjectState, most: int, group: PeerGroup) -> None:
        """Take over a subject's state; none is forgotten."""
        said = self._said[len(self.after)] if self._said else None
        self._states[subject] = state = state if said is None else _with_alerts(state, said)
        self.after.append(state)

    def peers(self, group: PeerGroup) -> Mapping[str, Counts]:
        """Nothing: how other subjects stood is not known."""
        return {}


def _with_alerts(state: SubjectState, said: SubjectState) -> SubjectState:
    """A state with the alerts that the event raised by the record, where that could not be worked out."""
    raised = {name: posts for name, posts in said.alerts.items() if name not in state.alerts}
    if not raised or any(posts != state.posts for posts in raised.values()):
        return state
    mattered = {name: posts for name, posts in state.mattered.items() if name not in raised}
    return msgspec.structs.replace(state, alerts={**state.alerts, **raised}, mattered=mattered)


class OfRecords:
    """What the decisions of B events say that they rested on."""

    def __init__(self, deciders: Deciders, decisions: Sequence[Decision], before: Mapping[str, SubjectState]) -> None:
        """`decisions` are those of the events, in their order, and `before` are the states of subjects before them."""
        self._deciders, self._decisions = deciders, decisions
        given = [one.risk for one in decisions] if deciders.early_risk.asks_peers else ()
        self._subjects = GivenSubjects(before, given)

    def with_profiles(self, events: EventColumns, batch: Batch) -> Batch:
        """See `Circumstances`: what events say is given, what labels say is a part of the model."""
        profiling = self._deciders.profiling
        if not profiling:
            return batch
        said = [one.profiles or {} for one in self._decisions]
        rows = [[np.nan if (v := one.get(name)) is None else v for name in profiling.own] for one in said]
        own: Floats = np.array(rows, np.float64).reshape(events.size, len(profiling.own))
        return profiling.with_own(events, batch, own, self._deciders.classifier)

    def with_subject_texts(self, batch: Batch) -> Batch:
        """See `Circumstances`."""
        return self._deciders.early_risk.with_subject_texts(batch, self._subjects)

    def streams(self, events: EventColumns) -> Streams | None:
        """See `Circumstances`."""
        deciders = self._deciders
        follows, compares = deciders.settings.prior_shift.enabled, deciders.traffic.compares
        if not (follows or compares):
            return None
        partition = np.array([record.partition for record in events.records], np.int64)
        ratio = traffic = None
        if follows:
            classes, priors = deciders.classifier.classes, [one.priors or {} for one in self._decisions]
            rows = [[one.get(name, 1.0) for name in classes] for one in priors]
            ratio = np.array(rows, np.float64).reshape(events.size, len(classes))
        if compares:
            traffic = np.array([np.nan if (v := one.traffic_ratio) is None else v for one in self._decisions])
        return Streams(partition, ratio=ratio, traffic_ratio=traffic)

    def told(self, events: EventColumns, scores: Scores) -> ToldOfEvents:
        """See `Circumstances`. Groups of novel events stand in no decision."""
        after = self._deciders.early_risk.fold(events, scores, self._subjects)
        if self._deciders.early_risk.asks_peers:
            states = zip(after, self._subjects.after, strict=True)
            after = [None if one is None else one._replace(state=state) for one, state in states]
        return ToldOfEvents(self._over_budget(scores), after, self._alerts(scores), {})

    def _over_budget(self, scores: Scores) -> list[OverBudget | None]:
        over: list[OverBudget | None] = [None] * len(self._decisions)
        doubt = doubt_in(scores.belief, scores.uncertainty)
        for i, said in enumerate(self._decisions):
            reason = reason_of(scores, i)
            spent = said.over_budget is not msgspec.UNSET and said.over_budget is not None
            if spent and reason is not None and reviewable(reason, self._deciders.settings.review):
                over[i] = OverBudget(reason, decidable(reason, float(doubt[i])))
        return over

    def _alerts(self, scores: Scores) -> list[float | None]:
        """The thresholds that are given, of the events that reach them."""
        alerts: list[float | None] = [None] * len(self._decisions)
        name = self._deciders.settings.alert.class_
        if name is None or name not in scores.classes:
            return alerts
        p = pignistic(scores.belief, scores.uncertainty)[:, scores.classes.index(name)].tolist()
        for i, said in enumerate(self._decisions):
            if said.alert is not None and scores.reasons[i] != COLD_START and p[i] >= said.alert - _ROUNDING:
                alerts[i] = said.alert
        return alerts
