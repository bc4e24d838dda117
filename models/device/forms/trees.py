"""Hoeffding trees and forests on a device: flat copies of the trees that answer, which follow by their lessons."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from tocsin.kernels.device.trees import Answers, Shape, Trees, ask, events_at_once, one_vs_rest, single, vote
from tocsin.kernels.hoeffding.copying import TreesCopy, bytes_needed
from tocsin.models.device.forms.form import Copies, Form
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
        self._copy: TreesCopy | None = None
        """None before there is a tree: with `one_vs_rest` there is none before there are classes."""
        self._history: int = expert.history

    def bytes_needed(self) -> int:
        """How many bytes of memory the copy takes at most, where it is made now."""
        sources = self.expert.answering
        return bytes_needed(sources) if sources else 0

    def follow(self) -> None:
        """See `Form`."""
        self.expert.watch()
        if sources := self.expert.answering:
            self._copy = self._copy or TreesCopy()
            self._copy.update(sources, self.copies)

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return None if self._copy is None else (_shape(self._copy), self._copy.cells)

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        X = self._inputs(inputs)
        if self._copy is None or self._copy.plan.classes == 0:
            return X.new_zeros((len(X), 0))
        return torch.cat([self._evidence(answers) for answers in self._answers(self._copy, X)])

    def leaves(self, inputs: Inputs) -> Tensor:
        """The leaves that answer for each event, int64 [B, trees]: node numbers of each tree, -1 in an empty one."""
        X = self._inputs(inputs)
        if self._copy is None:
            return X.new_zeros((len(X), 0), dtype=torch.int64)
        return torch.cat([answers.leaves for answers in self._answers(self._copy, X)])

    @abstractmethod
    def _evidence(self, answers: Answers) -> Tensor:
        """The evidence [B, K] of what the trees answer."""

    def _answers(self, copy: TreesCopy, X: Tensor) -> Iterator[Answers]:
        """What the trees answer for events [B, F], some events at a time; once where there are no events."""
        trees, shape = Trees(*(self.copies[name] for name in Trees._fields)), _shape(copy)
        some = events_at_once(shape)
        for start in range(0, max(1, len(X)), some):
            yield ask(trees, shape, X[start : start + some], self.copies.mirror.place.triton)

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


def _shape(copy: TreesCopy) -> Shape:
    """The sizes by which a copy is asked."""
    plan, bayes = copy.plan, sum(copy.plan.slots) > 0
    sizes = plan.trees, plan.nodes, plan.classes, plan.features, plan.nominal
    return Shape(*sizes, copy.depth, copy.probes, bayes)


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

    def bytes_needed(self) -> int:
        """See `TreesForm`."""
        return super().bytes_needed() + 8 * len(self.expert.answering)

    def follow(self) -> None:
        """See `Form`."""
        super().follow()
        self.copies.put("weights", self.expert.vote_weights)

    def _evidence(self, answers: Answers) -> Tensor:
        return vote(answers, self.copies["weights"], self._strength, self._weight_per_event)
