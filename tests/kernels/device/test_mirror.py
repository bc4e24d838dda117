"""Copies of arrays on a device follow what changes, byte for byte and by no more than that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import place


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(place("torch-cpu"))


def sent(mirror: Mirror, name: str, array: np.ndarray) -> int:
    mirror.put(name, array)
    size = mirror.send()
    assert mirror[name].numpy().tobytes() == array.tobytes()
    return size


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.int8, np.bool_])
def test_an_array_of_any_plain_dtype_arrives(mirror: Mirror, dtype: type) -> None:
    array = np.arange(15).reshape(5, 3).astype(dtype)
    assert sent(mirror, "a", array) == array.nbytes
    assert mirror["a"].shape == (5, 3)


def test_what_has_not_changed_does_not_travel(mirror: Mirror) -> None:
    array = np.array([[1.0, np.nan], [np.inf, -0.0]])
    sent(mirror, "a", array)
    assert sent(mirror, "a", array.copy()) == 0


def test_a_zero_that_changes_its_sign_travels(mirror: Mirror) -> None:
    sent(mirror, "a", np.zeros((4, 1)))
    assert sent(mirror, "a", np.array([[0.0], [-0.0], [0.0], [0.0]])) > 0


def test_only_rows_that_differ_travel(mirror: Mirror) -> None:
    array = np.zeros((100, 4))
    sent(mirror, "a", array)
    array[[3, 50]] = 1.0
    assert sent(mirror, "a", array) == 2 * (4 * 8 + 8)


def test_a_tensor_keeps_its_address_until_its_array_changes_its_shape(mirror: Mirror) -> None:
    sent(mirror, "a", np.zeros((4, 2)))
    address, generation = mirror["a"].data_ptr(), mirror.generation
    sent(mirror, "a", np.ones((4, 2)))
    assert (mirror["a"].data_ptr(), mirror.generation) == (address, generation)
    sent(mirror, "a", np.ones((5, 2)))
    assert mirror.generation == generation + 1


def test_named_rows_travel_without_a_comparison(mirror: Mirror) -> None:
    array = np.zeros((10, 2))
    mirror.put_rows("a", array, np.arange(0))
    assert mirror.send() == array.nbytes  # there was none before
    array[7], array[8] = 1.0, 2.0
    mirror.put_rows("a", array, np.array([7]))
    assert mirror.send() == 2 * 8 + 8
    assert mirror["a"][7].tolist() == [1.0, 1.0]
    assert mirror["a"][8].tolist() == [0.0, 0.0]


def test_what_is_put_is_what_the_array_was_then(mirror: Mirror) -> None:
    array = np.zeros((3, 1))
    mirror.put("a", array)
    array[:] = 5.0
    mirror.send()
    assert mirror["a"].tolist() == [[0.0], [0.0], [0.0]]


def test_numbers_and_empty_arrays_arrive(mirror: Mirror) -> None:
    sent(mirror, "number", np.array(2.5))
    assert sent(mirror, "number", np.array(3.5)) == 8
    sent(mirror, "empty", np.zeros((0, 3)))
    assert mirror["empty"].shape == (0, 3)


def test_tensors_are_dropped_by_the_beginning_of_their_names(mirror: Mirror) -> None:
    sent(mirror, "tree/a", np.zeros(2))
    sent(mirror, "forest/a", np.zeros(2))
    mirror.forget("tree/")
    assert "tree/a" not in mirror
    assert "forest/a" in mirror
    assert sent(mirror, "tree/a", np.zeros(2)) == 16


def test_what_was_dropped_is_not_sent(mirror: Mirror) -> None:
    mirror.put("tree/a", np.zeros(2))
    mirror.put("forest/a", np.zeros(2))
    mirror.forget("tree/")
    assert mirror.send() == 16


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.floats(width=64)), max_size=30))
def test_after_any_changes_the_copy_is_the_array(changes: list[tuple[int, int, float]]) -> None:
    mirror, array = Mirror(place("torch-cpu")), np.zeros((8, 3))
    for row, column, value in changes:
        array[row, column] = value
        mirror.put("a", array)
        mirror.send()
        assert torch.equal(mirror["a"].view(torch.int64), torch.from_numpy(array.view(np.int64)))


def test_values_of_rows_arrive_without_the_rest_of_their_array(mirror: Mirror) -> None:
    mirror.put_rows("a", np.zeros((5, 2)), np.arange(5))
    mirror.send()
    mirror.write_rows("a", np.full((2, 2), 7.0), np.array([1, 4]))
    mirror.write_rows("a", np.zeros((0, 2)), np.arange(0))
    assert mirror.send() == 2 * (2 * 8 + 8)
    assert mirror["a"][:, 0].tolist() == [0.0, 7.0, 0.0, 0.0, 7.0]
    with pytest.raises(KeyError):
        mirror.write_rows("b", np.zeros((1, 2)), np.array([0]))
