"""Hoeffding trees and forests on a device: flat copies of the trees that answer, which follow by their lessons."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

import torch
from torch import Tensor

from tocsin.kernels.device.trees import Answers, Shape, Trees, ask, events_at_once, one_vs_rest, single, vote
from tocsin.kernels.hoeffding.copying import TreesCopy, bytes_needed
from tocsin.models.device.form import Copies, Form
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.tree import TreeExpert


class TreesForm(Form):
    """What trees and forests have in common.

    At a label the rows of the leaves that learnt it travel, and of the branches above them those whose most common
    child is another now. All trees travel at the start, where there are new features or classes, where a copy needs
    more room and after a snapshot was loaded; one of them travels where it was replaced.
    """

    views: ClassVar[frozenset[View]] = frozenset({"filled", "history"})

    def __init__(self, expert: Any, copies: Copies) -> None:
        super().__init__(expert, copies)
        self._copy = TreesCopy()
        self._history: int = expert.history

    def bytes_needed(self) -> int:
        """How many bytes of memory the copy takes at most, where it is made now."""
        sources = self.expert.answering
        return bytes_needed(sources) if sources else 0

    def follow(self) -> None:
        """See `Form`."""
        self.expert.watch()
        if sources := self.expert.answering:
            self._copy.update(sources, self.copies)

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return (self._shape(), self._copy.cells) if self.expert.answering else None

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        X = self._inputs(inputs)
        if not self.expert.answering or self._shape().classes == 0:
            return X.new_zeros((len(X), 0))
        some = events_at_once(self._shape())
        parts = [self._evidence(self._ask(X[start : start + some])) for start in range(0, max(1, len(X)), some)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def leaves(self, inputs: Inputs) -> Tensor:
        """The leaves that answer for each event, int64 [B, trees]: node numbers of each tree, -1 in an empty one."""
        X = self._inputs(inputs)
        if not self.expert.answering:
            return X.new_zeros((len(X), 0), dtype=torch.int64)
        some = events_at_once(self._shape())
        return torch.cat([self._ask(X[start : start + some]).leaves for start in range(0, max(1, len(X)), some)])

    @abstractmethod
    def _evidence(self, answers: Answers) -> Tensor:
        """The evidence [B, K] of what the trees answer."""

    def _ask(self, X: Tensor) -> Answers:
        trees = Trees(*(self.copies[name] for name in Trees._fields))
        return ask(trees, self._shape(), X, self.copies.mirror.place.triton)

    def _shape(self) -> Shape:
        plan = self._copy.plan
        return Shape(
            plan.trees,
            plan.nodes,
            plan.classes,
            plan.features,
            plan.nominal,
            self._copy.depth,
            self._copy.probes,
            sum(plan.slots) > 0,
        )

    def _inputs(self, inputs: Inputs) -> Tensor:
        """As `tocsin.models.data.inputs.label_history_and_features` has them, float64 [B, history + F]."""
        features = inputs["filled"]
        if not self._history:
            return features
        known = inputs.view("history")
        labels = features.new_full((len(inputs), self._history), torch.nan)
        if known is not None:
            known = known[:, : self._history]
            labels[:, : known.shape[1]] = torch.where(known >= 0, known, torch.nan)
        return torch.cat([labels, features], dim=1)


class TreeForm(TreesForm):
    """A tree, or with `one_vs_rest` one for each class."""

    def __init__(self, expert: TreeExpert, copies: Copies) -> None:
        super().__init__(expert, copies)
        self._ask_each_class, self._strength = expert.one_vs_rest, expert.strength

    def _evidence(self, answers: Answers) -> Tensor:
        return (one_vs_rest if self._ask_each_class else single)(answers, self._strength)


class ForestForm(TreesForm):
    """The trees of a forest that vote; those that grow in the background are not copied."""

    def __init__(self, expert: ForestExpert, copies: Copies) -> None:
        super().__init__(expert, copies)
        self._strength, self._weight_per_event = expert.strength, expert.weight_per_event

    def follow(self) -> None:
        """See `Form`."""
        super().follow()
        self.copies.put("weights", self.expert.vote_weights)

    def _evidence(self, answers: Answers) -> Tensor:
        return vote(answers, self.copies["weights"], self._strength, self._weight_per_event)
