"""The expert that expects no change."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.persistence import PersistenceExpert

BATCH = Batch.of(
    np.zeros((4, 0)), history=np.array([[1, 0], [1, 0], [-1, -1], [-1, -1]]), subject_label=np.array([2, -1, 2, -1])
)


@pytest.mark.parametrize(("by", "last"), [("stream", [1, 1, -1, -1]), ("subject", [2, 1, 2, -1])])
def test_the_last_known_label_is_repeated(by: str, last: list[int]) -> None:
    expert = PersistenceExpert(PersistenceSettings(by=by, strength=3.0))  # type: ignore[arg-type]
    expert.resize(0, 3)
    assert expert.last(BATCH).tolist() == last
    evidence = expert.evidence(BATCH)
    assert evidence.shape == (4, 3)
    for row, label in zip(evidence, last, strict=True):
        assert row.tolist() == [3.0 if k == label else 0.0 for k in range(3)]


def test_without_any_history_nothing_is_known() -> None:
    expert = PersistenceExpert(PersistenceSettings(by="stream"))
    expert.resize(0, 2)
    assert not expert.evidence(Batch.of(np.zeros((3, 0)))).any()
    assert expert.evidence(Batch.of(np.zeros((0, 0)))).shape == (0, 2)


def test_it_holds_no_state() -> None:
    expert = PersistenceExpert(PersistenceSettings())
    expert.learn(BATCH, np.zeros(4, np.int64), np.ones(4))
    assert expert.state_dict() == {}
