"""What is settled stays so: no evidence of the experts yet to be asked puts another class first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.fusion import fuse
from tocsin.kernels.fusion.interface import RULES, Rule
from tocsin.kernels.fusion.settled import settled

Floats = NDArray[np.float64]
E, K, STRENGTH = 4, 3, 100.0


def case(seed: int, rest: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What some experts say of 40 events, how far all are trusted, and who is yet to be asked."""
    rng = np.random.default_rng(seed)
    evidence = rng.exponential(1.0, (40, E, K)) ** 3
    evidence[np.arange(40), 0, rng.integers(0, K, 40)] += rng.choice([0.0, 90.0], 40)
    evidence *= np.minimum(1.0, STRENGTH / evidence.sum(axis=2, keepdims=True))
    reliability = rng.uniform(0.0, 0.999, (40, E)) * np.array([1.0, 1.0, 0.5, 0.2])
    left = np.arange(E) >= E - rest
    evidence[:, left] = 0.0
    return evidence, reliability, left


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 10_000), rest=st.integers(1, 2), against=st.booleans())
def test_no_evidence_of_the_others_changes_a_settled_decision(rule: Rule, seed: int, rest: int, against: bool) -> None:
    evidence, reliability, left = case(seed, rest)
    stays = settled(evidence, reliability, left, np.full(E, STRENGTH), rule, float(K))
    before = fuse(evidence, reliability, rule=rule).belief
    said = np.random.default_rng(seed + 1).exponential(1.0, (40, E, K)) ** 4
    if against:  # all that they have, for the class that comes second
        said = np.zeros((40, E, K))
        said[np.arange(40), :, np.argsort(before, axis=1)[:, -2]] = 1.0
    said *= STRENGTH / said.sum(axis=2, keepdims=True)
    after = fuse(np.where(left[:, None], said, evidence), reliability, rule=rule).belief
    assert (before.argmax(axis=1) == after.argmax(axis=1))[stays].all()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "murphy"])
def test_what_the_others_cannot_outweigh_is_settled(rule: Rule) -> None:
    evidence, reliability = np.zeros((2, 2, 2)), np.array([[0.9, 0.5]] * 2)
    evidence[0, 0], evidence[1, 0] = [STRENGTH, 0.0], [1.0, 0.9]
    stays = settled(evidence, reliability, np.array([False, True]), np.full(2, STRENGTH), rule, 2.0)
    assert stays.tolist() == [True, False]


def test_nothing_is_settled_by_murphys_rule() -> None:
    evidence, reliability, left = case(0, 1)
    assert not settled(evidence, reliability, left, np.full(E, STRENGTH), "murphy", float(K)).any()
