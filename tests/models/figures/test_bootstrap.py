"""The bootstrap of a stream: every event is drawn as often as any other, and its intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.figures.bootstrap import interval, resampled


@given(st.integers(1, 300), st.integers(1, 5))
def test_each_resampled_stream_is_as_long_as_the_stream(events: int, replicates: int) -> None:
    drawn = list(resampled(events, replicates))
    assert len(drawn) == replicates
    assert all(len(counts) == events and counts.sum() == events and counts.min() >= 0 for counts in drawn)


def test_nothing_is_resampled_of_nothing() -> None:
    assert list(resampled(0)) == []
    assert interval([]) is None
    assert interval([None]) is None


def test_every_event_is_drawn_as_often_as_any_other() -> None:
    mean = np.mean(list(resampled(60, 4_000)), axis=0)
    assert np.abs(mean - 1.0).max() < 0.1


@pytest.mark.parametrize("lag", [0.0, 0.7], ids=["events that do not depend on each other", "events that do"])
def test_an_interval_holds_the_mean_about_as_often_as_it_says(lag: float) -> None:
    random, held, trials, n = np.random.default_rng(5), 0, 200, 600
    for trial in range(trials):
        noise = random.normal(size=n)
        values = np.zeros(n)
        for i in range(n):
            values[i] = lag * values[i - 1] + noise[i] if i else noise[i]
        found = interval([float(counts @ values) / n for counts in resampled(n, 200, trial)])
        assert found is not None
        held += found[0] <= 0.0 <= found[1]
    # Blocks of nine see most of a dependence of this length; a bootstrap of single events holds about .6 of the means.
    assert held / trials > (0.9 if lag == 0.0 else 0.8)
