"""The order of a run holds every test once, and its halves begin with different kernels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from .order import OTHER_KERNELS, SLOW, TESTS, TREES, in_order


class Item(NamedTuple):
    path: Path
    number: int


def found() -> list[Item]:
    """Three items of each file of tests."""
    return [Item(path, i) for path in sorted(TESTS.rglob("test_*.py")) for i in range(3)]


def test_every_test_stands_in_it_once() -> None:
    assert sorted(in_order(found())) == sorted(found())


def test_the_halves_begin_with_trees_and_with_other_kernels() -> None:
    ordered = in_order(found())
    first, second = ordered[0].path, ordered[len(ordered) // 2].path
    assert any(first.is_relative_to(TESTS / name) for name in TREES)
    assert any(second.is_relative_to(TESTS / name) for name in OTHER_KERNELS)


def test_the_tests_of_a_file_stay_together_and_in_their_order() -> None:
    ordered = in_order(found())
    places = {item: place for place, item in enumerate(ordered)}
    files = {item.path: [places[Item(item.path, i)] for i in range(3)] for item in ordered}
    assert all(found == sorted(found) for found in files.values())
    # The end of the first half may cut one file.
    assert sum(last - first > 2 for first, _, last in files.values()) <= 1


@pytest.mark.parametrize("name", [*TREES, *OTHER_KERNELS, *SLOW])
def test_what_it_names_is_there(name: str) -> None:
    assert (TESTS / name).exists()
