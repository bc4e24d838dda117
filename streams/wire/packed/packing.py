"""Packing: the events of a batch, what was decided of them and what the model saw, as blobs written from arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.decision.scores import Scores
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.packed.events import REASONS, More, PackedEvent, pack
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import ModelVersion

PLAIN_SCORES = 2
"""Scores of nonconformity where traffic is not compared."""


class Verdicts(NamedTuple):
    """What becomes of B events, once the budget of reviews is spent."""

    decided: Bools
    label: Ints
    """[B], the place of the class; -1 for an abstention."""
    reasons: Sequence[str | None]
    """Why each was abstained from; None for what is decided."""
    model: ModelVersion
    decided_at: int | Ints
    """Epoch milliseconds, one for all or int64 [B]."""


def layout_of(scores: Scores, alone: Layout, model: ModelVersion) -> Layout:
    """The layout of events that one model has scored; `alone` is that of events of which nothing else is packed."""
    return Layout(
        features=alone.features,
        kinds=alone.kinds,
        keys=alone.keys,
        said=alone.said,
        classes=scores.classes,
        experts=scores.answers.shape[1],
        history=scores.batch.history.shape[1],
        per_class=scores.limits is not None,
        nonconformity=_scores_of(scores.nonconformity),
        priors=scores.ratio is not None,
        config=model.config,
        segment=model.segment,
        settings=model.settings,
        decided=True,
    )


def packed_batch(
    layout: Layout, events: EventColumns, scores: Scores, verdicts: Verdicts, more: Sequence[More | None]
) -> list[bytes]:
    """The blobs of B events."""
    numbers = kept_of(layout, events, scores, verdicts).astype("<f8", copy=False)
    rows, size = numbers.tobytes(), 8 * layout.width
    places = [f for f, kind in enumerate(layout.kinds) if kind == "category"]
    blobs, key = [], layout.key
    for i in range(events.size):
        values, record = events.features[i], events.records[i]
        categories = tuple(None if (v := values[f]) is None else str(v) for f in places) if places else ()
        blobs.append(
            pack(
                PackedEvent(
                    key,
                    events.ids[i],
                    events.subjects[i],
                    events.times[i],
                    record.partition,
                    events.content(i),
                    categories,
                    events.texts[i],
                    rows[i * size : (i + 1) * size],
                    more[i],
                )
            )
        )
    return blobs


def kept_of(layout: Layout, events: EventColumns, scores: Scores, verdicts: Verdicts) -> Floats:
    """All numbers that are kept of B events, float64 [B, layout.width]: a time as it came."""
    numbers = numbers_of(layout, scores, verdicts)
    for f in [f for f, kind in enumerate(layout.kinds) if kind == "time"]:  # of which the model sees parts
        numbers[:, f] = [math.nan if (v := values[f]) is None else float(v) for values in events.features]
    return numbers


def numbers_of(layout: Layout, scores: Scores, verdicts: Verdicts) -> Floats:
    """All numbers of B events, float64 [B, layout.width]."""
    rows = np.empty((len(scores.batch), layout.width))
    code = {reason: n for n, reason in enumerate(REASONS)}
    values: dict[str, Floats | Ints | Bools | float] = {
        "features": _features(layout, scores),
        "belief": scores.belief,
        "uncertainty": scores.uncertainty[:, None],
        "conflict": scores.conflict[:, None],
        "label": verdicts.label[:, None],
        "status": verdicts.decided[:, None],
        "reason": np.array([-1 if reason is None else code[reason] for reason in verdicts.reasons])[:, None],
        "sets": scores.sets,
        "feedback_offset": verdicts.model.feedback_offset,
        "decided_at": verdicts.decided_at,
        "subject_label": scores.batch.subject_label[:, None],
        "threshold": scores.threshold,
        "learnt": scores.learnt,
        "history": scores.batch.history,
        "betp": _finite(scores.betp),
        "evidence": _finite(scores.answers.reshape(len(rows), layout.experts * len(layout.classes))),
    }
    if scores.limits is not None:
        values["limits"] = np.array(scores.limits)
    if scores.nonconformity is not None:
        values["nonconformity"] = _finite(scores.nonconformity)
    if scores.ratio is not None and scores.plain is not None:
        follows = (scores.ratio != 1.0).any(axis=1, keepdims=True)
        values["plain"], values["ratio"] = (np.where(follows, a, np.nan) for a in (scores.plain, scores.ratio))
    for name, place in layout.places.items():
        rows[:, place] = values.get(name, np.nan)
    return rows


def _scores_of(nonconformity: Floats | None) -> bool | int:
    """As `Layout.nonconformity` has it."""
    if nonconformity is None:
        return False
    return True if nonconformity.shape[1] == PLAIN_SCORES else nonconformity.shape[1]


def _features(layout: Layout, scores: Scores) -> Floats:
    """The features [B, F] as the layout has them: a key that no model sees is not known as a number."""
    if not layout.keys:
        return scores.given[:, : len(layout.features)]
    features = np.full((len(scores.batch), len(layout.features)), np.nan)
    features[:, layout.visible] = scores.given[:, : len(layout.visible)]
    return features


def _finite(values: Floats) -> Floats:
    """Numbers of which those that are not finite are not known, as they are null in JSON."""
    return np.where(np.isfinite(values), values, np.nan)
