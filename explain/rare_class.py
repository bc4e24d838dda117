"""Which events were decided for a rare class, though another class is more probable."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from tocsin.explain.explanation import RareClass
from tocsin.explain.rounding import six_digits
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores

Encode = Callable[[RareClass], bytes]


def rare_class(scores: Scores, i: int) -> RareClass | msgspec.UnsetType:
    """The rare class that event i reached the operating point of; nothing where it is the most probable one."""
    threshold = float(scores.raised_at[i])
    if np.isnan(threshold):
        return msgspec.UNSET
    label = int(scores.label[i])
    return RareClass(scores.classes[label], six_digits(float(scores.betp[i, label])), six_digits(threshold))


def rare_class_columns(scores: Scores, texts: JsonTexts, encode: Encode) -> list[int | Ints]:
    """What stands behind the key `rare` of each explanation, with the key; nothing where there is none."""
    rows = np.flatnonzero(~np.isnan(scores.raised_at)).tolist()
    if not rows:
        return []
    column = np.full(len(scores.batch), NOTHING)
    found = [rare_class(scores, i) for i in rows]
    column[rows] = texts.fragments([b',"rare":' + encode(one) for one in found if one is not msgspec.UNSET])
    return [column]
