"""When does a CUDA device pay: the whole of scoring there, on all cores of the same machine, and by plain PyTorch?

First whether it is right: Electricity, again and again, is decided by the service on the CPU and on the device, with
labels, and every decision is compared. Then how quick it is: microseconds a batch by wall clock with all copies, by
CUDA events without, by the compiled kernels on all cores, and by plain PyTorch on the device, for pools of trees with a
router and for the default pool. The CSV names the card, the driver and the CPU. `make gpu` runs it, which is meant to
take six minutes at most on one card. Without a CUDA device it says so and stops, unless `--device torch-cpu` is to show
that the script is right.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from parts.device import clocks, pools
from parts.device.differences import of_each_its_own, of_one_model

from tocsin.kernels import hoeffding
from tocsin.kernels.device.place import DeviceError, Place, place
from tocsin.kernels.fusion import fuse
from tocsin.kernels.fusion.torch_tensors import fuse_tensors as fuse_by_torch
from tocsin.kernels.score import Leaves, Network, score
from tocsin.models.decision.scoring.opinions import CpuScorer
from tocsin.models.device.guarded import largest_difference
from tocsin.models.device.scorer import DeviceScorer

BATCHES = (1, 16, 64, 256, 1_024, 4_096, 16_384, 65_536)
CLASSES = (2, 10, 24)
TREES = (12, 100)
NODES = (1_000, 10_000, 50_000)
LARGEST_POOL = 1 << 33
"""Bytes of class weights of a pool that is still measured."""
AGREE = 1e-6


class Row(NamedTuple):
    """One line of the CSV. A figure that does not apply is empty."""

    what: str
    classes: int
    events: int
    wall_us: float | None
    """On the device, with all copies and what the host does."""
    host_us: float | None
    """What the host does of that, where nothing was learnt since: packing rows, unpacking the answer."""
    device_us: float | None
    """On the device, without copies."""
    plain_torch_us: float | None
    """On the device, without copies and without kernels of our own."""
    all_cores_us: float | None
    """By the compiled kernels on all cores."""
    share_of_copy: float | None
    """Of the bandwidth of a copy, what fusion reaches by the bytes that it must move."""


class Repeated:
    """Launches that give for every batch of a size what the first one gave, so that the host alone is timed."""

    def __init__(self, launches: Any) -> None:
        self._launches = launches
        self._known: dict[tuple[int, ...], Any] = {}

    def __call__(self, program: Any, rows: Any, *more: Any) -> Any:
        if rows.shape not in self._known:
            self._known[rows.shape] = self._launches(program, rows, *more)
        return self._known[rows.shape]


def fusion_rows(there: Place, sizes: tuple[int, ...], copied: float) -> Iterator[Row]:
    """Router and fusion need few bytes an event: how near is fusion to what the memory can do?"""
    rng, E = np.random.default_rng(0), 12
    for K, B in itertools.product(CLASSES, sizes):
        evidence, rho = rng.gamma(0.5, 8.0, (B, E, K)).astype(np.float32), 0.999 * rng.random((B, E), np.float32)
        given = [torch.from_numpy(array).to(there.device) for array in (evidence, rho)]
        plain = clocks.by_events(there, lambda: fuse_by_torch(given[0], given[1], "dempster", float(K)))  # noqa: B023
        ours = plain
        if there.triton:
            from tocsin.kernels.fusion.triton_launch import fuse_tensors

            ours = clocks.by_events(there, lambda: fuse_tensors(given[0], given[1], "dempster", float(K)))  # noqa: B023
        cores = clocks.wall(there, clocks.on_all_cores(lambda s: fuse(evidence[s], rho[s]), B))  # noqa: B023
        moved = B * (4 * (E * K + E + K + 2) + 8)
        yield Row("fusion", K, B, None, None, ours, plain, cores, moved / (1e-6 * ours) / copied)


def tree_rows(there: Place, sizes: tuple[int, ...], nodes: tuple[int, ...]) -> Iterator[Row]:
    """Pools of trees: walks, leaf gather, router, fusion and decision, in two launches."""
    if not there.triton:
        return  # these launches are kernels of Triton
    from tocsin.kernels.score.on_device import DeviceScorer as TreeScorer

    for E, N, K in itertools.product(TREES, nodes, CLASSES):
        if 8 * E * N * K > LARGEST_POOL:
            continue
        rng = np.random.default_rng(0)
        made = pools.balanced(E, N, K, rng)
        scorer = TreeScorer(made.pool, made.router, pools.HIDDEN, cap=pools.CAP)
        for B in sizes:
            X = pools.events(B, rng)
            there_rows = torch.from_numpy(X).to(there.device)

            def on_cpu(rows: slice) -> Any:
                here = Leaves(hoeffding.leaf_ids(made.pool, X[rows]), made.pool.counts, pools.CAP)  # noqa: B023
                return score(here, Network(made.router, X[rows], pools.HIDDEN), backend="numba")  # noqa: B023

            if sizes[0] == B:
                _same(f"{E} trees of {N} nodes", np.abs(scorer(X).belief - on_cpu(slice(0, B)).belief).max())
            wall = clocks.wall(there, lambda: scorer(X))  # noqa: B023
            device = clocks.by_events(there, lambda: scorer.packed(there_rows))  # noqa: B023
            cores = clocks.wall(there, clocks.on_all_cores(on_cpu, B))
            yield Row(f"{E} trees of {N} nodes", K, B, wall, None, device, None, cores, None)


def default_rows(there: Place, sizes: tuple[int, ...]) -> Iterator[Row]:
    """The default pool, from prepared events to what is decided of them."""
    for K in CLASSES:
        rng = np.random.default_rng(0)
        model = pools.default_pool(K, rng)
        parts, active, learnt = model.mixture.scored_parts, model.mixture.lifecycle.active, model.learnt
        cpu, scorer = CpuScorer(parts), DeviceScorer(parts, there)
        plain = DeviceScorer(parts, replace(there, triton=False)) if there.triton else scorer
        mute = DeviceScorer(parts, there)
        mute._launches = Repeated(mute._launches)  # type: ignore[assignment]
        for B in sizes:
            batch = pools.prepared(model, pools.events(B, rng))
            if sizes[0] == B:
                one, other = (s.opinions(batch, active, learnt) for s in (cpu, scorer))
                _same(f"the default pool of {K} classes", largest_difference(one, other))
            wall = clocks.wall(there, lambda: scorer.opinions(batch, active, learnt))  # noqa: B023
            device, by_torch = (clocks.by_events(there, one.resident(batch, active, learnt)) for one in (scorer, plain))
            cores = clocks.wall(
                there,
                clocks.on_all_cores(lambda s: cpu.opinions(batch.rows(s.start, s.stop), active, learnt), B),  # noqa: B023
            )
            host = clocks.wall(there, lambda: mute.opinions(batch, active, learnt))  # noqa: B023
            yield Row("the default pool", K, B, wall, host, device, by_torch, cores, None)


def _same(what: str, apart: float) -> None:
    """Raises SystemExit where the device does not agree with the CPU."""
    if not apart <= AGREE:
        raise SystemExit(f"{what}: the device does not agree with the CPU, by {apart:.3g}")


def machine(there: Place) -> str:
    """The card, its driver and the CPU."""
    if not there.is_cuda:
        return f"{there.title}, {clocks.processor()}"
    driver = Path("/proc/driver/nvidia/version")
    version = driver.read_text().split("  ")[1].strip() if driver.exists() else "unknown"
    return f"{torch.cuda.get_device_name(there.device)}, driver {version}, {clocks.processor()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--events", type=int, default=200_000, help="of Electricity, whose decisions are compared")
    parser.add_argument("--quick", action="store_true", help="few and small batches")
    parser.add_argument("--csv", type=Path, default=Path("build/device.csv"))
    parser.add_argument("--there", action="store_true", help="only whether there is such a device, by the exit status")
    given = parser.parse_args()
    print((__doc__ or "").splitlines()[0])
    try:
        there = place(given.device)
    except DeviceError as error:
        print(f"skipped, and no figure was taken: {error}")
        raise SystemExit(given.there) from None
    if given.there:
        return
    began, sizes = time.monotonic(), BATCHES[:3] if given.quick else BATCHES
    for what, found in (
        ("one model", of_one_model(there, given.events)),
        ("each its own feedback", of_each_its_own(there.name, given.events)),
    ):
        print(
            f"{what}: of {found.events} decisions on Electricity {found.different} differ on {there.title}, numbers "
            f"by at most {found.largest:.2g}; right are {found.accuracy[0]:.2%} and {found.accuracy[1]:.2%}"
        )
    copied = clocks.copy_bandwidth(there)
    print(f"{machine(there)}; a copy moves {copied / 1e9:.0f} GB/s")
    given.csv.parent.mkdir(parents=True, exist_ok=True)
    with given.csv.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["machine", *Row._fields])
        nodes = NODES[:1] if given.quick else NODES
        for row in itertools.chain(
            default_rows(there, sizes), fusion_rows(there, sizes, copied), tree_rows(there, sizes, nodes)
        ):
            out.writerow(
                [machine(there), *("" if v is None else f"{v:.3f}" if isinstance(v, float) else v for v in row)]
            )
            file.flush()
    print(f"{given.csv.read_text()}written to {given.csv}, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
