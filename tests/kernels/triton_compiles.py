"""Compile the Triton kernels for a card that is not here, and print the size of each binary. Run by itself, because a
process that interprets Triton compiles nothing.
"""

from __future__ import annotations

from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from tocsin.kernels.device.many.triton_kernel import many_kernel
from tocsin.kernels.device.moving_clusters.triton_kernel import distances_kernel
from tocsin.kernels.device.nearest.triton_kernel import nearest_kernel
from tocsin.kernels.device.rare_class.triton_kernel import linear_kernel, solve_kernel
from tocsin.kernels.device.trees.triton_kernel import trees_kernel
from tocsin.kernels.fusion.triton_block import fuse_kernel
from tocsin.kernels.score.triton_kernel import score_kernel
from tocsin.kernels.traversal.triton_kernel import traverse_kernel

HOPPER = GPUTarget("cuda", 90, 32)
TILES = {"RULE": 0, "KP": 16, "EP": 16, "BLOCK": 64, "DOUBLE": False}
ROUTER = {
    "HP": 32, "NETWORK": True, "NULL": 1, "MASK": True, "LOGIT": 6.0, "CLIP": 5.0, "LEAK": 0.05, "MOST": 0.999,
    "RAISE": True, "LEAST": 1e-300,
}  # fmt: skip
SEARCH = {"KP": 4, "BLOCK": 16, "AGES": 64, "SPAN": 256, "FAR": 5.0, "UNKNOWN": 1.0}
MANY = {
    "KP": 16,
    "EP": 16,
    "HP": 32,
    "BLOCK": 32,
    "LOGIT": 6.0,
    "CLIP": 5.0,
    "LEAK": 0.05,
    "MOST": 0.999,
    "LEAST": 1e-300,
}
CLUSTERS = {"FARTHEST": 10.0, "BLOCK": 16, "PLACES": 64}
SINGLE = {"evidence", "to_belief", "to_rest"}
INTEGER = {
    "leaves",
    "links",
    "kind",
    "feature",
    "first",
    "last",
    "following",
    "busiest",
    "out",
    "to_age",
    "roots",
    "to_leaf",
}
BYTE = {"engaged", "nominal"}
WHOLE = {"to_label", "to_used", "held", "cells", "columns", "leaf", "table", "pools", "order"}


def size(kernel: Any, constants: dict[str, Any], single: set[str], doubles: frozenset[str] = frozenset()) -> int:
    """Bytes of the binary."""

    def kind(name: str) -> str:
        if name in constants:
            return "constexpr"
        if len(name) == 1 and name not in "Xp":
            return "i32"
        if name in doubles:
            return "*fp64"
        if name in BYTE:
            return "*u8"
        return "*i32" if name in INTEGER else "*i64" if name in WHOLE else "*fp32" if name in single else "*fp64"

    names = kernel.arg_names
    source = ASTSource(
        kernel,
        signature={name: kind(name) for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
    )
    compiled = triton.compile(source, target=HOPPER, options={"enable_fp_fusion": False})
    return len(compiled.asm["cubin"])


if __name__ == "__main__":
    print("clusters", size(distances_kernel, CLUSTERS, set()))
    print("fuse", size(fuse_kernel, TILES, SINGLE | {"rho", "prior"}))
    print("linear", size(linear_kernel, {"BLOCK": 128}, set(), frozenset({"out"})))
    print("many", size(many_kernel, MANY, set(), frozenset({"leaves"})))
    print("nearest", size(nearest_kernel, SEARCH, set()))
    print("score", size(score_kernel, TILES | ROUTER | {"GATHER": True}, SINGLE))
    print("solve", size(solve_kernel, {"BLOCK": 64, "DP": 32}, set(), frozenset({"out"})))
    print("traverse", size(traverse_kernel, {"BLOCK": 128}, set()))
    print("trees", size(trees_kernel, {"BAYES": True, "NOMINAL": True, "BLOCK": 32, "TILE": 16}, set()))
