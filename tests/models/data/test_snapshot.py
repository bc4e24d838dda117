"""What a snapshot can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.models.data import snapshot
from tocsin.models.data.snapshot import SnapshotError


@pytest.mark.parametrize("values", [[], [True, False], [1, -2], [0.5, 1e300], ["a", "é", "\ud800"], ["", "long" * 99]])
def test_plain_values_come_back_as_they_were(values: list[Any]) -> None:
    found = snapshot.plain_array(values, "labels").tolist()
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize("values", [[1, "a"], [(1, 2)], [None], [2**70], ["ends with nothing\0"], [1, True]])
def test_values_that_would_not_come_back_are_refused(values: list[Any]) -> None:
    with pytest.raises(SnapshotError, match="labels"):
        snapshot.plain_array(values, "labels")


def test_parameters_come_back_but_for_tuples() -> None:
    given = {"a": np.float64(0.1), "b": float("-inf"), "c": None, "d": (1, "x"), "e": True, "f": np.int32(7)}
    plain = snapshot.plain_parameters(given)
    assert plain == {"a": 0.1, "b": {"float": "-inf"}, "c": None, "d": [1, "x"], "e": True, "f": 7}
    assert snapshot.parameters(plain) == {"a": 0.1, "b": float("-inf"), "c": None, "d": [1, "x"], "e": True, "f": 7}
    with pytest.raises(SnapshotError, match="the parameter net is of type object"):
        snapshot.plain_parameters({"net": object()})


@pytest.mark.parametrize(
    ("manifest", "arrays"),
    [
        ({}, {"objects": np.array([object()], object)}),
        ({"seed": 2**70}, {"numbers": np.zeros(1)}),
        ({"thing": object()}, {}),
    ],
)
def test_what_cannot_be_written_leaves_the_last_snapshot(tmp_path: Path, manifest: Any, arrays: Any) -> None:
    snapshot.write(tmp_path / "one", {"n": 1}, {"numbers": np.arange(3)})
    with pytest.raises(SnapshotError):
        snapshot.write(tmp_path / "one", manifest, arrays)
    found, numbers = snapshot.read(tmp_path / "one")
    assert found["n"] == 1
    assert numbers["numbers"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
