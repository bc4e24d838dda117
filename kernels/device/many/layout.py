"""What stands where in the packed arrays of many models."""

from __future__ import annotations

import numpy as np

KIND, FEATURE, FIRST, LAST, NEXT, BUSIEST = range(6)
"""The columns of a node's links, int32, as `tocsin.kernels.traversal.Flat` has them: nodes by their numbers in their
tree. FIRST of a leaf is its number among the leaves of its model."""
LINKS = 6
VALUE, EDGE = range(2)
"""The columns of a node's values, float64."""
VALUES = 2

TOTAL, SUPPORT, DOUBT, EVIDENCE = range(4)
"""The numbers of a leaf, float64, 3 + K: the sum of its evidence; that and the prior weight, the S of an opinion; its
uncertainty s / S; and the evidence of each class, up to the cap."""

NODES, TREES, LEAVES, ROUTER, SCALES = KINDS = ("nodes", "trees", "leaves", "router", "scales")
"""What a model has a part of. Rows of nodes. Rows of trees: the first node, counted from the model's own, and the skill
that the router gives the tree. Numbers of leaves. Numbers of the router's network: hidden bias [H] with what the skills
add to it, rows [H] of each expert's confidence, of its support and of each feature, output bias [E + 1], and rows
[E + 1] of each hidden unit. Rows of features: mean, and one over the standard deviation."""

SIZES = ("features", "trees", "classes", "hidden")
TABLE = (*(f"{kind}_at" for kind in KINDS), *SIZES, "rule")
"""The columns of the table of models, int64: where the parts of a model begin, its F, E, K and H, and its rule by its
code."""
NODES_AT, TREES_AT, LEAVES_AT, ROUTER_AT, SCALES_AT, FEATURES, EXPERTS, CLASSES, HIDDEN, RULE = range(len(TABLE))
LEAST, POWER = range(2)
"""The columns of the table of terms, float64: the least probability, and the inverse temperature."""

ARRAYS = {
    "links": (NODES, (LINKS,), np.int32),
    "values": (NODES, (VALUES,), np.float64),
    "roots": (TREES, (), np.int32),
    "skill": (TREES, (), np.float64),
    "leaves": (LEAVES, (), np.float64),
    "router": (ROUTER, (), np.float64),
    "scales": (SCALES, (2,), np.float64),
}
"""The packed arrays: of which kind their rows are, the shape of a row, and its dtype."""
