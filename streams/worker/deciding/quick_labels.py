"""Quick labels: the few events for which the topic `review` asks for an answer before the usual labels come.

Which those are is drawn by the id of an event, so that it makes no difference how polls are cut, and so that its label
says whether it was asked for.
"""

from __future__ import annotations

import numpy as np

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.belief import doubts
from tocsin.models.decision.promise.draws import draw_of
from tocsin.models.decision.scores import Scores
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.kinds.promise import PromiseTelemetry


def asked_for(settings: Settings, classifier: Classifier, events: EventColumns, scores: Scores) -> dict[int, int]:
    """The events for which a quick label is asked: by the row of each, how many other labels may come before it.

    They are drawn among those that are decided, or would be if a drift had not shut the gate.
    """
    share, promise = settings.abstention.quick_labels, classifier.abstention.promise
    if not share or promise is None or promise.cold or promise.quick_within < 1 or not len(scores.classes):
        return {}
    drawn, within = promise.asks(share), promise.quick_within
    rows = np.flatnonzero(doubts(scores.betp) <= promise.watched).tolist()
    seed = settings.model.seed
    return {i: within for i in rows if draw_of(seed, events.ids[i]) < drawn}


def told(classifier: Classifier) -> PromiseTelemetry | None:
    """How the promise on errors stands; None where none is made."""
    keeping = classifier.abstention.promise
    if keeping is None:
        return None
    stands = keeping.promise
    return PromiseTelemetry(
        state=stands.state,
        target=keeping.error,
        reason=stands.reason,
        error=stands.error,
        drifts_every=stands.drifts_every,
        delay=stands.delay,
        silent=keeping.gate.shut,
    )
