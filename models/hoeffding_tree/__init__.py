"""A single Hoeffding tree: river's `HoeffdingTreeClassifier`, split for split, compiled."""

from tocsin.models.hoeffding_tree.tree import HoeffdingTree

__all__ = ["HoeffdingTree"]
