"""A copy of trees as tensors, its sizes, and what trees answer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Trees(NamedTuple):
    """The arrays of `tocsin.kernels.hoeffding.copying.copy.TreesCopy`, as tensors of one device."""

    links: Tensor
    values: Tensor
    answers: Tensor
    moments: Tensor
    cells: Tensor
    columns: Tensor


class Shape(NamedTuple):
    """The sizes of a copy. None follows from a tensor's values, so that the same launches serve until one changes."""

    trees: int
    """T"""
    nodes: int
    """N, of each tree."""
    classes: int
    """K"""
    features: int
    """F"""
    nominal: int
    """C, how many of the features are categories."""
    depth: int
    """At most so many branches stand above a leaf."""
    probes: int
    """At most so many cells must be looked at to find a category."""
    bayes: bool
    """Whether any leaf may answer by naive Bayes."""


class Answers(NamedTuple):
    """What T trees answer for B events."""

    leaves: Tensor
    """int64 [B, T], the number of the leaf in its tree, -1 in an empty tree."""
    p: Tensor
    """float64 [B, T, K], class probabilities; zeros where a leaf has seen nothing."""
    support: Tensor
    """float64 [B, T], the weight that the leaf rests on."""
