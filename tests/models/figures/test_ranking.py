"""Areas and recalls from histograms are those of the probabilities themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tocsin.models.data.batch import Floats, Ints
from tocsin.models.figures.ranking import COARSE, FINE, average_precision, bins_of, recall_of_surest


def drawn(seed: int, n: int = 20_000) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.01).astype(np.int64)
    return 1 / (1 + np.exp(5 - 1.5 * rng.normal(size=n) - 3 * y)), y


def histograms(p: Floats, y: Ints, bins: int) -> tuple[Ints, Ints]:
    places = bins_of(p, bins)
    return np.bincount(places[y == 1], minlength=bins), np.bincount(places, minlength=bins)


@pytest.mark.parametrize(("bins", "off"), [(FINE, 0.01), (COARSE, 0.05)])
@pytest.mark.parametrize("seed", range(3))
def test_the_area_is_that_of_scikit_learn(seed: int, bins: int, off: float) -> None:
    p, y = drawn(seed)
    assert average_precision(*histograms(p, y, bins)) == pytest.approx(average_precision_score(y, p), abs=off)


@pytest.mark.parametrize("share", [0.001, 0.005, 0.05, 1.0])
def test_the_recall_of_the_surest_is_that_of_sorting_them(share: float) -> None:
    p, y = drawn(7)
    found = y[np.argsort(-p)[: round(share * len(y))]].sum() / y.sum()
    assert recall_of_surest(*histograms(p, y, FINE), share) == pytest.approx(found, abs=0.01)


def test_without_an_event_of_the_class_there_is_nothing_to_say() -> None:
    none, some = np.zeros(FINE, np.int64), np.ones(FINE, np.int64)
    assert average_precision(none, some) is None
    assert recall_of_surest(none, some, 0.5) is None


def test_any_probability_has_a_bin() -> None:
    assert bins_of(np.array([0.0, 5e-324, 0.5, 1.0]), FINE).tolist() == [0, 0, 280, 560]
