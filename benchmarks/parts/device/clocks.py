"""How long a launch takes: by wall clock with all copies, and by the device's own events without."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tocsin.kernels.device.place import Place

WARM = 5
SHORT = 0.15
"""Seconds that one figure is measured for, at the least three rounds of it."""


def wall(place: Place, run: Callable[[], Any]) -> float:
    """Microseconds of a call by wall clock, with everything that it waits for: the median of many."""
    for _ in range(WARM):
        run()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SHORT and len(times) < 500):
        _wait(place)
        began = time.perf_counter()
        run()
        _wait(place)
        times.append(time.perf_counter() - began)
    return 1e6 * float(np.median(times))


def by_events(place: Place, run: Callable[[], Any]) -> float:
    """Microseconds of a call's launches by CUDA events, repeated from a captured graph; by wall clock elsewhere."""
    if not place.is_cuda:
        return wall(place, run)
    for _ in range(WARM):
        run()
    _wait(place)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < 1e6 * SHORT and len(times) < 500):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(1e3 * start.elapsed_time(end))
    return float(np.median(times))


def on_all_cores(run: Callable[[slice], Any], rows: int) -> Callable[[], Sequence[Any]]:
    """A call that hands pieces of B events to a thread a core; compiled kernels run without Python's lock."""
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores)
    edges = np.linspace(0, rows, min(cores, max(rows // 64, 1)) + 1).astype(int).tolist()
    pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return lambda: list(pool.map(run, pieces))


def copy_bandwidth(place: Place) -> float:
    """Bytes a second of a copy on the device, read and written."""
    source = torch.empty(1 << (26 if place.is_cuda else 22), dtype=torch.float64, device=place.device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 8 / (1e-6 * by_events(place, lambda: target.copy_(source)))


def processor() -> str:
    """The name of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'CPU'} ({os.cpu_count()} cores)"


def _wait(place: Place) -> None:
    if place.is_cuda:
        torch.cuda.synchronize(place.device)
