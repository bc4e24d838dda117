"""Every event of a batch down every tree of a pool at once, where the trees lie on a device; a back end a file.

On the CPU `tocsin.kernels.hoeffding.leaf_ids` walks the pool itself, which changes with every event that is learnt.
Here it is `flat`: what a walk needs and nothing else, the busiest child of each branch worked out beforehand.
"""

from tocsin.kernels.traversal.by_torch import traverse_torch
from tocsin.kernels.traversal.by_triton import traverse_triton
from tocsin.kernels.traversal.flat import Flat, flatten
from tocsin.kernels.traversal.interface import backend, backends, traverse
from tocsin.kernels.traversal.reference import traverse_reference

__all__ = [
    "Flat",
    "backend",
    "backends",
    "flatten",
    "traverse",
    "traverse_reference",
    "traverse_torch",
    "traverse_triton",
]
