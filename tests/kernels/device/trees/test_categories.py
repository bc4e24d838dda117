"""The table of categories is a dictionary, on a device as where it is written."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.device.trees import categories
from tocsin.kernels.hoeffding.copying.categories import (
    hash_of,
    owner_of_children,
    owner_of_list,
    take_changed_cells,
    write,
)
from tocsin.kernels.hoeffding.copying.layout import PROBES, USED, Plan, new_cells, new_found, new_held

owners = st.integers(-(2**40), 2**40).filter(bool)
values = st.floats(allow_nan=False) | st.integers(-5, 40).map(float)
PLAN = Plan(1, 64, (4,), 2, 3, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(owners, values, st.integers(-(2**60), 2**60)), max_size=80))
def test_what_was_written_last_is_found_and_nothing_else(entries: list[tuple[int, float, int]]) -> None:
    held, found = new_held(PLAN)._replace(cells=new_cells(256)), new_found(PLAN, 256)
    written: dict[tuple[int, float], int] = {}
    for owner, value, worth in entries:
        assert write(held, found, owner, np.array([value]), worth)
        written[owner, value] = worth  # 0.0 and -0.0 are one key here, too
    assert held.counts[USED] == len(written)
    cells = take_changed_cells(found)
    assert len(cells) == len(written)
    assert len(take_changed_cells(found)) == 0
    asked = [*written, *[(owner, value + 1.5) for owner, value in written], (7, 0.0)]
    owner, value = torch.tensor([o for o, _ in asked]), torch.tensor([v for _, v in asked], dtype=torch.float64)
    probes = max(1, int(held.counts[PROBES]))
    there, worth_found = categories.find(torch.from_numpy(held.cells), owner, categories.bits_of(value), probes)
    for i, key in enumerate(asked):
        assert bool(there[i]) == (key in written)
        assert int(worth_found[i]) == written.get(key, 0)


def test_a_table_is_never_full() -> None:
    held, found = new_held(PLAN)._replace(cells=new_cells(64)), new_found(PLAN, 64)
    room = [write(held, found, 1, np.array([float(value)]), value) for value in range(64)]
    assert 10 < sum(room) < 32
    assert room == sorted(room, reverse=True)
    assert write(held, found, 1, np.array([3.0]), 5)  # what is there already needs no room


@given(owners, st.integers(-(2**63), 2**63 - 1))
@settings(deadline=None)
def test_hashes_and_owners_are_the_same_numbers_everywhere(owner: int, bits: int) -> None:
    assert int(categories.hashes(torch.tensor(owner), torch.tensor(bits))) == hash_of(owner, bits) >= 0
    lists, c, k = abs(owner) % 2**31, torch.tensor(2), torch.tensor(1)
    assert int(categories.owner_of_list(torch.tensor(lists), c, k, 4, 3)) == owner_of_list(lists, 2, 1, 4, 3) > 0
    assert int(categories.owner_of_children(torch.tensor(lists))) == owner_of_children(lists) < 0
