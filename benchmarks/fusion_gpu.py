"""How quick is fusion on a GPU, and how near to what its memory can do?

Timed by CUDA events, after warming up: `fuse` on float32 evidence, and the whole of scoring (walks down the trees,
leaf gather, router, fusion, decision) from X on the device, at several batch sizes. Beside each: the bytes that fusion
must move, and the share of the bandwidth that a plain copy of the same card reaches. The result is a CSV that names
the card. Without a CUDA device it says so and stops. Results are checked against the CPU before anything is timed.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.kernels import hoeffding
from tocsin.kernels.common.backends import cuda_there
from tocsin.kernels.fusion import fuse
from tocsin.kernels.hoeffding import HoeffdingSettings
from tocsin.kernels.routing import reliability as routing
from tocsin.kernels.score import Leaves, Network, score

E, K, F, H = 12, 10, 10, 24
SIZES = (1, 64, 4_096, 65_536, 1_048_576)


def microseconds(run: Callable[[], Any], rounds: int) -> float:
    """The median of many launches, each between two CUDA events."""
    import torch

    for _ in range(10):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(1000.0 * start.elapsed_time(end))
    return float(np.median(times))


def bandwidth() -> float:
    """Bytes a second of a copy on the device, read and written."""
    import torch

    source = torch.empty(1 << 28, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / (microseconds(lambda: target.copy_(source), 30) * 1e-6)


def grown(rng: np.random.Generator) -> tuple[hoeffding.Pool, routing.Router, Any, Any]:
    """Trees and a router that have seen something, X and y of what they saw."""
    X = rng.normal(size=(20_000, F))
    y = (np.abs(X[:, :3]).sum(axis=1) * 2.0).astype(np.int64) % K
    pool = hoeffding.new_pool([HoeffdingSettings(grace_period=50, tau=0.2, subspace=0.6)] * E, F, K)
    pool = hoeffding.learn(pool, X, y, rng.poisson(1.0, (len(X), E)).astype(np.float64))
    router = routing.new(routing.Sizes(F, E, H), 0, -1.0, 4.0)
    rates = routing.Rates(0.01, 1.0, 0.999, 0.995, 1e4, 0.0, 1000.0, 4.0, 0.995, 0.0)
    evidence = hoeffding.evidence(pool, X, cap=30.0)
    records = routing.Records(X, evidence, y, np.ones(len(X)), np.zeros_like(y))
    output = routing.RouterOutput(np.empty((len(X), E)), np.empty(len(X)))
    routing.learn_rows(router, records, H, rates, output)
    return pool, router, X, y


def check(scorer: Any, pool: hoeffding.Pool, router: routing.Router, X: Any) -> None:
    """The device against the CPU. Raises SystemExit where they differ."""
    here = Leaves(hoeffding.leaf_ids(pool, X), pool.counts[:, :, :K], 30.0)
    ours, exact = scorer(X), score(here, Network(router, X, H), least=0.6, backend="numba")
    for name, one, other in zip(exact._fields, ours, exact, strict=True):
        if np.abs(one - other).max() > 1e-9:
            raise SystemExit(f"score on the device does not agree with the CPU: {name}")
    evidence = hoeffding.evidence(pool, X, cap=30.0)
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
        given = evidence.astype(dtype), exact.reliability
        if np.abs(fuse(*given, backend="triton").belief - fuse(*given, backend="reference").belief).max() > tolerance:
            raise SystemExit(f"fuse on the device does not agree with the reference in {dtype.__name__}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("build/fusion_gpu.csv"))
    path = parser.parse_args().csv
    print((__doc__ or "").splitlines()[0])
    if not cuda_there():
        print("skipped: there is no CUDA device here (or PyTorch is one without CUDA)")
        return
    import torch

    from tocsin.kernels.fusion.triton_launch import fuse_tensors
    from tocsin.kernels.score.on_device import DeviceScorer

    rng = np.random.default_rng(0)
    pool, router, X, _ = grown(rng)
    scorer = DeviceScorer(pool, router, H, cap=30.0, least=0.6)
    check(scorer, pool, router, X[:5_000])
    card, copied = torch.cuda.get_device_name(), bandwidth()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["card", "events", "fuse_us", "fuse_ns_an_event", "share_of_copy_bandwidth", "score_us"])
        for B in SIZES:
            evidence = torch.rand((B, E, K), dtype=torch.float32, device="cuda") * 9.0
            rho = torch.rand((B, E), dtype=torch.float32, device="cuda") * 0.999
            rows = torch.from_numpy(rng.normal(size=(B, F))).cuda()
            rounds = 200 if B < 100_000 else 30
            fused = microseconds(lambda: fuse_tensors(evidence, rho, "dempster", float(K)), rounds)  # noqa: B023
            scored = microseconds(lambda: scorer.packed(rows), rounds)  # noqa: B023
            moved = B * (4 * (E * K + E + K + 2) + 8)
            share = moved / (fused * 1e-6) / copied
            out.writerow([card, B, f"{fused:.2f}", f"{1000 * fused / B:.3f}", f"{share:.3f}", f"{scored:.2f}"])
    print(f"{card}, a copy moves {copied / 1e9:.0f} GB/s; E = {E}, K = {K}\n{path.read_text()}written to {path}")


if __name__ == "__main__":
    main()
