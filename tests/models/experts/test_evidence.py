"""The maps from answers to evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tocsin.models.experts.evidence import capped, proportional


@given(
    evidence=arrays.arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(1, 4)), elements=st.floats(0, 1e6)),
    strength=st.floats(0.001, 1_000),
)
def test_capped_evidence_keeps_its_proportions(evidence: np.ndarray, strength: float) -> None:
    found = capped(evidence, strength)
    total = evidence.sum(axis=1)
    np.testing.assert_allclose(found.sum(axis=1), np.minimum(total, strength), rtol=1e-9)
    within = total <= strength
    np.testing.assert_array_equal(found[within], evidence[within])
    np.testing.assert_allclose(found * total[:, None], evidence * found.sum(axis=1)[:, None], rtol=1e-9, atol=1e-9)


def test_probabilities_are_worth_so_many_pseudo_counts() -> None:
    p = np.array([[0.25, 0.75], [1.0, -1e-17]])
    assert proportional(p, 8.0).tolist() == [[2.0, 6.0], [8.0, 0.0]]
    assert proportional(p, np.array([4.0, 0.0]))[0].sum() == pytest.approx(4.0)
