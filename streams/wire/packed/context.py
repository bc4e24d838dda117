"""The prediction context on the wire and in memory: one pair of functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tocsin.models.data.batch import Floats, PredictionContext
from tocsin.streams.wire.encode import finite
from tocsin.streams.wire.records import Context, Figure


def context_to_wire(context: PredictionContext) -> Context:
    """What is kept of a prediction until its label comes."""
    return Context(
        history=list(context.history),
        subject_label=context.subject_label,
        evidence=context.evidence.tolist(),
        betp=context.betp.tolist(),
        threshold=finite(context.threshold),
        learnt=context.learnt,
        limits=_figures(context.limits),
        nonconformity=_figures(context.nonconformity),
        plain=None if context.plain is None else context.plain.tolist(),
        ratio=None if context.ratio is None else context.ratio.tolist(),
    )


def context_from_wire(context: Context) -> PredictionContext:
    """What the learner needs of it. Raises ValueError for arrays whose shapes do not fit each other."""
    plain, ratio = _row(context.plain), _row(context.ratio)
    if (plain is None) != (ratio is None) or (plain is not None and ratio is not None and len(plain) != len(ratio)):
        raise ValueError("plain and ratio are of one length")
    limits, nonconformity = context.limits, _row(context.nonconformity)
    return PredictionContext(
        history=context.history,
        subject_label=context.subject_label,
        evidence=np.array(context.evidence, np.float64).reshape(len(context.evidence), -1),
        betp=np.array(context.betp, np.float64),
        threshold=_threshold(context.threshold),
        learnt=context.learnt,
        limits=None if limits is None else [_threshold(limit) for limit in limits],
        nonconformity=None if nonconformity is None else nonconformity.tolist(),
        plain=plain,
        ratio=ratio,
    )


def _threshold(value: Figure) -> float:
    """A threshold; the infinite one, below which everything lies, is null on the wire."""
    return math.inf if value is None else value


def _figures(values: Sequence[float] | None) -> list[Figure] | None:
    return None if values is None else [finite(value) for value in values]


def _row(values: Sequence[Figure] | None) -> Floats | None:
    """Figures as an array, NaN where there is none."""
    return None if values is None else np.array(values, np.float64)
