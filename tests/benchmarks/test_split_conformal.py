"""Split conformal prediction over a recording: what it covers, and what it is sure of."""

from __future__ import annotations

import numpy as np
import pytest
from parts.split_conformal import LEAST, WINDOW, confidence, inside, p_values


def answers(events: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), events)
    return p, (rng.random((events, 1)) > p.cumsum(axis=1)).sum(axis=1)


def test_it_covers_what_was_asked_for() -> None:
    p, y = answers(20_000)
    held = inside(p_values(p, y), y, 0.1)
    assert np.isnan(held[:LEAST]).all()
    assert np.nanmean(held) == pytest.approx(0.9, abs=0.01)


def test_a_p_value_is_the_share_of_scores_at_least_as_great() -> None:
    p, y = answers(2_000)
    values = p_values(p, y)
    scores = (1.0 - p[np.arange(len(y)), y])[1_900 - WINDOW : 1_900]
    expected = ((scores >= 1.0 - p[1_950, 1]).sum() + 1) / (WINDOW + 1)
    assert values[1_950, 1] == pytest.approx(expected)


def test_the_sure_are_confident_and_labels_that_never_come_do_not_count() -> None:
    p, y = answers(1_000)
    p[900] = [0.999, 0.0005, 0.0005]
    p[901] = [1 / 3, 1 / 3, 1 / 3]
    sure = confidence(p_values(p, y))
    assert sure[0] == 0.0
    assert sure[900] > 0.9 > sure[901]
    assert np.isnan(p_values(p, np.full(1_000, 3))).all()
