"""Launches of one function of a batch: shapes from a few buckets, and CUDA graphs where the device has them.

A batch is padded to the next power of two, so that few shapes occur. On a CUDA device the first batch of a shape is
computed once to compile and tune, then captured; from then on one copy brings the rows there, one launch repeats the
graph, and one copy brings the answer back. On the CPU the function is called as it is, with the same padding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.place import Place

Floats = NDArray[np.float64]

MOST_ROWS = 65_536
"""Events of one launch; a larger batch is cut."""
LANES = 64
"""On the CPU a batch is padded to a multiple of it: padding to powers of two would cost up to half the time there."""
GRAPHS = 64
"""Captured graphs that are kept; the one that was used least lately makes room."""


class Captured(NamedTuple):
    """A graph, with the memory that it reads and writes."""

    function: Callable[[Tensor], Tensor]
    """What was captured. It is held here, because the graph reads tensors that are its own."""
    graph: torch.cuda.CUDAGraph
    rows: Tensor
    """On the device, [bucket, W]."""
    answer: Tensor
    """On the device, [bucket, n]."""
    host_rows: Tensor
    """Pinned, [bucket, W]."""
    host_answer: Tensor
    """Pinned, [bucket, n]."""


def bucket(rows: int, is_cuda: bool) -> int:
    """How many rows a batch of so many is padded to.

    >>> [bucket(n, True) for n in (1, 3, 64, 65)], [bucket(n, False) for n in (1, 65)]
    ([1, 4, 64, 128], [64, 128])
    """
    return 1 << max(rows - 1, 0).bit_length() if is_cuda else -(-max(rows, 1) // LANES) * LANES


class Launches:
    """Calls a function of rows [B, W] on a device, which gives [B, n] float64.

    The function is one of tensors alone: with rows of the same shape and the same key it runs the same operations, and
    what it reads beside the rows keeps its address.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._graphs: OrderedDict[Hashable, Captured] = OrderedDict()
        self._pool = torch.cuda.graph_pool_handle() if place.is_cuda else None
        """The memory that all graphs work in: one is done, and its answer fetched, before the next begins."""
        self._generation = -1

    def __call__(
        self, function: Callable[[Tensor], Tensor], rows: Floats, key: Hashable, generation: int, most: int = MOST_ROWS
    ) -> Floats:
        """What the function gives for all rows, at most `most` of them at once.

        `generation` is that of the tensors which it reads: where it is another, no graph of before is used. A key of
        None is never captured.
        """
        if generation != self._generation:
            self._graphs.clear()
            self._generation = generation
        pieces = [self._piece(function, rows[start : start + most], key) for start in range(0, len(rows), most)]
        if not pieces:
            return self._piece(function, np.zeros((1, rows.shape[1])), None)[:0]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _piece(self, function: Callable[[Tensor], Tensor], rows: Floats, key: Hashable) -> Floats:
        size = bucket(len(rows), self._place.is_cuda)
        with torch.inference_mode():
            if self._place.is_cuda and key is not None:
                return self._replayed(function, rows, (key, size, rows.shape[1]), size)
            padded = np.zeros((size, rows.shape[1]))
            padded[: len(rows)] = rows
            answer: Floats = function(torch.from_numpy(padded).to(self._place.device)).cpu().numpy()
            return answer[: len(rows)]

    def _replayed(self, function: Callable[[Tensor], Tensor], rows: Floats, key: Hashable, size: int) -> Floats:
        """By the graph of this key, which is captured where there is none."""
        found = self._graphs.pop(key, None)
        if found is None:
            found = self._capture(function, size, rows.shape[1])
        self._graphs[key] = found
        if len(self._graphs) > GRAPHS:
            self._graphs.popitem(last=False)
        found.host_rows.numpy()[: len(rows)] = rows
        found.rows.copy_(found.host_rows, non_blocking=True)
        found.graph.replay()
        found.host_answer.copy_(found.answer, non_blocking=True)
        torch.cuda.current_stream(self._place.device).synchronize()
        answer: Floats = found.host_answer.numpy()[: len(rows)].copy()
        return answer

    def _capture(self, function: Callable[[Tensor], Tensor], size: int, width: int) -> Captured:
        device = self._place.device
        rows = torch.zeros((size, width), dtype=torch.float64, device=device)
        function(rows)  # the first call compiles and tunes, which a capture may not
        torch.cuda.synchronize(device)
        graph, stream = torch.cuda.CUDAGraph(), _stream(device)
        with torch.cuda.graph(graph, pool=self._pool, stream=stream):  # PyTorch's own stream is of the first device
            answer = function(rows)
        host = [torch.zeros(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in (rows, answer)]
        return Captured(function, graph, rows, answer, *host)


def _stream(device: torch.device) -> torch.cuda.Stream:
    """A stream of a device, on which a graph is captured."""
    make: Callable[..., torch.cuda.Stream] = torch.cuda.Stream
    return make(device)
