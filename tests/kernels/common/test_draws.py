"""Draws by counter: their distribution, and that they depend on nothing but their keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.common import draws


def uniforms(seed: int, stream: int, n: int, start: int = 0) -> NDArray[np.float64]:
    return np.array([draws.uniform(seed, stream, i) for i in range(start, start + n)])


def test_the_finaliser_is_splitmix64s() -> None:
    # The first numbers of SplitMix64 from state 0: the finaliser over multiples of its constant.
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    golden = int(draws.GOLDEN)
    assert [int(draws.mix(np.uint64(golden * i % 2**64))) for i in (1, 2, 3)] == expected


def test_uniform_draws_are_uniform_and_streams_independent() -> None:
    a, b = uniforms(1, 0, 40_000), uniforms(1, 1, 40_000)
    other = uniforms(2, 0, 40_000)
    for u in (a, b, other):
        assert u.min() >= 0.0
        assert u.max() < 1.0
        counts = np.histogram(u, 20, (0.0, 1.0))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 45.0  # chi-squared, 19 degrees of freedom: p = .0007
    for left, right in ((a, b), (a, other), (a[:-1], a[1:])):
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / math.sqrt(40_000)


def test_a_draw_depends_on_its_keys_alone() -> None:
    assert np.array_equal(uniforms(7, 3, 100)[40:], uniforms(7, 3, 60, start=40))
    assert len({draws.uniform(s, t, i) for s in range(5) for t in range(5) for i in range(5)}) == 125
    assert draws.uniform(2**63 - 1, 0, 2**62) != draws.uniform(2**63 - 2, 0, 2**62)


@pytest.mark.parametrize("rate", [0.1, 1.0, 6.0, 30.0])
def test_poisson_draws_have_their_mean_variance_and_shares(rate: float) -> None:
    table = draws.poisson_table(rate)
    k = np.array([draws.poisson(table, u) for u in uniforms(5, 11, 40_000)])
    assert k.mean() == pytest.approx(rate, abs=5 * math.sqrt(rate / 40_000))
    assert k.var() == pytest.approx(rate, rel=0.08)
    for value in range(int(rate) + 3):
        share = math.exp(-rate) * rate**value / math.factorial(value)
        assert (k == value).mean() == pytest.approx(share, abs=5 * math.sqrt(share / 40_000))


def test_a_table_ends_where_it_reaches_one() -> None:
    for rate in (0.01, 6.0, 400.0):
        table = draws.poisson_table(rate)
        assert (np.diff(table) >= 0).all()
        assert table[-1] == pytest.approx(1.0, abs=1e-12)
        assert draws.poisson(table, 1.0 - 2.0**-53) <= len(table) - 1
    for rate in (0.0, -1.0, math.nan, 501.0):
        with pytest.raises(ValueError, match="rate"):
            draws.poisson_table(rate)


def test_every_choice_of_places_is_as_likely() -> None:
    out, seen = np.zeros(5, np.int8), np.zeros(5)
    for stream in range(5000):
        draws.choose(3, stream, 2, out)
        assert out.sum() == 2
        seen += out
    assert np.abs(seen / 5000 - 0.4).max() < 0.035
    for count in (0, 5):
        draws.choose(3, 0, count, out)
        assert out.sum() == count
