"""Many models in flat arrays on a device, of which one can be replaced, and to which one can be appended.

Every model has a part of each kind of rows (`layout.KINDS`), and a table says where its parts begin. Nothing in a part
says where it lies, so a part can be moved by a copy. A model that is replaced stays where it is as far as its parts fit
into the room that they have. A part that does not goes to the end, with half as much room again as it needs, and its
room of before is lost. So is what a smaller model leaves of the room of a larger one, beyond half as much again as it
needs. Where more than a third of the rows of a kind are lost, the parts of that kind are moved together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.many import layout
from tocsin.kernels.device.many.model import Arrays, PooledModel, arrays_of
from tocsin.kernels.device.place import DeviceError, Place
from tocsin.kernels.hoeffding.pool.layout import LEAF, N_CLASSES, N_FEATURES

Ints = NDArray[np.int64]


class ManyModels:
    """P models packed on a device: copies, which do not know what the models learn later.

    Parameters
    ----------
    models
        Each a pool of trees with its router and terms.
    place
        Where the arrays lie, and whether Triton runs there.

    Raises ValueError, which names the model and the field, where a model is none that can be scored, and DeviceError
    where its device has less memory free than `bytes_needed`.
    """

    def __init__(self, models: Sequence[PooledModel], place: Place) -> None:
        self.place = place
        self.generation = 0
        """It rises whenever a tensor is made anew. What was captured with the tensors of before is void then."""
        needed, free = bytes_needed(models), place.free_bytes()
        if free is not None and needed > free:
            raise DeviceError(f"{len(models)} models need {needed:,} bytes, and {place.name} has {free:,} free")
        packed = [numbered(p, model) for p, model in enumerate(models)]
        self._table = np.array([one.table for one in packed], np.int64).reshape(-1, len(layout.TABLE))
        self._terms = np.array([one.terms for one in packed], np.float64).reshape(-1, 2)
        needs = np.array([list(one.needs.values()) for one in packed], np.int64).reshape(-1, len(layout.KINDS))
        self._needs, self._room = needs, needs.copy()
        """[P, kinds], rows that each part has, and that it may take where it lies."""
        self._table[:, : len(layout.KINDS)] = np.cumsum(needs, axis=0) - needs
        self._end = needs.sum(axis=0)
        """[kinds], rows behind the last part."""
        self._ranks: Ints | None = None
        self._tensors: dict[str, Tensor] = {}
        for name, (kind, shape, dtype) in layout.ARRAYS.items():
            rows = np.concatenate([np.zeros((0, *shape), dtype), *(one.arrays[name] for one in packed)])
            self._tensors[name] = self._empty(name, len(rows) + self._tail(kind))
            self._tensors[name][: len(rows)] = torch.from_numpy(rows)
        self._send_tables()

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, name: str) -> Tensor:
        """A packed array (`layout.ARRAYS`), the `table` [P, TABLE] or the `terms` [P, 2] of all models."""
        return self._tensors[name]

    @property
    def table(self) -> Ints:
        """The table of models [P, TABLE], here. It is not to be written."""
        return self._table

    @property
    def widest(self) -> tuple[int, int, int, int]:
        """The largest F, E, K and H of all models; E, K and H are 1 at least."""
        F, E, K, H = self._table[:, layout.FEATURES : layout.RULE].max(axis=0, initial=0).tolist()
        return F, max(E, 1), max(K, 1), max(H, 1)

    @property
    def bytes_held(self) -> int:
        """Bytes of all tensors, with the room that nothing is in."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    @property
    def lost_shares(self) -> dict[str, float]:
        """Of each kind of rows the share that is lost, at most a third."""
        lost = 1.0 - self._kept().sum(axis=0) / np.maximum(self._end, 1)
        return dict(zip(layout.KINDS, np.where(self._end > 0, lost, 0.0).tolist(), strict=True))

    def _kept(self) -> Ints:
        """[P, kinds], the room of each part that is not lost."""
        kept: Ints = np.minimum(self._room, self._needs + self._needs // 2)
        return kept

    def ranks(self) -> Ints:
        """[P]: the place of each model in an order in which models of like sizes are neighbours."""
        if self._ranks is None:
            sizes = self._table[:, [layout.FEATURES, layout.HIDDEN, layout.CLASSES, layout.EXPERTS]]
            self._ranks = np.empty(len(self), np.int64)
            self._ranks[np.lexsort(sizes.T)] = np.arange(len(self))
        return self._ranks

    def replace(self, number: int, model: PooledModel) -> None:
        """Put a model into the place of another. Raises IndexError where there is none of this number, and ValueError
        as `ManyModels` does; nothing has changed then."""
        if not 0 <= number < len(self):
            raise IndexError(f"number: {number} is none of {len(self)} models")
        arrays = numbered(number, model)
        needs = np.array(list(arrays.needs.values()))
        at = self._table[number, : len(layout.KINDS)]
        for i in np.flatnonzero(needs > self._room[number]):
            self._room[number, i] = needs[i] + needs[i] // 2
            at[i] = self._end[i]
            self._end[i] += self._room[number, i]
        self._needs[number] = needs
        self._write(number, arrays)

    def append(self, model: PooledModel) -> int:
        """Take one more model; returns its number. Raises ValueError as `ManyModels` does; nothing has changed then."""
        number = len(self)
        arrays = numbered(number, model)
        needs = np.array(list(arrays.needs.values()))
        table = arrays.table.copy()
        table[: len(layout.KINDS)] = self._end
        self._table = np.vstack([self._table, table])
        self._terms = np.vstack([self._terms, arrays.terms])
        self._needs, self._room = np.vstack([self._needs, needs]), np.vstack([self._room, needs])
        self._end = self._end + needs
        self._write(number, arrays)
        return number

    def _write(self, number: int, arrays: Arrays) -> None:
        """The rows of a model into its parts, after what makes room for them."""
        sizes = slice(len(layout.KINDS), None)
        if len(self["table"]) != len(self) or (self._table[number, sizes] != arrays.table[sizes]).any():
            self._ranks = None
        self._table[number, sizes] = arrays.table[sizes]
        self._terms[number] = arrays.terms
        moved = [self._make_room(i, kind) for i, kind in enumerate(layout.KINDS)]
        for name, (kind, _, _) in layout.ARRAYS.items():
            rows, at = arrays.arrays[name], int(self._table[number, layout.KINDS.index(kind)])
            self._tensors[name][at : at + len(rows)] = torch.from_numpy(rows).to(self.place.device)
        if any(moved) or len(self["table"]) != len(self):
            self._send_tables()
            return
        for name, row in (("table", self._table[number]), ("terms", self._terms[number])):
            self._tensors[name][number] = torch.from_numpy(row).to(self.place.device)

    def _make_room(self, i: int, kind: str) -> bool:
        """Larger tensors of one kind where its rows do not fit, or its parts moved together where too much is lost.

        Returns whether parts of other models have moved.
        """
        names = [name for name, (its, _, _) in layout.ARRAYS.items() if its == kind]
        held, need = len(self._tensors[names[0]]), int(self._end[i]) + self._tail(kind)
        kept = self._kept()[:, i]
        used = int(kept.sum())
        if 3 * (int(self._end[i]) - used) > int(self._end[i]):
            by_place = np.argsort(self._table[:, i], kind="stable")
            starts = np.cumsum(kept[by_place]) - kept[by_place]
            moved = np.repeat(self._table[by_place, i] - starts, kept[by_place]) + np.arange(used)
            # The part that is written next may lie beyond the rows that there are; nothing of it need be kept.
            places = torch.from_numpy(np.minimum(moved, held - 1)).to(self.place.device)
            for name in names:
                rows = self._tensors[name].index_select(0, places)
                self._renew(name, rows, used + self._tail(kind))
            self._table[by_place, i], self._room[:, i], self._end[i] = starts, kept, used
            return True
        if need > held:
            for name in names:
                self._renew(name, self._tensors[name], max(need, held + held // 2))
        return False

    def _renew(self, name: str, rows: Tensor, size: int) -> None:
        """A tensor of another size, which begins with these rows."""
        self._tensors[name] = self._empty(name, size)
        self._tensors[name][: len(rows)] = rows
        self.generation += 1

    def _empty(self, name: str, rows: int) -> Tensor:
        """Rows of zeros: what lies beyond a part is read, times 0, and must be a number. There is one row at least,
        because Triton wants an address."""
        _, shape, dtype = layout.ARRAYS[name]
        kind = torch.from_numpy(np.zeros(0, dtype)).dtype
        return torch.zeros((max(rows, 1), *shape), dtype=kind, device=self.place.device)

    def _tail(self, kind: str) -> int:
        """Rows behind the last part, so that as many as the widest model has may be read from any row of it."""
        _, E, _, H = self.widest
        return max(E + 1, H) if kind == layout.ROUTER else 0

    def _send_tables(self) -> None:
        """The tables of all models to the device."""
        for name, array in (("table", self._table), ("terms", self._terms)):
            known = self._tensors.get(name)
            if known is not None and len(known) == len(array):
                known.copy_(torch.from_numpy(array))
                continue
            self._tensors[name] = torch.from_numpy(array.copy()).to(self.place.device)
            self.generation += 1


def numbered(number: int, model: PooledModel) -> Arrays:
    """`arrays_of`, whose errors name the model."""
    try:
        return arrays_of(model)
    except ValueError as error:
        raise ValueError(f"model {number}: {error}") from None


def bytes_needed(models: Sequence[PooledModel]) -> int:
    """How many bytes of a device these models take when they are packed, found without packing them."""
    total, tail = 0, 2
    rows: dict[str, int] = dict.fromkeys(layout.KINDS, 0)
    for model in models:
        pool, H = model.pool, model.hidden
        F, K, E = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES]), len(pool.trees)
        nodes = pool.trees["n_nodes"]
        inside = np.arange(pool.nodes.shape[1]) < nodes[:, None]
        n_leaves = int((pool.nodes["kind"][inside] == LEAF).sum() + (nodes == 0).sum())
        rows[layout.NODES] += int(np.maximum(nodes, 1).sum())
        rows[layout.TREES] += E
        rows[layout.LEAVES] += n_leaves * (layout.EVIDENCE + K)
        rows[layout.ROUTER] += (1 + 2 * E + F) * H + (H + 1) * (E + 1)
        rows[layout.SCALES] += F
        tail = max(tail, E + 1, H)
        total += 8 * (len(layout.TABLE) + 2)
    rows[layout.ROUTER] += tail
    return total + sum(
        max(rows[kind], 1) * int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        for kind, shape, dtype in layout.ARRAYS.values()
    )
