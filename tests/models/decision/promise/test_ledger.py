"""The ledger of decisions: sums over the latest blocks, and what is waiting, against plain lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.decision.promise import ledger as module
from tocsin.models.decision.promise.ledger import BLOCK, DECIDED, DecisionLedger


def filled(blocks: list[float]) -> DecisionLedger:
    """Blocks of so many decisions each, the share of whose events that are decided is 1 / (1 + number)."""
    made = DecisionLedger()
    for number, decisions in enumerate(blocks):
        made.add(DECIDED, decisions)
        made.close(share=1.0 / (1 + number))
    return made


@given(blocks=st.lists(st.integers(0, BLOCK).map(float), max_size=40), span=st.integers(1, 1_500))
def test_sums_are_of_the_latest_blocks(blocks: list[float], span: int) -> None:
    most = max(round(span / BLOCK), 1)
    assert filled(blocks).sums(span)[DECIDED] == sum(blocks[-most:])


@given(n=st.integers(1, 30), first=st.integers(0, 900), length=st.integers(0, 900))
def test_waiting_is_the_share_of_each_event(n: int, first: int, length: int) -> None:
    shares = np.array([0.0] * BLOCK + [1.0 / (1 + i) for i in range(n) for _ in range(BLOCK)])
    assert filled([0.0] * n).waiting(first, first + length) == pytest.approx(shares[first : first + length].sum())


def test_what_is_forgotten_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS", 4)
    made = filled([1.0] * 9)
    assert made.sums(10_000)[DECIDED] == 4.0
    other = DecisionLedger()
    other.load_state_dict(made.state_dict())
    for one in (made, other):
        one.add(DECIDED, 7.0)
        one.close(0.5)
    assert made.sums(10_000) == other.sums(10_000)
    assert made.sums(10_000)[DECIDED] == 10.0
