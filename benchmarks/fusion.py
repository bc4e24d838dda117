"""What does it cost to fuse an event on one CPU core?

Dempster's rule with conflict and the early stop, E experts and K classes, B events a call: the numba back end on
float64 and on float32 evidence, torch, the plain reference, and the pairwise form in which TMC (Han et al. 2021) was
published, as torch (belief and uncertainty alone). `numba score` also computes the reliabilities (logits and a null
slot) and the decision. All get the same events in one run and must give the same beliefs. The machine may be shared:
the best of many rounds counts, the median stands beside it, and ratios mean more than times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tocsin.kernels.fusion import discount, fuse, opinions
from tocsin.kernels.score import Logits, score

Timing = tuple[float, float]


def pairwise(b: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """TMC's combination, two experts at a time; b [B, E, K], u [B, E]. Returns belief [B, K]."""
    belief, doubt = b[:, 0], u[:, 0, None]
    for e in range(1, b.shape[1]):
        other, unsure = b[:, e], u[:, e, None]
        products = torch.bmm(belief[:, :, None], other[:, None, :])
        agreeing = torch.diagonal(products, dim1=-2, dim2=-1)
        conflict = products.sum(dim=(1, 2)) - agreeing.sum(dim=1)
        norm = (1.0 - conflict)[:, None]
        belief, doubt = (belief * other + belief * unsure + other * doubt) / norm, doubt * unsure / norm
    return belief


def timed(run: Callable[[], Any], events: int, seconds: float) -> Timing:
    """Nanoseconds an event: the best round and the median one."""
    run()
    rounds: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < 5:
        start = time.perf_counter()
        run()
        rounds.append(time.perf_counter() - start)
    return min(rounds) / events * 1e9, float(np.median(rounds)) / events * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_096)
    parser.add_argument("--experts", type=int, default=12)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each")
    options = parser.parse_args()
    B, E, K = options.events, options.experts, options.classes
    print((__doc__ or "").splitlines()[0])
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    evidence, rho = rng.gamma(0.5, 5.0, (B, E, K)), rng.uniform(0.05, 0.999, (B, E))
    single, logits = evidence.astype(np.float32), Logits(rng.normal(0.0, 2.0, (B, E + 1)))
    b, u = (torch.from_numpy(part) for part in discount(*opinions(evidence, float(K)), rho))
    exact = fuse(evidence, rho, backend="reference").belief
    runs: dict[str, tuple[Callable[[], Any], float]] = {
        "numba, float64": (lambda: fuse(evidence, rho, backend="numba").belief, 1e-9),
        "numba, float32": (lambda: fuse(single, rho, backend="numba").belief, 1e-6),
        "numba score": (lambda: score(evidence, logits, least=0.6, backend="numba").belief, np.inf),
        "torch": (lambda: fuse(evidence, rho, backend="torch").belief, 1e-9),
        "reference": (lambda: fuse(evidence, rho, backend="reference").belief, 0.0),
        "pairwise torch": (lambda: pairwise(b, u).numpy(), 1e-6),
    }
    print(f"E = {E}, K = {K}, B = {B:,}, one thread, nanoseconds an event\n")
    print(f"{'':16} {'best':>9} {'median':>9} {'to numba':>9}")
    first = 0.0
    for name, (run, tolerance) in runs.items():
        if not np.abs(run() - exact).max() <= tolerance:
            raise SystemExit(f"{name} does not agree with the reference to {tolerance}")
        best, median = timed(run, B, options.seconds)
        first = first or best
        print(f"{name:16} {best:9,.1f} {median:9,.1f} {best / first:8,.1f}x")


if __name__ == "__main__":
    main()
