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


def test_a_digest_tells_apart_whatever_differs_and_nothing_else() -> None:
    base: dict[str, Any] = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yy"]), "c": np.array(3)}
    others: list[dict[str, Any]] = [
        {"b": base["b"], "c": base["c"]},
        {**base, "d": np.zeros(0)},
        {**base, "a": base["a"].reshape(3, 2)},
        {**base, "a": base["a"].astype(np.float32)},
        {**base, "a": base["a"].astype(">f8")},
        {**base, "a": -base["a"]},  # 0.0 and -0.0 are equal, and not the same
        {**base, "b": base["b"].astype("<U3")},
        {**base, "c": np.array([3])},
        {"aa": base["a"], "b": base["b"], "c": base["c"]},
    ]
    assert len({snapshot.digest(arrays) for arrays in [base, *others]}) == len(others) + 1
    same = {"c": base["c"], "b": np.array(["x", "", "yy"])[::2], "a": np.asfortranarray(base["a"])}
    assert snapshot.digest(same) == snapshot.digest(base)


def test_arrays_that_are_not_those_of_the_manifest_are_not_read(tmp_path: Path) -> None:
    sha256 = snapshot.write(tmp_path / "one", {"n": 1, "sha256": "of an earlier one"}, {"numbers": np.arange(3)})
    manifest, arrays = snapshot.read(tmp_path / "one")
    assert manifest["sha256"] == sha256 == snapshot.digest(arrays)
    snapshot.write(tmp_path / "two", {"n": 1}, {"numbers": np.arange(4)})
    (tmp_path / "two" / "arrays.npz").replace(tmp_path / "one" / "arrays.npz")
    with pytest.raises(SnapshotError, match="SHA-256"):
        snapshot.read(tmp_path / "one")
