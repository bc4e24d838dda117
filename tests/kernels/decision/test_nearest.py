"""The loop over many events finds what the plain form finds for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.abstention import AbstentionSettings
from tocsin.explain.nearest_decision import nearest_decision
from tocsin.kernels.decision.nearest import NO_DECISION, nearest_decisions
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.decision.scores import Scores


@st.composite
def probabilities(draw: st.DrawFn) -> Floats:
    """Of a few events, [B, K]; some classes tie, and some have none."""
    K, B = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    raw = np.array(draw(st.lists(st.integers(0, 20), min_size=B * K, max_size=B * K)), np.float64).reshape(B, K)
    raw += draw(st.sampled_from([0.0, 0.37])) * np.arange(K)
    raw[raw.sum(axis=1) == 0.0] = 1.0
    made: Floats = raw / raw.sum(axis=1, keepdims=True)
    return made


def scores(betp: Floats, threshold: float, limits: list[float] | None) -> Scores:
    blank = Scores.before_any_class(Batch.of(np.zeros((len(betp), 1))), 0, 0)
    return replace(blank, betp=betp, classes=tuple(map(str, range(betp.shape[1]))), threshold=threshold, limits=limits)


@settings(max_examples=300)
@given(probabilities(), st.floats(-0.1, 1.1), st.data())
def test_what_is_found_is_what_the_plain_form_finds(betp: Floats, threshold: float, data: st.DataObject) -> None:
    limit = st.floats(0.0, 1.05)
    own = data.draw(st.none() | st.lists(limit, min_size=betp.shape[1], max_size=betp.shape[1]))
    judged = scores(betp, threshold, own)
    error = data.draw(st.booleans())
    by = AbstentionSettings(controls="error" if error else "coverage", per_class=own is not None and not error)
    if by.controls == "error":
        found = nearest_decisions(betp, threshold)
    else:
        found = nearest_decisions(betp, np.full(betp.shape[1], threshold) if own is None else np.array(own))
    for i in range(len(betp)):
        plain = nearest_decision(judged, i, by)
        if plain is None:
            assert found.label[i] == NO_DECISION
        else:
            assert found.label[i] == plain.label
            np.testing.assert_allclose(found.betp[i], plain.betp, atol=1e-12)
            assert abs(found.change[i] - plain.change) < 1e-12
