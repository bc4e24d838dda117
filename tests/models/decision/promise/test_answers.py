"""Answers by doubt: the threshold is that of the plain rule on the same bins, and a full ring forgets."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.decision.promise.answers import BINS, Answer, Answers, bin_of, upper_end
from tocsin.models.decision.quantile import selective

doubts = st.floats(0.0, 1.0) | st.floats(1e-9, 1e-3)
answers = st.lists(st.builds(Answer, doubts, st.booleans()), max_size=200)


@given(place=st.integers(0, BINS - 1), doubt=doubts)
def test_a_bin_ends_with_its_own_greatest_doubt(place: int, doubt: float) -> None:
    assert bin_of(upper_end(place)) == place
    assert doubt <= upper_end(bin_of(doubt))
    assert place == BINS - 1 or bin_of(math.nextafter(upper_end(place), 1.0)) >= place


@given(many=answers, error=st.floats(0.01, 0.4), window=st.integers(1, 120))
def test_the_threshold_is_that_of_the_plain_rule(many: list[Answer], error: float, window: int) -> None:
    made, kept = Answers(window), many[-window:]
    for answer in many:
        made.add(answer)
    binned = np.array([upper_end(bin_of(answer.doubt)) for answer in kept])
    wrong = np.array([answer.wrong for answer in kept], np.bool_)
    found = made.within(error, 1.0)
    assert found.threshold == selective(binned, np.where(wrong, 2.0, 0.0), error)
    within = binned <= found.threshold
    if within.any():
        assert (found.share, found.wrong) == (within.mean(), wrong[within].mean())
        assert made.up_to(found.threshold) == found


def test_ties_tell_nothing_and_nothing_is_within_no_threshold() -> None:
    made = Answers(10)
    made.add(Answer(math.inf, True))
    assert made.count == 0
    assert made.within(0.1, 1.0).threshold == -1.0
    assert made.up_to(-1.0).share == 0.0
    assert math.isnan(made.up_to(0.5).wrong)


@given(many=answers)
def test_a_restored_ring_goes_on_alike(many: list[Answer]) -> None:
    made, other = Answers(50), Answers(50)
    for answer in many:
        made.add(answer)
    other.load_state_dict(made.state_dict())
    for answer in [*many[:30], Answer(0.2, True)]:
        made.add(answer)
        other.add(answer)
    assert repr(made.within(0.2, 1.0)) == repr(other.within(0.2, 1.0))
    assert made.count == other.count
