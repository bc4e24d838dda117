from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.data.batch import PredictionContext
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.context import context_from_wire, context_to_wire
from tocsin.streams.wire.records import Context

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
THRESHOLDS = st.floats(allow_nan=False, allow_infinity=False) | st.just(math.inf)


@st.composite
def contexts(draw: st.DrawFn) -> PredictionContext:
    experts, classes = draw(st.integers(1, 4)), draw(st.integers(0, 4))

    def row(values: st.SearchStrategy[float] = FLOATS) -> list[float]:
        return draw(st.lists(values, min_size=classes, max_size=classes))

    followed = draw(st.booleans())
    return PredictionContext(
        history=draw(st.lists(st.integers(-1, 9), max_size=3)),
        subject_label=draw(st.integers(-1, 9)),
        evidence=np.array([row() for _ in range(experts)], np.float64).reshape(experts, classes),
        betp=np.array(row(), np.float64),
        threshold=draw(THRESHOLDS),
        learnt=draw(st.integers(0, 10**9)),
        limits=draw(st.none() | st.just(row(THRESHOLDS))),
        nonconformity=draw(st.none() | st.lists(FLOATS, min_size=2, max_size=2)),
        plain=np.array(row(), np.float64) if followed else None,
        ratio=np.array(row(), np.float64) if followed else None,
    )


def bits(context: PredictionContext) -> list[object]:
    parts = [getattr(context, name) for name in context.__slots__]
    return [part.tobytes() if isinstance(part, np.ndarray) else part for part in parts]


@given(contexts())
def test_a_context_comes_back_to_the_bit(context: PredictionContext) -> None:
    kept = encode(context_to_wire(context))
    again = context_from_wire(msgspec.json.decode(kept, type=Context))
    assert bits(again) == bits(context)
    assert again.evidence.shape == context.evidence.shape


def test_what_was_not_asked_for_is_not_written() -> None:
    context = PredictionContext([], -1, np.zeros((1, 2)), np.zeros(2), math.inf, 0)
    assert encode(context_to_wire(context)) == (
        b'{"history":[],"subject_label":-1,"evidence":[[0.0,0.0]],"betp":[0.0,0.0],"threshold":null,"learnt":0}'
    )


def test_what_is_not_finite_comes_back_as_no_number() -> None:
    context = PredictionContext([], -1, np.array([[np.nan, 1.0]]), np.zeros(2), 0.5, 0, nonconformity=[math.inf, 1.0])
    again = context_from_wire(msgspec.json.decode(encode(context_to_wire(context)), type=Context))
    np.testing.assert_array_equal(again.evidence, context.evidence)
    assert again.nonconformity is not None
    assert math.isnan(again.nonconformity[0])


@pytest.mark.parametrize(
    "change", [{"plain": [0.5]}, {"plain": [0.5], "ratio": [1.0, 1.0]}, {"evidence": [[1.0, 2.0], [3.0]]}]
)
def test_parts_whose_shapes_do_not_fit_are_refused(change: dict[str, list[float]]) -> None:
    good = {"history": [], "subject_label": -1, "evidence": [[1.0]], "betp": [0.5], "threshold": None, "learnt": 0}
    with pytest.raises(ValueError, match=r"length|shape"):
        context_from_wire(msgspec.convert({**good, **change}, Context))
