"""Every event of a batch down every tree of a pool at once, where the trees lie on a device; each back end is a file.

On the CPU, `tocsin.kernels.hoeffding.leaf_ids` walks the pool itself, which changes with every event that it learns.
Here the trees are `flat`: the arrays that a walk needs, with the busiest child of each branch found beforehand.
"""

from tocsin.kernels.traversal import by_torch, by_triton, reference  # noqa: F401 - they register themselves
from tocsin.kernels.traversal.flat import Flat, flatten
from tocsin.kernels.traversal.interface import backend, backends, traverse

__all__ = ["Flat", "backend", "backends", "flatten", "traverse"]
