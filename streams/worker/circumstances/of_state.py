"""Circumstances as a worker's state has them, with the transaction of the batch."""

from __future__ import annotations

import numpy as np

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.worker.circumstances.circumstances import Deciders, OverBudget, ToldOfEvents, reason_of
from tocsin.streams.worker.deciding.review_budget import Budget, decidable, doubt_in, reviewable, share


class OfState:
    """What the state says of a batch. What the batch changes of its partitions and subjects is written by `told`."""

    def __init__(
        self,
        deciders: Deciders,
        transaction: Transaction,
        partitions: int,
        notes: Notes | None = None,
        own: Floats | None = None,
    ) -> None:
        """`partitions` is how many there are of the events, among which the budgets are shared.

        What is not given is the transaction's: `notes` are those that keep class priors and traffic, `own` is what
        profiles say of the events by those before them, which are added to no profile then.
        """
        self._deciders, self._partitions = deciders, partitions
        self._transaction, self._notes = transaction, notes or transaction.notes
        self.own = own
        """What profiles say of the events by those before them, [B, columns of events], once it was asked for."""

    def with_profiles(self, events: EventColumns, batch: Batch) -> Batch:
        """See `Circumstances`; the events are added to their profiles."""
        deciders = self._deciders
        if self.own is None:
            self.own = deciders.profiling.say_and_add(events, batch, self._transaction.profiles)
        return deciders.profiling.with_own(events, batch, self.own, deciders.classifier)

    def with_subject_texts(self, batch: Batch) -> Batch:
        """See `Circumstances`."""
        return self._deciders.early_risk.with_subject_texts(batch, self._transaction.subjects)

    def streams(self, events: EventColumns) -> Streams | None:
        """See `Circumstances`."""
        deciders, notes = self._deciders, self._notes
        follows = deciders.settings.prior_shift.enabled
        if not (follows or deciders.traffic.compares):
            return None
        partition = np.array([record.partition for record in events.records], np.int64)
        among = np.unique(partition).tolist()
        priors = {p: notes.priors(p, deciders.digest) for p in among if follows}
        return Streams(partition, priors, deciders.traffic.read(among, self._partitions, notes))

    def told(self, events: EventColumns, scores: Scores) -> ToldOfEvents:
        """See `Circumstances`."""
        deciders, notes, subjects = self._deciders, self._transaction.notes, self._transaction.subjects
        over_budget = self._spend(events, scores)
        novelty = deciders.novel_groups.join(events, scores, lambda i: over_budget[i] is None, notes)
        alerts = deciders.event_alerts.thresholds(events, scores, notes, self._partitions)
        after = deciders.early_risk.fold(events, scores, subjects)
        for partition, state in scores.priors.items():
            self._notes.set_priors(partition, deciders.digest, state)
        deciders.traffic.write(self._notes, scores)
        subjects.write()
        return ToldOfEvents(over_budget, after, alerts, novelty)

    def _spend(self, events: EventColumns, scores: Scores) -> list[OverBudget | None]:
        """Spend the budget of reviews on the events that were abstained from; returns those for which it is spent."""
        over: list[OverBudget | None] = [None] * events.size
        reviews, notes = self._deciders.reviews, self._transaction.notes
        if reviews is None:
            return over
        among = dict.fromkeys(record.partition for record in events.records)
        budgets = {partition: Budget(notes.budget(partition, reviews.period), reviews.period) for partition in among}
        doubt = doubt_in(scores.belief, scores.uncertainty)
        for i in np.flatnonzero(~scores.decided).tolist():
            partition, reason = events.records[i].partition, reason_of(scores, i)
            if not reviewable(reason, self._deciders.settings.review):
                continue
            most = share(reviews.number, self._partitions, partition)
            if not budgets[partition].spend(most, events.times[i], float(doubt[i])) and reason is not None:
                over[i] = OverBudget(reason, decidable(reason, float(doubt[i])))
        for partition, budget in budgets.items():
            if budget.changed:
                notes.set_budget(partition, budget.state(), reviews.period)
        return over
