"""The limits of the generated streams are those of their own generators."""

from __future__ import annotations

import limits
import numpy as np
import pytest
from parts.generators import STREAMS


def test_concepts_have_the_shares_of_a_stream() -> None:
    found = limits.shares(4_000, 200.0)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert found[[0, 900, 1_100, 2_100, 3_999]].argmax(axis=1).tolist() == [0, 0, 1, 2, 3]
    assert found[1_000, 1] == pytest.approx(0.5, abs=1e-6)


def test_a_seventh_of_the_digits_of_led_cannot_be_told() -> None:
    """Breiman et al. 1984 give 26% as the error of the best rule."""
    assert np.mean([limits.limit("LED_a", 8_000, seed) for seed in (1, 2)]) == pytest.approx(74.0, abs=1.0)


def test_no_more_than_the_noise_of_sea_is_wrong() -> None:
    assert np.mean([limits.limit("SEA_a", 8_000, seed) for seed in (1, 2)]) == pytest.approx(90.0, abs=0.7)


@pytest.mark.parametrize("name", ["RBF_f", "Gauss_f"])
def test_the_density_of_moving_clouds_is_as_often_right_as_it_says(name: str) -> None:
    """A wrong density would be surer, or less sure, than it is right."""
    stream = STREAMS[name](20_000, 3)
    said = limits.LIMITS[name](stream.X, 3)
    certainty = (said / said.sum(axis=1, keepdims=True)).max(axis=1)
    right = said.argmax(axis=1) == stream.y
    assert right.mean() > 0.9
    assert certainty.mean() == pytest.approx(right.mean(), abs=0.01)
