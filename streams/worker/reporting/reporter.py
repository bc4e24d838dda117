"""The reporter of a worker: writes its telemetry record, and looks at the model each time for what the log is told."""

from __future__ import annotations

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.worker.deciding.scoring import ScoringWatch
from tocsin.streams.worker.learning.left_out_watch import LeftOutWatch
from tocsin.streams.worker.learning.rule_watch import RuleWatch
from tocsin.streams.worker.overload.load import SeenLoad
from tocsin.streams.worker.ownership import Ownership
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.reporting.telemetry import Backlog, Identity, Restores, report
from tocsin.streams.worker.shadow.models import Models


class Reporter:
    """Tells how one worker fares."""

    def __init__(self, settings: Settings, identity: Identity, models: Models, ownership: Ownership) -> None:
        self._topic = settings.topics.telemetry
        self._identity = identity
        self._models = models
        self._ownership = ownership
        self._watches = (RuleWatch(), LeftOutWatch(), ScoringWatch())

    def record(self, counts: Counts, load: SeenLoad, transaction: Transaction, now: int) -> Output:
        """The telemetry record at an instant (epoch ms)."""
        owned, model = self._ownership.partitions, self._models.deciding
        pending, labelled = transaction.pending.count_of(owned), transaction.pending.count_labelled_of(owned)
        novel_groups = model.decide.novel_groups.standing(owned, transaction.notes)
        backlog = Backlog(pending - labelled, labelled, transaction.waiting.count(), load, novel_groups)
        for watch in self._watches:
            watch.look(model.classifier)
        restores = Restores(model.restored, self._ownership.restored)
        telemetry = report(
            self._identity, now, model.classifier, counts, model.decide.last, backlog, model.snapshot, restores
        )
        return Output(
            self._topic,
            self._identity.worker.encode(),
            encode(msgspec.structs.replace(telemetry, shadow=self._models.told())),
        )
