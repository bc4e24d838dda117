"""A tree's branches as a list that people and tests can read."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.pool.layout import LEAF, NOMINAL_BINARY, NOMINAL_MULTIWAY, NUMERIC

KINDS = {NUMERIC: "numeric", NOMINAL_BINARY: "binary", NOMINAL_MULTIWAY: "multiway"}


class Split(NamedTuple):
    """One branch of a tree."""

    kind: str
    """"numeric", "binary" or "multiway"."""
    feature: Hashable
    tested: Any
    """The threshold (numeric: left is <=), the category (binary: left is ==), or the categories (multiway)."""
    depth: int


def splits(pool: hoeffding.Pool, names: Sequence[Hashable], codes: Mapping[int, Mapping[Hashable, int]]) -> list[Split]:
    """The branches of the first tree of a pool, depth first, children in order.

    `names` are the features by column, `codes` the categories by column with their codes where these are not numbers.
    """
    found: list[Split] = []
    nodes = pool.nodes[0]
    pending = [0] if pool.trees["n_nodes"][0] else []
    while pending:
        node = nodes[pending.pop()]
        if node["kind"] == LEAF:
            continue
        children = list(_children(nodes, node))
        pending.extend(reversed(children))
        column = int(node["feature"])
        multiway = node["kind"] == NOMINAL_MULTIWAY
        numbers = [float(nodes[child]["edge"]) for child in children] if multiway else [float(node["value"])]
        categories = list(codes.get(column, ()))
        tested: list[Any] = [categories[int(number)] for number in numbers] if categories else numbers
        kind = KINDS[int(node["kind"])]
        found.append(Split(kind, names[column], tested if multiway else tested[0], int(node["depth"])))
    return found


def _children(nodes: NDArray[np.void], node: Any) -> Iterator[int]:
    child = int(node["first"])
    while child >= 0:
        yield child
        child = int(nodes[child]["next"])
