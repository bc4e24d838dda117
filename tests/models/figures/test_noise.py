"""Whatever labels are wrong within the assumption, the true figure lies in the interval; and its ends are reached."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tocsin.models.figures.noise import NamedLabels, of_class, of_share


def counted(y: np.ndarray, named: np.ndarray) -> NamedLabels:
    return NamedLabels(int(y.sum()), int((~y).sum()), int((y & named).sum()), int(named.sum()))


def figures(y: np.ndarray, named: np.ndarray) -> dict[str, float]:
    labels, _, hits, told = counted(y, named)
    return {
        "recall": hits / labels if labels else 0.0,
        "precision": hits / told if told else 0.0,
        "f1": 2 * hits / (labels + told) if labels + told else 0.0,
    }


@pytest.mark.parametrize("seed", range(40))
def test_every_way_to_be_wrong_lies_within_and_the_ends_are_reached(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, named = rng.random(9) < 0.5, rng.random(9) < 0.5
    if not 3 <= y.sum() <= 6 or not named.any():
        pytest.skip("nothing to judge")
    noise = 0.34  # of three labels one, of six two
    said = of_class(counted(y, named), noise)._asdict()
    found: dict[str, list[float]] = {name: [] for name in said}
    of_it, others = np.flatnonzero(y), np.flatnonzero(~y)
    most = [int(noise * len(rows)) for rows in (of_it, others)]
    for i, j in itertools.product(range(most[0] + 1), range(most[1] + 1)):
        for a, b in itertools.product(itertools.combinations(of_it, i), itertools.combinations(others, j)):
            true = y.copy()
            true[list(a)], true[list(b)] = False, True
            for name, value in figures(true, named).items():
                found[name].append(value)
    for name, (low, high) in said.items():
        assert low - 1e-9 <= min(found[name])
        assert max(found[name]) <= high + 1e-9


def test_the_ends_are_those_of_the_formula() -> None:
    # 100 frauds of 1,000, of which 60 are found among 80 alerts; 1 in 10 wrong: 10 of the frauds, 90 of the others.
    said = of_class(NamedLabels(100, 900, 60, 80), 0.1)
    assert said.recall == pytest.approx((50 / 180, 80 / 110))
    assert said.precision == pytest.approx((50 / 80, 80 / 80))
    assert said.f1 == pytest.approx((100 / 260, 160 / 190))


def test_right_labels_leave_nothing_open() -> None:
    assert of_class(NamedLabels(100, 900, 60, 80), 0.0).recall == (0.6, 0.6)
    assert of_share(0.6, 0.0) == (0.6, 0.6)


def test_nothing_to_judge_is_none() -> None:
    assert of_class(NamedLabels(0, 10, 0, 0), 0.1) == (None, None, None)
