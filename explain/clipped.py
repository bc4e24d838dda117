"""Which features of an event were extreme, so that the experts saw a smaller value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tocsin.explain.explanation import ClippedFeature
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores

Encode = Callable[[list[ClippedFeature]], bytes]


def clipped_features(scores: Scores, i: int, names: Sequence[str]) -> list[ClippedFeature] | msgspec.UnsetType:
    """The clipped features of event i; nothing where there are none. `names` are those of the columns."""
    given, seen = scores.given[i], scores.batch.X[i]
    columns = np.flatnonzero(scores.clipped[i]).tolist()
    if not columns:
        return msgspec.UNSET
    return [ClippedFeature(names[f], float(given[f]), float(seen[f])) for f in columns]


def clipped_columns(scores: Scores, names: Sequence[str], texts: JsonTexts, encode: Encode) -> list[int | Ints]:
    """What stands behind the key `clipped` of each explanation, with the key; nothing where nothing was clipped."""
    rows = np.flatnonzero(scores.clipped.any(axis=1)).tolist()
    if not rows:
        return []
    column = np.full(len(scores.batch), NOTHING)
    found = [clipped_features(scores, i, names) for i in rows]
    column[rows] = texts.fragments([b',"clipped":' + encode(one) for one in found if one is not msgspec.UNSET])
    return [column]
