"""Flat copies of trees that answer but do not learn, and what of them changes when trees learn.

A copy is a handful of arrays of plain numbers, which a device can hold. It follows the trees by their lessons: only the
leaves that were taught, the branches above them and what a split made are looked at, and only these rows travel.
"""

from tocsin.kernels.hoeffding.copying.copy import TreesCopy, bytes_needed
from tocsin.kernels.hoeffding.copying.layout import Plan, Sink, Source, plan_of
from tocsin.kernels.hoeffding.copying.watching import watched

__all__ = ["Plan", "Sink", "Source", "TreesCopy", "bytes_needed", "plan_of", "watched"]
